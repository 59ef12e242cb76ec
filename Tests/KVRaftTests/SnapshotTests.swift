import KVBase
import Testing

@testable import KVRaft

/// Snapshots (Raft paper §7), and a log whose older part is on disk only.
@Suite struct SnapshotTests {
  private func offer(
    _ solo: inout Solo, index: UInt64, term: UInt64, in leaderTerm: UInt64, from: UInt32 = 2
  ) -> Bool {
    solo.core.offeredSnapshot(
      from: r(from), term: Term(leaderTerm), index: LogIndex(index), snapshotTerm: Term(term),
      now: solo.now, into: &solo.out)
  }

  @discardableResult
  private func install(
    _ solo: inout Solo, index: UInt64, term: UInt64,
    _ configuration: GroupConfiguration = GroupConfiguration(1...3), from: UInt32 = 2
  ) -> RaftOutputs {
    let isRight = solo.core.beginInstall(index: LogIndex(index), term: Term(term))
    #expect(isRight)
    solo.core.installed(
      index: LogIndex(index), term: Term(term), configuration: configuration, from: r(from),
      now: solo.now, into: &solo.out)
    return solo.turn()
  }

  @Test func section7_aSnapshotReplacesALogThatLacksIt() throws {
    var solo = Solo(log: [1, 1])
    #expect(offer(&solo, index: 10, term: 3, in: 3))
    #expect(solo.core.leader == r(2) && solo.core.term == Term(3))
    solo.turn()
    let out = install(&solo, index: 10, term: 3, GroupConfiguration(1...4))
    #expect(out.configurationChanged)
    #expect(out.appendResponses.map(\.outcome) == [.accepted(match: LogIndex(10))])
    // The term it is given in must be durable.
    #expect(out.appendResponses[0].after != nil)
    #expect(solo.core.lastIndex == LogIndex(10) && solo.core.lastTerm == Term(3))
    #expect(solo.core.commitIndex == LogIndex(10) && solo.core.stableIndex == LogIndex(10))
    #expect(solo.core.configuration == GroupConfiguration(1...4))
    // And the log goes on after it.
    let next = solo.receive(.append(after: 10, 3, entries([3], from: 11)), term: 3, from: 2)
    #expect(next.appendResponses.map(\.outcome) == [.accepted(match: LogIndex(11))])
  }

  @Test func section7_aSnapshotOfWhatTheLogHoldsKeepsTheLog() {
    var solo = Solo(log: [1, 1, 2, 2])
    #expect(!offer(&solo, index: 3, term: 2, in: 2))
    let out = solo.turn()
    #expect(solo.core.commitIndex == LogIndex(3) && solo.core.lastIndex == LogIndex(4))
    #expect(out.appendResponses.map(\.outcome) == [.accepted(match: LogIndex(3))])
  }

  @Test func section7_anOfferOfALowerTermIsRefused() {
    var solo = Solo(log: [1], hardState: HardState(term: Term(5)))
    #expect(!offer(&solo, index: 10, term: 3, in: 3))
    #expect(solo.turn().sends.map(\.message.term) == [Term(5)])
    #expect(solo.core.leader == nil)
  }

  @Test func section7_theLeaderAsksForASnapshotWhereItsLogBeginsLater() throws {
    var solo = Solo(of: GroupConfiguration(1...3), log: [1, 1, 1, 1], applied: 4)
    solo.core.compacted(through: LogIndex(4))
    solo.leadAndCommit()
    solo.now = solo.now + .milliseconds(1)
    let rejected = RaftMessage.Body.appendResponse(
      .init(
        outcome: .rejected(previousIndex: LogIndex(5), hint: LogIndex(1), hintTerm: Term(1)),
        round: 0))
    // A peer that follows and then lost nothing can't reject what it acknowledged.
    #expect(solo.receive(rejected, term: 2, from: 2).snapshotsNeeded.isEmpty)
    var fresh = Solo(of: GroupConfiguration(1...3), log: [1, 1, 1, 1], applied: 4)
    fresh.core.compacted(through: LogIndex(4))
    fresh.lead()
    let early = RaftMessage.Body.appendResponse(
      .init(
        outcome: .rejected(previousIndex: LogIndex(4), hint: LogIndex(1), hintTerm: Term(1)),
        round: 0))
    let out = fresh.receive(early, term: 2, from: 2)
    #expect(out.snapshotsNeeded == [r(2)])
    #expect(fresh.core.progress[0].state == .snapshot)
    // Once: nothing more is sent to it before the transfer ends, but heartbeats.
    try fresh.propose()
    #expect(fresh.turn().to(2).isEmpty)
    #expect(fresh.tick(at: fresh.core.nextDeadline).heartbeats.map(\.to).contains(r(2)))
    fresh.core.snapshotFinished(to: r(2), index: LogIndex(4), now: fresh.now, into: &fresh.out)
    #expect(fresh.turn().to(2).count == 1)
    #expect(fresh.core.progress[0].match == LogIndex(4))
  }

