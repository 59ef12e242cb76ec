import KVBase
import KVRaft
import Testing

@testable import KVNodeCore

@Suite struct PeerMessageTests {
  static func entry(_ index: UInt64) -> LogEntry {
    LogEntry(
      index: LogIndex(index), term: Term(3), kind: .command, logTimeMilliseconds: 5,
      payload: Bytes("payload \(index)"))
  }

  static let bodies: [PeerMessage.Body] = [
    .raft(
      .voteRequest(
        .init(isPreVote: true, lastIndex: LogIndex(7), lastTerm: Term(2), isTransfer: false))),
    .raft(.voteResponse(.init(isPreVote: false, granted: true))),
    .raft(
      .append(
        .init(
          previousIndex: LogIndex(4), previousTerm: Term(2), commit: LogIndex(3), round: 9,
          entries: [entry(5), entry(6)]))),
    .raft(.appendResponse(.init(outcome: .accepted(match: LogIndex(6)), round: 9))),
    .raft(
      .appendResponse(
        .init(
          outcome: .rejected(previousIndex: LogIndex(4), hint: LogIndex(2), hintTerm: Term(1)),
          round: 9))),
    .raft(.heartbeat(.init(commit: LogIndex(6), round: 10))),
    .raft(.heartbeatResponse(.init(round: 10))),
    .raft(.timeoutNow),
    .snapshot(.offer(transfer: 8, index: LogIndex(100), term: Term(2))),
    .snapshot(.request(transfer: 8, sequence: 1)),
    .snapshot(.chunk(transfer: 8, sequence: 1, isLast: true, bytes: "chunk")),
    .snapshot(.done(transfer: 8, succeeded: false)),
  ]

  static func message(_ body: PeerMessage.Body) -> PeerMessage {
    PeerMessage(
      group: GroupID(2), from: ReplicaID(node: NodeID(1)), to: ReplicaID(node: NodeID(3)),
      term: Term(3), body: body)
  }

  @Test func everyKindSurvivesItsBytes() throws {
    var writer = ByteWriter()
    for body in Self.bodies { Self.message(body).encode(into: &writer) }
    var reader = ByteReader(writer.take())
    for body in Self.bodies {
      #expect(try PeerMessage(from: &reader) == Self.message(body))
    }
    #expect(reader.isAtEnd)
  }

  @Test(arguments: bodies) func everyCutIsTruncatedAndNothingElse(_ body: PeerMessage.Body) throws {
    var writer = ByteWriter()
    Self.message(body).encode(into: &writer)
    let bytes = writer.take()
    for count in 0..<bytes.count {
      var reader = ByteReader(bytes[0..<count])
      #expect(throws: WireError.self) { try PeerMessage(from: &reader) }
    }
  }

  @Test func anAppendWithAGapIsRefused() {
    var writer = ByteWriter()
    Self.message(
      .raft(
        .append(
          .init(
            previousIndex: LogIndex(4), previousTerm: Term(2), commit: LogIndex(3), round: 9,
            entries: [Self.entry(5), Self.entry(7)])))
    ).encode(into: &writer)
    var reader = ByteReader(writer.take())
    #expect(throws: WireError.invalid("append: indexes with a gap")) {
      try PeerMessage(from: &reader)
    }
  }

  @Test func garbageNeverTraps() {
    var random = SeededRandom(seed: 11)
    var decoded = 0
    for _ in 0..<20_000 {
      let count = Int(random.below(120))
      var bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      if count > 24 { bytes[24] = UInt8(random.below(20)) }
      var reader = ByteReader(Bytes(bytes))
      if (try? PeerMessage(from: &reader)) != nil { decoded += 1 }
    }
    #expect(decoded > 0)
  }

  @Test func goldenBytesOfAnAppend() {
    var writer = ByteWriter()
    Self.message(Self.bodies[2]).encode(into: &writer)
    let expected = [
      "0100000002", "0000000000000001", "0000000000000003", "0000000000000003", "03",
      "0000000000000004", "0000000000000002", "0000000000000003", "0000000000000009", "00000002",
      "00000009", "01", "0000000000000005", "0000000000000003", "0000000000000005",
    ].joined()
    #expect(writer.take().hexadecimal.hasPrefix(expected))
  }
}
