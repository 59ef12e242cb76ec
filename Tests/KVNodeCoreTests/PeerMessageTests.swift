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
    var envelope: PeerEnvelope?
    for body in Self.bodies { Self.message(body).encode(after: &envelope, into: &writer) }
    var reader = ByteReader(writer.take())
    envelope = nil
    for body in Self.bodies {
      #expect(try PeerMessage(from: &reader, after: &envelope) == Self.message(body))
    }
    #expect(reader.isAtEnd)
  }

  /// Of replicas of one node and another; a replica that was made anew has another id.
  @Test func messagesOfAFrameShareTheirEnvelopeWhileItIsTheSame() throws {
    let anew = ReplicaID(node: NodeID(3), ordinal: 2)
    var messages = Self.bodies.map { Self.message($0) }
    messages[3].to = anew
    messages[4].to = anew
    let payload = try #require(Self.payloads(messages).first)
    var reader = ByteReader(payload)
    var envelope: PeerEnvelope?
    for message in messages {
      #expect(try PeerMessage(from: &reader, after: &envelope) == message)
    }
    #expect(reader.isAtEnd)
    let alone = messages.reduce(0) { $0 + Self.encoded($1).count }
    // Three envelopes, of 18 bytes each, instead of one for each message.
    #expect(payload.count == alone - (messages.count - 3) * 18)
  }

  /// Each frame is read without what came before it.
  @Test func everyFrameBeginsWithAnEnvelope() throws {
    let chunk = Self.message(
      .snapshot(
        .chunk(
          transfer: 1, sequence: 1, isLast: false,
          bytes: Bytes(Array(repeating: 1, count: Limits.peerFrameBytes / 3 * 2)))))
    let payloads = Self.payloads([chunk, chunk, chunk])
    #expect(payloads.count == 3)
    for payload in payloads {
      #expect(payload.count <= Limits.peerFrameBytes)
      #expect(try Self.decoded(payload) == chunk)
    }
  }

  /// The frames that a turn sends on one connection.
  private static func payloads(_ messages: [PeerMessage]) -> [Bytes] {
    var frames = PeerFrames()
    for message in messages { frames.append(message, on: ConnectionID(1)) }
    var payloads: [Bytes] = []
    frames.forEach { _, writer, range in payloads.append(Bytes(Array(writer.bytes[range]))) }
    return payloads
  }

  @Test func aMessageWithoutAnEnvelopeIsRefused() throws {
    var shared: PeerEnvelope? = PeerEnvelope(
      from: ReplicaID(node: NodeID(1)), to: ReplicaID(node: NodeID(3)))
    var writer = ByteWriter()
    Self.message(.raft(.timeoutNow)).encode(after: &shared, into: &writer)
    #expect(throws: WireError.invalid("peer message: no envelope before it")) {
      try Self.decoded(writer.take())
    }
  }

  static func encoded(_ message: PeerMessage) -> Bytes {
    var writer = ByteWriter()
    var envelope: PeerEnvelope?
    message.encode(after: &envelope, into: &writer)
    return writer.take()
  }

  /// The whole of `bytes`.
  static func decoded(_ bytes: Bytes) throws(WireError) -> PeerMessage {
    var reader = ByteReader(bytes)
    var envelope: PeerEnvelope?
    let message = try PeerMessage(from: &reader, after: &envelope)
    try reader.finish()
    return message
  }

  @Test(arguments: bodies) func everyCutIsTruncatedAndNothingElse(_ body: PeerMessage.Body) throws {
    let bytes = Self.encoded(Self.message(body))
    for count in 0..<bytes.count {
      #expect(throws: WireError.self) { try Self.decoded(bytes[0..<count]) }
    }
  }

  @Test func anAppendWithAGapIsRefused() {
    let bytes = Self.encoded(
      Self.message(
        .raft(
          .append(
            .init(
              previousIndex: LogIndex(4), previousTerm: Term(2), commit: LogIndex(3), round: 9,
              entries: [Self.entry(5), Self.entry(7)])))))
    #expect(throws: WireError.invalid("append: indexes with a gap")) { try Self.decoded(bytes) }
  }

  @Test func garbageNeverTraps() {
    var random = SeededRandom(seed: 11)
    var decoded = 0
    for _ in 0..<20_000 {
      let count = Int(random.below(120))
      var bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      if count > 18 {
        bytes[0] = 0
        bytes[1] = 1
        bytes[18] = UInt8(random.below(20))
      }
      var reader = ByteReader(Bytes(bytes))
      var envelope: PeerEnvelope?
      if (try? PeerMessage(from: &reader, after: &envelope)) != nil { decoded += 1 }
    }
    #expect(decoded > 0)
  }

  @Test func goldenBytesOfAnAppend() {
    let expected = [
      "0001", "0000000000000001", "0000000000000003", "03", "00000002", "0000000000000003",
      "0000000000000004", "0000000000000002", "0000000000000003", "0000000000000009", "00000002",
      "00000009", "01", "0000000000000005", "0000000000000003", "0000000000000005",
    ].joined()
    #expect(Self.encoded(Self.message(Self.bodies[2])).hexadecimal.hasPrefix(expected))
  }
}