  @Test func section7_aFailedTransferIsBegunAgainLater() {
    var solo = Solo(log: [1, 1], applied: 2)
    solo.core.compacted(through: LogIndex(2))
    solo.lead()
    let rejected = RaftMessage.Body.appendResponse(
      .init(
        outcome: .rejected(previousIndex: LogIndex(2), hint: .zero, hintTerm: .zero), round: 0))
    #expect(solo.receive(rejected, term: 2, from: 3).snapshotsNeeded == [r(3)])
    solo.core.snapshotFinished(to: r(3), index: nil, now: solo.now, into: &solo.out)
    #expect(solo.turn().snapshotsNeeded.isEmpty)
    solo.now = solo.now + .milliseconds(30)
    let alive = solo.receive(.heartbeatResponse(.init(round: 0)), term: 2, from: 3)
    #expect(alive.snapshotsNeeded == [r(3)])
  }

  @Test func section7_appendsWaitWhileASnapshotReplacesTheLog() {
    var solo = Solo(log: [1, 1])
    #expect(offer(&solo, index: 10, term: 3, in: 3))
    let isRight = solo.core.beginInstall(index: LogIndex(10), term: Term(3))
    #expect(isRight)
    let out = solo.receive(.append(after: 2, 1, entries([3], from: 3), commit: 3), term: 3, from: 2)
    #expect(out.appendResponses.isEmpty && out.sends.count == 1)
    #expect(solo.core.lastIndex == LogIndex(2) && solo.core.commitIndex == .zero)
    solo.tick(at: solo.core.nextDeadline)
    #expect(solo.core.role == .follower)
    solo.core.installAbandoned()
    solo.receive(.append(after: 2, 1, entries([3], from: 3), commit: 3), term: 3, from: 2)
    #expect(solo.core.lastIndex == LogIndex(3))
  }

  @Test func aFollowerFarBehindIsServedFromTheStore() {
    var settings = RaftSettings()
    settings.appendBytes = 100
    settings.inflightBytes = 200
    let terms = [UInt64](repeating: 1, count: 20)
    var solo = Solo(log: terms, settings: settings)
    solo.lead()
    let rejected = RaftMessage.Body.appendResponse(
      .init(
        outcome: .rejected(previousIndex: LogIndex(20), hint: .zero, hintTerm: .zero), round: 0))
    var out = solo.receive(rejected, term: 2, from: 2)
    #expect(out.readLogs.count == 1)
    // A second peer waits for the same read.
    #expect(solo.receive(rejected, term: 2, from: 3).readLogs.isEmpty)
    var reads = 0
    var sent: [UInt32: LogIndex] = [2: .zero, 3: .zero]
    while solo.core.progress.contains(where: { $0.match < LogIndex(21) }) && reads < 40 {
      if let read = out.readLogs.first {
        reads += 1
        #expect(read.maxBytes == 100 && read.through == LogIndex(20))
        let first = Int(read.from.rawValue)
        solo.core.logRead(
          from: read.from,
          entries: entries(
            [1, 1, 1].dropLast(first + 2 > 20 ? first - 18 : 0), from: read.from.rawValue),
          now: solo.now, into: &solo.out)
        out = solo.turn()
      }
      for (to, request) in out.appends {
        sent[to.node.rawValue] = request.previousIndex + request.entries.count
      }
      for peer: UInt32 in [2, 3] {
        let next = solo.acknowledge(sent[peer] ?? .zero, from: peer)
        if !next.readLogs.isEmpty { out = next }
        for (to, request) in next.appends {
          sent[to.node.rawValue] = request.previousIndex + request.entries.count
        }
      }
    }
    #expect(solo.core.progress.allSatisfy { $0.match == LogIndex(21) })
    // The second peer was served by the reads of the first.
    #expect(reads <= 10)
  }

