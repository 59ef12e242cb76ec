import KVBase
import KVCommand
import KVLog
import KVRaft
import KVWire
import Testing

@testable import KVNodeCore

/// What of a group's log is kept for others when its state is durable.
struct RetentionTests {
  private let group = GroupID(1)

  /// A leader with a learner that answers, and lacks everything.
  private func leaderWithLearner() throws -> ShardBench {
    var bench = ShardBench()
    bench.give(
      .addReplica(
        group, ShardBench.own,
        ReplicaSet(epoch: Epoch(1), voters: [ShardBench.own], learners: [ShardBench.other])))
    bench.lead()
    for _ in 0..<8 { _ = bench.put() }
    bench.lead()
    try hear(&bench)
    return bench
  }

  /// The learner answers once.
  private func hear(_ bench: inout ShardBench) throws {
    let term = try #require(bench.report).term
    try bench.receive(.raft(.heartbeatResponse(.init(round: 0))), term: term)
    bench.persisted(bench.endTurn().batch)
  }

  /// The first entry that the log still holds, when the state has been flushed.
  private func firstKept(
    _ bench: inout ShardBench, followers: LogIndex?, transfers: LogIndex? = nil
  ) throws -> LogIndex {
    let report = try #require(bench.report)
    bench.give(
      .flushed([
        FlushedGroup(
          group: group, index: report.applied, firstForFollowers: followers,
          firstForTransfers: transfers)
      ]))
    return try #require(bench.report).base.next
  }

  @Test func whatALiveFollowerNeedsIsKeptWithinTheGroupsShare() throws {
    var bench = try leaderWithLearner()
    #expect(try firstKept(&bench, followers: LogIndex(1)) == LogIndex(1))
    #expect(try firstKept(&bench, followers: LogIndex(4)) == LogIndex(4))
    // None of its entries is in that part of the log.
    let applied = try #require(bench.report).applied
    #expect(try firstKept(&bench, followers: nil) == applied.next)
  }

  /// Else a node that is restarted before it has written enough never lets go of its log.
  @Test func whatAnEarlierLifeLeftInTheLogMakesAFlushDue() {
    let configuration = TestCluster.configuration(1, of: 1, partitions: 1)
    let half = configuration.flushBytes / 2
    var schedule = FlushSchedule(configuration)
    func gauges(_ retained: Int, _ written: Int) -> NodeGauges {
      NodeGauges(
        logRetainedBytes: retained, logWrittenBytes: UInt64(written), isUnderPressure: false)
    }
    func isDue(retained: Int, written: Int) -> Bool { schedule.isDue(gauges(retained, written)) }

    #expect(isDue(retained: 2 * half, written: 0))
    #expect(!isDue(retained: 2 * half, written: 0))
    _ = schedule.ended(gauges(2 * half, 0))
    #expect(!isDue(retained: 2 * half, written: 0))

    schedule = FlushSchedule(configuration)
    #expect(!isDue(retained: half, written: 0))
    #expect(!isDue(retained: half, written: half - 1))
    #expect(isDue(retained: half, written: half))
    _ = schedule.ended(gauges(0, half))
    // What is written after that is counted from the flush.
    #expect(!isDue(retained: 2 * half, written: 3 * half - 1))
    #expect(isDue(retained: 2 * half, written: 3 * half))
  }

  /// What a follower has is not kept for it, however large the share.
  @Test func whatAFollowerHasIsNotKept() throws {
    var bench = try leaderWithLearner()
    let term = try #require(bench.report).term
    let outcome = RaftMessage.AppendResponse.Outcome.accepted(match: LogIndex(6))
    try bench.receive(.raft(.appendResponse(.init(outcome: outcome, round: 0))), term: term)
    bench.persisted(bench.endTurn().batch)
    #expect(try firstKept(&bench, followers: LogIndex(1)) == LogIndex(7))
  }

  @Test func aSilentFollowerIsNotWaitedFor() throws {
    var bench = try leaderWithLearner()
    for _ in 0..<500 {
      bench.tick()
      bench.persisted(bench.endTurn().batch)
    }
    let applied = try #require(bench.report).applied
    #expect(try firstKept(&bench, followers: LogIndex(1)) == applied.next)
  }

  /// Else its follower would need the next snapshot as soon as this one has arrived.
  @Test func whatFollowsASnapshotOnItsWayIsKept() throws {
    var bench = ShardBench()
    let transfer = try bench.openImage()
    let report = try #require(bench.report)
    bench.step(transfer, .opened(ShardBench.status(through: report.applied, term: report.term)))
    for _ in 0..<10 { _ = bench.put() }
    bench.lead()
    #expect(
      try firstKept(&bench, followers: nil, transfers: LogIndex(1)) == report.applied.next)
    // Within the group's share.
    #expect(try firstKept(&bench, followers: nil, transfers: LogIndex(8)) == LogIndex(8))
  }

  /// One group writes much, another one little: the share is a part of the log that both are in.
  @Test func aShareIsCountedInPositionsOfTheWholeLog() throws {
    let log = try TestCluster.makeLog(node: 1)
    let busy = GroupID(1)
    let quiet = GroupID(2)
    for group in [busy, quiet] {
      try log.append([
        .reset(
          group, generation: Generation(1), index: .zero, term: .zero,
          configuration: GroupConfiguration(voters: [ShardBench.own]))
      ])
    }
    func write(_ group: GroupID, _ index: Int) throws {
      let entry = LogEntry(
        index: LogIndex(UInt64(index)), term: Term(1), kind: .noop, logTimeMilliseconds: 0,
        payload: Bytes(Array(repeating: 7, count: 1000)))
      try log.append([.entries(group, [entry])])
    }
    try write(quiet, 1)
    for index in 1...20 { try write(busy, index) }
    try write(quiet, 2)
    for index in 21...25 { try write(busy, index) }
    try log.sync()

    var configuration = ShardBench.configuration
    configuration.logKeepBytes =
      log.end - (try #require(try log.position(of: busy, LogIndex(18))))
    guard
      case .stateFlushed(let flushed) = try configuration.flushed(
        [(busy, LogIndex(25)), (quiet, LogIndex(2)), (GroupID(9), LogIndex(1))], log: log)
    else {
      Issue.record("another input")
      return
    }
    #expect(flushed.map(\.firstForFollowers) == [LogIndex(18), LogIndex(2), nil])
    #expect(flushed.map(\.firstForTransfers) == [LogIndex(1), LogIndex(1), nil])
  }
}
