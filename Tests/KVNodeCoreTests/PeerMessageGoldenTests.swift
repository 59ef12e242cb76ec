import GoldenBytes
import KVBase
import KVRaft
import KVWire
import Testing

@testable import KVNodeCore

/// The bytes of every peer message, as `Tests/Golden/peer-messages.txt` records them.
@Suite struct PeerMessageGoldenBytesTests {
  /// Where the kind stands in a message.
  private static let kindOffset = 18

  private static let samples: [(name: String, body: PeerMessage.Body)] = [
    ("vote-request", vote(isPreVote: false, isTransfer: false)),
    ("pre-vote-request", vote(isPreVote: true, isTransfer: false)),
    ("vote-request-of-a-transfer", vote(isPreVote: false, isTransfer: true)),
    ("vote-response", .raft(.voteResponse(.init(isPreVote: false, granted: true)))),
    ("pre-vote-response", .raft(.voteResponse(.init(isPreVote: true, granted: false)))),
    ("append", append([PeerMessageTests.entry(5), PeerMessageTests.entry(6)])),
    ("append-without-entries", append([])),
    (
      "append-response-accepted",
      .raft(.appendResponse(.init(outcome: .accepted(match: LogIndex(6)), round: 9)))
    ),
    (
      "append-response-rejected",
      .raft(
        .appendResponse(
          .init(
            outcome: .rejected(previousIndex: LogIndex(4), hint: LogIndex(2), hintTerm: Term(1)),
            round: 9)))
    ),
    (
      "heartbeat",
      .raft(
        .heartbeat(
          .init(
            commit: LogIndex(6), round: 10, leaderCommit: LogIndex(8),
            echo: FollowerStamp(rawValue: 21))))
    ),
    ("heartbeat-without-echo", .raft(.heartbeat(.init(commit: LogIndex(6), round: 10)))),
    (
      "heartbeat-response",
      .raft(.heartbeatResponse(.init(round: 10, stamp: FollowerStamp(rawValue: 21))))
    ),
    ("heartbeat-response-without-stamp", .raft(.heartbeatResponse(.init(round: 10)))),
    ("timeout-now", .raft(.timeoutNow)),
    ("snapshot-offer", .snapshot(.offer(transfer: 8, index: LogIndex(100), term: Term(2)))),
    ("snapshot-request", .snapshot(.request(transfer: 8, sequence: 1))),
    (
      "snapshot-chunk", .snapshot(.chunk(transfer: 8, sequence: 1, isLast: false, bytes: "chunk"))
    ),
    (
      "snapshot-last-chunk",
      .snapshot(.chunk(transfer: 8, sequence: 2, isLast: true, bytes: Bytes()))
    ),
    ("snapshot-done", .snapshot(.done(transfer: 8, succeeded: true))),
    ("snapshot-given-up", .snapshot(.done(transfer: 8, succeeded: false))),
  ]

  private static func vote(isPreVote: Bool, isTransfer: Bool) -> PeerMessage.Body {
    .raft(
      .voteRequest(
        .init(
          isPreVote: isPreVote, lastIndex: LogIndex(7), lastTerm: Term(2), isTransfer: isTransfer)))
  }

  private static func append(_ entries: [LogEntry]) -> PeerMessage.Body {
    .raft(
      .append(
        .init(
          previousIndex: LogIndex(4), previousTerm: Term(2), commit: LogIndex(3), round: 9,
          entries: entries)))
  }

  private static func encoded(_ body: PeerMessage.Body) -> Bytes {
    PeerMessageTests.encoded(PeerMessageTests.message(body))
  }

  @Test func everyMessageHasItsGoldenBytes() throws {
    let problems = try GoldenBytes.problems(
      "peer-messages", version: Int(Hello.protocolVersion),
      Self.samples.map { ($0.name, Self.encoded($0.body).hexadecimal) })
    #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))")
  }

  @Test func everyMessageIsReadBack() throws {
    for (_, body) in Self.samples {
      let decoded = try PeerMessageTests.decoded(Self.encoded(body))
      #expect(decoded == PeerMessageTests.message(body))
    }
  }

  /// A kind that the decoder knows and no sample has would have no golden bytes.
  @Test func everyKindHasASample() {
    let sampled = Set(Self.samples.map { Self.encoded($0.body).array[Self.kindOffset] })
    // 0 stands before an envelope.
    for kind in 1...UInt8.max {
      let header = Self.encoded(.raft(.timeoutNow)).array.prefix(Self.kindOffset)
      var isKnown = true
      do throws(WireError) {
        _ = try PeerMessageTests.decoded(Bytes(Array(header) + [kind]))
      } catch {
        isKnown = error != .unknownValue(what: "peer message", value: UInt64(kind))
      }
      #expect(isKnown == sampled.contains(kind), "kind \(kind)")
    }
  }
}