  @Test func whatTheStoreNoLongerKeepsMeansASnapshot() {
    var solo = Solo(log: [1, 1, 1])
    solo.lead()
    let rejected = RaftMessage.Body.appendResponse(
      .init(
        outcome: .rejected(previousIndex: LogIndex(3), hint: .zero, hintTerm: .zero), round: 0))
    let read = solo.receive(rejected, term: 2, from: 2).readLogs[0]
    solo.core.logRead(from: read.from, entries: nil, now: solo.now, into: &solo.out)
    #expect(solo.turn().snapshotsNeeded == [r(2)])
  }

  @Test func aReadFromBeforeATruncationIsNotSent() {
    var solo = Solo(log: [1, 1, 1])
    solo.lead()
    let rejected = RaftMessage.Body.appendResponse(
      .init(
        outcome: .rejected(previousIndex: LogIndex(3), hint: .zero, hintTerm: .zero), round: 0))
    let read = solo.receive(rejected, term: 2, from: 2).readLogs[0]
    solo.core.logRead(
      from: read.from, entries: entries([1, 9], from: 1), now: solo.now, into: &solo.out)
    #expect(solo.turn().to(2).isEmpty)
  }

  @Test func memoryIsBoundedByBytesBehindWhatIsApplied() throws {
    var settings = RaftSettings()
    settings.tailBytes = 1000
    var solo = Solo(of: GroupConfiguration(1...1), settings: settings)
    solo.lead()
    for _ in 0..<500 {
      try solo.propose(String(repeating: "v", count: 71))
      solo.turn()
      solo.sync()
      while case .entries(let ready) = solo.core.nextToApply(maxBytes: 1 << 20) {
        solo.core.applied(through: ready[ready.count - 1].index)
      }
      #expect(solo.core.persistent.log.tailBytes <= 1100)
    }
    #expect(solo.core.appliedIndex == LogIndex(501))
    #expect(solo.core.persistent.log.tailFirst > LogIndex(480))
    #expect(solo.core.term(at: LogIndex(1)) == Term(1))
  }

  @Test func aFollowerWhoseApplyIsSlowReadsItsOwnLogBack() {
    var settings = RaftSettings()
    settings.tailBytes = 200
    settings.uncommittedBytes = 300
    var solo = Solo(2, settings: settings)
    for index: UInt64 in 1...50 {
      solo.receive(
        .append(
          after: index - 1, index == 1 ? 0 : 1, entries([1], from: index), commit: index),
        term: 1, from: 1)
      solo.sync()
    }
    #expect(solo.core.persistent.log.tailBytes <= 500)
    guard case .readLog(let from, let through) = solo.core.nextToApply(maxBytes: 1 << 20) else {
      Issue.record("expected a read")
      return
    }
    #expect(from == LogIndex(1) && through == solo.core.persistent.log.tailFirst.previous)
    guard case .entries(let entries) = solo.core.nextToApply(maxBytes: 60) else {
      Issue.record("expected entries")
      return
    }
    #expect(entries.first?.index == through.next && entries.count == 1)
  }

  /// A replica that gets the state without its entries stamps no earlier log time as leader.
  @Test func section7_logTimeGoesOnAfterASnapshot() {
    var solo = Solo(log: [1, 1])
    #expect(offer(&solo, index: 10, term: 3, in: 3))
    solo.turn()
    let isBegun = solo.core.beginInstall(index: LogIndex(10), term: Term(3))
    #expect(isBegun)
    solo.core.installed(
      index: LogIndex(10), term: Term(3), configuration: GroupConfiguration(1...3),
      from: r(2), now: solo.now, into: &solo.out)
    solo.core.noteLogTime(7_000)
    solo.turn()
    solo.core.noteLogTime(5_000)
    #expect(solo.core.logTimeMilliseconds == 7_000)
  }

  @Test func section7_aLaggingReplicaCatchesUpBySnapshot() throws {
    var options = Cluster.Options()
    options.keepEntries = 5
    let cluster = Cluster(GroupConfiguration(1...3), options: options)
    cluster.startAll()
    let leader = try #require(cluster.waitForLeader())
    let lagging = (leader + 1) % 3
    cluster.crash(lagging)
    for number in 1...100 {
      cluster.propose(leader, "p\(number)")
      cluster.run(milliseconds: 5)
    }
    #expect(cluster.hosts[leader].core?.baseIndex ?? .zero > LogIndex(50))
    cluster.start(lagging)
    #expect(cluster.converges(within: 2000))
    #expect(cluster.hosts[lagging].core?.baseIndex ?? .zero > LogIndex(50))
    #expect(cluster.findings == [])
  }
}
