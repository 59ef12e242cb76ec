import KVBase
import KVCommand
import KVRaft
import KVWire
import Testing

@testable import KVNodeCore

/// What is asked of a replica that its group has removed, and what a message may not do to one.
@Suite struct LeftGroupTests {
  private let group = GroupID(1)

  /// A replica of node 1 in a group of two, which follows node 2.
  private func follower() throws -> ShardBench {
    var bench = ShardBench()
    bench.give(
      .addReplica(
        group, ShardBench.own,
        ReplicaSet(epoch: Epoch(1), voters: [ShardBench.other, ShardBench.own])))
    bench.persisted(bench.endTurn().batch)
    _ = bench.endTurn()
    return bench
  }

  private func entry(_ index: UInt64, _ configuration: GroupConfiguration) -> LogEntry {
    var writer = ByteWriter()
    configuration.encode(into: &writer)
    return LogEntry(
      index: LogIndex(index), term: Term(2), kind: .configuration, logTimeMilliseconds: 1,
      payload: writer.take())
  }

  /// Nobody sends such a replica anything any more, so nothing would ever serve what waits.
  @Test func aReadThatWaitsAtAReplicaThatHasLeftItsGroupIsAnswered() throws {
    var bench = try follower()
    let waiting = bench.get(.session, after: LogIndex(100))
    #expect(try bench.endTurn().asked.answers().isEmpty)
    let both = [ShardBench.own, ShardBench.other]
    let entries = [
      entry(1, GroupConfiguration(voters: [ShardBench.other], outgoing: both)),
      entry(2, GroupConfiguration(voters: [ShardBench.other])),
    ]
    let append = RaftMessage.AppendRequest(
      previousIndex: .zero, previousTerm: .zero, commit: LogIndex(1), round: 1, entries: entries)
    try bench.receive(.raft(.append(append)), term: Term(2))
    // Not before it is certain: what is not committed may be rolled back.
    let (asked, batch) = bench.endTurn()
    #expect(try asked.answers().isEmpty)
    bench.persisted(batch)
    _ = bench.endTurn()
    let committed = RaftMessage.AppendRequest(
      previousIndex: LogIndex(2), previousTerm: Term(2), commit: LogIndex(2), round: 2,
      entries: [])
    try bench.receive(.raft(.append(committed)), term: Term(2))
    var answers = try bench.endTurn().asked.answers()
    try expectNotReplica(answers[waiting])
    // Nor does a later one wait.
    let late = bench.get(.session, after: LogIndex(100))
    answers = try bench.endTurn().asked.answers()
    try expectNotReplica(answers[late])
  }

  private func expectNotReplica(_ reply: KVWire.Reply?) throws {
    guard case .failed(let failure)? = reply else {
      Issue.record("a read at a replica that was removed: \(String(describing: reply))")
      return
    }
    #expect(failure.reason == .notReplica && failure.notStarted)
    #expect(failure.leader == NodeID(2))
  }

  /// No term follows the last one: a node that entered it could not go on.
  @Test(arguments: [UInt64.max, UInt64.max - 1])
  func aTermFarBeyondTheGroupsIsAProtocolViolation(term: UInt64) throws {
    var bench = try follower()
    for body in [
      PeerMessage.Body.raft(.heartbeat(.init(commit: .zero, round: 1))), .raft(.timeoutNow),
      .snapshot(.offer(transfer: 4, index: LogIndex(3), term: Term(2))),
    ] {
      #expect(throws: WireError.self) { try bench.receive(body, term: Term(term)) }
    }
    _ = bench.endTurn()
    #expect(try #require(bench.report).term == .zero)
    // An honest one is followed.
    try bench.receive(.raft(.heartbeat(.init(commit: .zero, round: 1))), term: Term(7))
    _ = bench.endTurn()
    #expect(try #require(bench.report).term == Term(7))
  }
}
