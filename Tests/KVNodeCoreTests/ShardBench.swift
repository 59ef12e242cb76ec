import KVBase
import KVCommand
import KVLog
import KVPlacement
import KVRaft
import KVState
import KVWire
import Testing

@testable import KVNodeCore

/// A shard of node 1 alone, whose replicas come and go as inputs. Nothing is carried out unless the
/// test does so.
struct ShardBench {
  static let configuration = TestCluster.configuration(1, of: 2, partitions: 2)
  static let own = ReplicaID(node: NodeID(1))
  static let other = ReplicaID(node: NodeID(2))
  static let alone = ReplicaSet(epoch: Epoch(1), voters: [own])
  /// Keys of partition 0 and 1, that is of groups 1 and 2.
  static let key = keys(of: GroupID(1))

  var shard: Shard
  var outputs = NodeOutputs()
  private var milliseconds: UInt64 = 1_000
  private var nextStream: UInt32 = 0

  var now: Now {
    Now(instant: Instant(nanoseconds: milliseconds * 1_000_000), wallMilliseconds: milliseconds)
  }

  init(_ groups: [NodeRecovery.Group] = []) {
    let map = Bootstrap.map(Self.configuration, clusterID: 5) { _ in 1 }
    shard = Shard(
      Self.configuration, recovery: NodeRecovery(groups: groups), map: map,
      random: SeededRandom(seed: 3), now: Instant(nanoseconds: 1_000_000_000))
    give(.admitted)
    give(.peer(NodeID(2), ConnectionID(77), isRefusing: false))
    give(.budget(1 << 20))
  }

  private static func keys(of group: GroupID) -> Bytes {
    for at in 0..<100 {
      let key = Bytes("k\(at)")
      if GroupID(partition: Ring.partition(of: key, partitions: 2)) == group { return key }
    }
    preconditionFailure("no key of \(group)")
  }

  mutating func give(_ input: ShardInput) { shard.step(input, now: now, &outputs) }

  /// What the turn asked for, and its log batch.
  mutating func endTurn() -> (asked: NodeOutputs, batch: LogBatch?) {
    shard.finishTurn(now: now, &outputs)
    defer { outputs = NodeOutputs() }
    return (outputs, shard.takeLogBatch())
  }

  mutating func persisted(_ batch: LogBatch?) {
    shard.persisted(
      batch?.completions ?? [], bytes: batch?.bytes ?? 0, now: now, &outputs)
  }

  mutating func tick() {
    milliseconds += 10
    shard.tick(now: now, &outputs)
  }

  /// Sends a request; its stream.
  mutating func request(_ request: Request) -> UInt32 {
    nextStream += 1
    var writer = ByteWriter()
    request.encode(into: &writer)
    let caller = Caller(connection: ConnectionID(1), stream: nextStream)
    let question = shard.request(writer.take(), caller: caller, now: now, &outputs)
    #expect(question == nil)
    return nextStream
  }

  mutating func put() -> UInt32 {
    let command = Command(
      session: .none, body: .mutate(keyspace: .default, key: Self.key, .put(value: "1")))
    var writer = ByteWriter()
    command.encode(into: &writer)
    return request(Request(.mutate(command, encoded: writer.take())))
  }

  mutating func get(_ level: Consistency? = nil, after: LogIndex? = nil) -> UInt32 {
    request(
      Request(
        .read(.get(keyspace: .default, key: Self.key)), consistency: level, after: after))
  }

  mutating func receive(_ body: PeerMessage.Body, term: Term) throws {
    let message = PeerMessage(
      group: GroupID(1), from: Self.other, to: Self.own, term: term, body: body)
    var writer = ByteWriter()
    var envelope: PeerEnvelope?
    message.encode(after: &envelope, into: &writer)
    try shard.peerFrame(from: NodeID(2), writer.take(), now: now, &outputs)
  }

  var report: NodeReport.Group? { shard.groupReports.first { $0.group == GroupID(1) } }

  /// Lets time pass until the only voter of group 1 leads and has applied what it has; everything
  /// is carried out as soon as it is asked for.
  mutating func lead() {
    for _ in 0..<200 {
      tick()
      for _ in 0..<4 {
        let (asked, batch) = endTurn()
        persisted(batch)
        shard.applied(asked.applies.map(Self.result), now: now, &outputs)
      }
      if let report, report.role == .leader, report.commit > .zero, report.applied == report.last {
        return
      }
    }
    Issue.record("group 1 has no leader: \(String(describing: report))")
  }

  static func result(_ request: ApplyRequest) -> ApplyResult {
    ApplyResult(
      group: request.group, generation: request.generation,
      index: request.entries.last?.index ?? .zero, term: request.entries.last?.term ?? .zero,
      results: request.entries.map { _ in .done }, digest: 9, meta: nil)
  }
}

extension NodeOutputs {
  func answers() throws -> [UInt32: KVWire.Reply] {
    let bytes = Bytes(replyBytes.bytes)
    return Dictionary(
      uniqueKeysWithValues: try replies.map {
        ($0.stream, try KVWire.Reply(decoding: bytes[$0.start..<$0.end]))
      })
  }

  func messages() throws -> [PeerMessage] {
    var payloads: [Bytes] = []
    peerFrames.forEach { _, writer, range in payloads.append(Bytes(Array(writer.bytes[range]))) }
    var found: [PeerMessage] = []
    for payload in payloads {
      var reader = ByteReader(payload)
      var envelope: PeerEnvelope?
      while !reader.isAtEnd { found.append(try PeerMessage(from: &reader, after: &envelope)) }
    }
    return found
  }
}
