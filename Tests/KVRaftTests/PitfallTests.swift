import KVBase
import Testing

@testable import KVRaft

/// Faults that other systems of this kind really had, each named after the fault; where it was seen
/// is said with it.
@Suite struct PitfallTests {
  private func ledByFirst(_ count: UInt32, options: Cluster.Options = .init()) -> Cluster {
    let cluster = Cluster(GroupConfiguration(1...count), options: options)
    cluster.startAll()
    cluster.input(0) { core, _ in core.campaignSoon(now: cluster.now) }
    #expect(cluster.settles(within: 1000))
    #expect(cluster.leader == 0)
    return cluster
  }

  // MARK: Elections and leadership

  /// Cloudflare's etcd outage of 2020, cockroach#107060. One link is cut, in one direction or both:
  /// the leader that reaches a majority stays.
  @Test(
    arguments: [[(1, 2)], [(2, 1)], [(1, 2), (2, 1)], [(2, 3), (3, 2)], [(2, 3)]]
      as [[(UInt32, UInt32)]])
  func partialPartitionDoesNotDepose(links: [(UInt32, UInt32)]) {
    let cluster = ledByFirst(3)
    let term = cluster.hosts[0].core?.term
    for (from, to) in links { cluster.block(from, to) }
    for _ in 0..<100 {
      cluster.run(milliseconds: 50)
      cluster.propose(0, "p")
    }
    #expect(cluster.leader == 0 && cluster.hosts[0].core?.term == term)
    #expect(cluster.highestCommit > LogIndex(90))
    cluster.heal()
    #expect(cluster.settles(within: 2000))
    #expect(cluster.findings == [])
  }

  /// The same sources. The leader hears nobody, or reaches nobody, or only r3 reaches everyone: one
  /// that can lead takes over.
  @Test(arguments: 0...3)
  func partialPartitionDoesNotKeepAUselessLeader(shape: Int) {
    let cluster = ledByFirst(5)
    switch shape {
    case 0: for other: UInt32 in 2...5 { cluster.block(other, 1) }
    case 1: for other: UInt32 in 2...5 { cluster.block(1, other) }
    case 2:
      for a: UInt32 in 1...5 {
        for b: UInt32 in 1...5 where a != b && a != 3 && b != 3 { cluster.block(a, b) }
      }
    default:
      // r1 keeps one follower; r2, r3, r4 hear each other, r5 only r4.
      for other: UInt32 in 3...5 {
        cluster.block(1, other)
        cluster.block(other, 1)
      }
      for other: UInt32 in 2...3 {
        cluster.block(5, other)
        cluster.block(other, 5)
      }
    }
    let before = cluster.highestCommit
    cluster.run(milliseconds: 3000)
    if let leader = cluster.leader { cluster.propose(leader, "after") }
    cluster.run(milliseconds: 500)
    #expect(cluster.leader != nil && cluster.leader != 0)
    #expect(cluster.highestCommit > before + 1)
    cluster.heal()
    #expect(cluster.settles(within: 3000))
    #expect(cluster.findings == [])
  }

  /// ClickHouse PR#121252.
  @Test func preVoteComparesLogs() {
    var voter = Solo(log: [1, 1, 2])
    let out = voter.receive(.vote(1, 9, pre: true), term: 3, from: 2)
    #expect(out.voteResponse?.response.granted == false)
  }

  /// ClickHouse#111454.
  @Test func termAndVoteAreOneRecord() {
    var solo = Solo(log: [1], hardState: HardState(term: Term(1), vote: r(3)))
    let out = solo.receive(.vote(1, 1), term: 2, from: 2)
    #expect(out.persists.count == 1)
    #expect(out.persists[0].hardState == HardState(term: Term(2), vote: r(2)))
    // A term alone never stands with the vote of another.
    let next = solo.receive(.heartbeat(), term: 3, from: 3)
    #expect(next.persists[0].hardState == HardState(term: Term(3), vote: nil))
  }

  /// openraft a48a3282: (2, 1) is later than (1, 9).
  @Test func logsAreComparedByTermFirst() {
    var voter = Solo(log: [1, 1, 1])
    #expect(voter.receive(.vote(2, 1), term: 3, from: 2).voteResponse?.response.granted == true)
    var other = Solo(log: [2])
    #expect(other.receive(.vote(1, 9), term: 3, from: 2).voteResponse?.response.granted == false)
  }

  /// openraft#1802.
  @Test func commitIndexIsTakenInOrderOfMatchNotOfId() throws {
    for order in [[9, 2, 5, 7], [2, 9, 7, 5], [5, 7, 9, 2], [7, 5, 2, 9]] as [[UInt64]] {
      var solo = Solo(of: GroupConfiguration(1...5))
      solo.leadAndCommit()
      for _ in 0..<10 { try solo.propose() }
      solo.turn()
      solo.sync()
      for (offset, match) in order.enumerated() {
        solo.acknowledge(LogIndex(match), from: UInt32(offset) + 2)
      }
      // Own 11, then 9, 7, 5, 2.
      #expect(solo.core.commitIndex == LogIndex(7))
    }
  }

  /// hashicorp/raft#503, etcd#13527, tikv#19626.
  @Test func aLeaderWithAStalledDiskHandsOver() {
    let cluster = ledByFirst(3)
    cluster.hosts[0].isDiskStalled = true
    cluster.propose(0, "stuck")
    cluster.run(milliseconds: 20)
    cluster.input(0) { $0.stepDown(now: cluster.now, into: &$1) }
    #expect(cluster.run(within: 50) { cluster.leader != nil })
    #expect(cluster.leader != 0)
    // And it does not come back to lead while its disk stands still.
    cluster.run(milliseconds: 3000)
    #expect(cluster.leader != 0)
    cluster.resumeDisk(0)
    #expect(cluster.settles(within: 2000))
    #expect(cluster.findings == [])
  }

  /// etcd#20418, etcd#15247.
  @Test(arguments: [80, 150, 400, 2000] as [UInt64])
  func aPausedLeaderDoesNotServeAsIfNoTimeHadPassed(milliseconds: UInt64) {
    let cluster = ledByFirst(3)
    cluster.askToRead(0)
    cluster.pause(0, milliseconds: milliseconds)
    for host in [1, 2] {
      cluster.input(host) { $0.nodeUnreachable(NodeID(1), now: cluster.now, into: &$1) }
    }
    for _ in 0..<(milliseconds / 10) {
      cluster.run(milliseconds: 10)
      if let leader = cluster.leader { cluster.propose(leader, "meanwhile") }
    }
    // The first thing it does is to answer reads.
    cluster.askToRead(0)
    cluster.run(milliseconds: 2000)
    #expect(cluster.settles(within: 2000))
    #expect(cluster.findings == [])
  }

  // MARK: Log and durability

  /// openraft 9540c904.
  @Test func anOldAppendDoesNotTruncate() {
    var solo = Solo(log: [1, 1, 1, 1, 1])
    let out = solo.receive(.append(after: 1, 1, entries([1], from: 2)), term: 1, from: 2)
    #expect(solo.core.lastIndex == LogIndex(5) && out.persists.isEmpty)
    #expect(out.appendResponses.map(\.outcome) == [.accepted(match: LogIndex(2))])
    // Nor does one without entries.
    solo.receive(.append(after: 3, 1), term: 1, from: 2)
    #expect(solo.core.lastIndex == LogIndex(5))
  }

  /// etcd-io/raft `async_storage_writes_append_aba_race`.
  @Test func anOldCompletionIsNotTakenForANewEntry() {
    var solo = Solo(log: [1])
    let first = solo.receive(.append(after: 1, 1, entries([2, 2], from: 2)), term: 2, from: 2)
    let second = solo.receive(.append(after: 1, 1, entries([3, 3], from: 2)), term: 3, from: 3)
    solo.core.persisted(first.persists[0].token, now: solo.now, into: &solo.out)
    solo.turn()
    #expect(solo.core.stableIndex == LogIndex(1))
    solo.core.persisted(second.persists[0].token, now: solo.now, into: &solo.out)
    solo.turn()
    #expect(solo.core.stableIndex == LogIndex(3))
  }

  /// The same, for a leader that counts itself.
  @Test func anOldCompletionDoesNotCountForALeaderOfALaterTerm() throws {
    var solo = Solo(hardState: HardState(term: .zero))
    solo.leadAndCommit()
    try solo.propose("old")
    let old = solo.turn().persists[0].token
    solo.receive(.append(after: 1, 1, entries([2], from: 2)), term: 2, from: 3)
    solo.now = solo.now + .milliseconds(200)
    // The disk has not finished any of it yet, but for the vote's sake.
    solo.core.persisted(old, now: solo.now, into: &solo.out)
    solo.turn()
    #expect(solo.core.stableIndex == LogIndex(1))
  }

  /// etcd#14370.
  @Test func aSingleReplicaCommitsOnlyWhatIsDurable() throws {
    var solo = Solo(of: GroupConfiguration(1...1))
    solo.lead()
    let index = try solo.propose()
    #expect(!solo.turn().commitAdvanced)
    #expect(solo.core.commitIndex < index)
    #expect(solo.sync().commitAdvanced)
    #expect(solo.core.commitIndex == index)
  }

  /// etcd#10219: what is promised in a term waits for the term, also behind a snapshot.
  @Test func theAnswerToASnapshotWaitsForTheTerm() {
    var solo = Solo(log: [1])
    _ = solo.core.offeredSnapshot(
      from: r(2), term: Term(4), index: LogIndex(9), snapshotTerm: Term(3), now: solo.now,
      into: &solo.out)
    _ = solo.core.beginInstall(index: LogIndex(9), term: Term(3))
    solo.core.installed(
      index: LogIndex(9), term: Term(3), configuration: GroupConfiguration(1...3), from: r(2),
      now: solo.now, into: &solo.out)
    let out = solo.turn()
    #expect(out.persists[0].hardState == HardState(term: Term(4)))
    #expect(out.appendResponses[0].after == out.persists[0].token)
  }

  // MARK: Membership

  /// raft-dev 2015.
  @Test func noChangeBeforeTheLeaderHasCommittedInItsTerm() {
    var solo = Solo(log: [1])
    solo.lead()
    #expect(throws: RaftCore.ConfigurationRefusal.inProgress) {
      _ = try solo.core.proposeConfiguration(
        voters: [r(1), r(2)], learners: [], wallMilliseconds: 0, now: solo.now, into: &solo.out)
    }
  }

  /// etcd#11284, etcd#12359: in force when appended, and rolled back when truncated.
  @Test func aConfigurationIsInForceWhenAppendedAndRolledBackWhenTruncated() {
    var solo = Solo(log: [1])
    let joint = GroupConfiguration(voters: [2, 3].map(r), outgoing: [1, 2, 3].map(r))
    let entry = LogEntry(
      index: LogIndex(2), term: Term(1), kind: .configuration, logTimeMilliseconds: 0,
      payload: joint.encoded)
    solo.receive(.append(after: 1, 1, [entry]), term: 1, from: 2)
    #expect(solo.core.configuration == joint && solo.core.commitIndex == .zero)
    let out = solo.receive(.append(after: 1, 1, entries([2], from: 2)), term: 2, from: 3)
    #expect(out.configurationChanged)
    #expect(solo.core.configuration == GroupConfiguration(1...3))
  }

  /// etcd-io/raft `campaign_learner_must_vote`.
  @Test func aLearnerThatOthersCountAsVoterVotes() {
    var solo = Solo(4, of: GroupConfiguration(1...3, learners: [4]), log: [1])
    for pre in [true, false] {
      let out = solo.receive(.vote(1, 2, pre: pre), term: 2, from: 2)
      #expect(out.voteResponse?.response.granted == true)
    }
    // One that knows no configuration too.
    var blank = Solo(5, of: GroupConfiguration(voters: []))
    #expect(blank.receive(.vote(1, 2), term: 2, from: 2).voteResponse?.response.granted == true)
  }

  /// etcd#11038, ClickHouse PR#118740: removed and added again, as a replica of its own, while the
  /// earlier copy is still there and speaks.
  @Test func aReplicaRemovedAndAddedAgainIsAnotherOne() throws {
    let second = ReplicaID(node: NodeID(3), ordinal: 1)
    let cluster = Cluster(GroupConfiguration(1...3), spares: [second])
    cluster.startAll()
    cluster.input(0) { core, _ in core.campaignSoon(now: cluster.now) }
    #expect(cluster.settles(within: 1000))
    for voters in [[r(1), r(2)], [r(1), r(2), second]] {
      cluster.input(0) {
        _ = try? $0.proposeConfiguration(
          voters: voters, learners: [], wallMilliseconds: 0, now: cluster.now, into: &$1)
      }
      #expect(cluster.settles(within: 1000))
    }
    // Acknowledgements of the earlier copy count for nothing.
    let known = try #require(cluster.hosts[0].core?.progress)
    cluster.input(0) {
      $0.receive(
        RaftMessage(
          term: $0.term,
          body: .appendResponse(.init(outcome: .accepted(match: $0.lastIndex), round: 0))),
        from: r(3), now: cluster.now, into: &$1)
    }
    #expect(cluster.hosts[0].core?.progress == known)
    cluster.run(milliseconds: 3000)
    #expect(cluster.leader == 0)
    #expect(cluster.findings == [])
  }

  /// openraft#808.
  @Test func aChangeIsNotStuckBehindADeadReplica() {
    var options = Cluster.Options()
    options.keepEntries = 3
    let cluster = ledByFirst(3, options: options)
    cluster.crash(2)
    for number in 1...50 {
      cluster.propose(0, "p\(number)")
      cluster.run(milliseconds: 3)
    }
    cluster.input(0) {
      _ = try? $0.proposeConfiguration(
        voters: [r(1), r(2)], learners: [], wallMilliseconds: 0, now: cluster.now, into: &$1)
    }
    #expect(cluster.settles(within: 500))
    #expect(cluster.hosts[0].core?.configuration == GroupConfiguration(1...2))
    #expect(cluster.findings == [])
  }

  /// openraft#1808.
  @Test func aSnapshotBringsItsConfigurationAndNotAnOlderOne() {
    var solo = Solo(4, of: GroupConfiguration(voters: []))
    _ = solo.core.offeredSnapshot(
      from: r(2), term: Term(3), index: LogIndex(9), snapshotTerm: Term(3), now: solo.now,
      into: &solo.out)
    _ = solo.core.beginInstall(index: LogIndex(9), term: Term(3))
    solo.core.installed(
      index: LogIndex(9), term: Term(3), configuration: GroupConfiguration(1...4), from: r(2),
      now: solo.now, into: &solo.out)
    solo.turn()
    #expect(solo.core.configuration == GroupConfiguration(1...4))
    #expect(solo.core.role == .follower)
    // An older one, offered late, is not wanted and can't be installed.
    let isWanted = solo.core.offeredSnapshot(
      from: r(2), term: Term(3), index: LogIndex(5), snapshotTerm: Term(2), now: solo.now,
      into: &solo.out)
    let isRight = solo.core.beginInstall(index: LogIndex(5), term: Term(2))
    #expect(!isWanted && !isRight)
    #expect(solo.core.configuration == GroupConfiguration(1...4))
  }

  /// etcd#18055, ClickHouse PR#107141: the second of two offers supersedes the first, and what came
  /// by appends in between makes both useless.
  @Test func twoSnapshotsInQuickSuccession() {
    var solo = Solo(log: [1])
    for index: UInt64 in [10, 20] {
      let isWanted = solo.core.offeredSnapshot(
        from: r(2), term: Term(2), index: LogIndex(index), snapshotTerm: Term(2), now: solo.now,
        into: &solo.out)
      #expect(isWanted)
    }
    let later = solo.core.beginInstall(index: LogIndex(20), term: Term(2))
    #expect(later)
    solo.core.installed(
      index: LogIndex(20), term: Term(2), configuration: GroupConfiguration(1...3), from: r(2),
      now: solo.now, into: &solo.out)
    solo.turn()
    let earlier = solo.core.beginInstall(index: LogIndex(10), term: Term(2))
    #expect(!earlier)
    #expect(solo.core.commitIndex == LogIndex(20))
  }

  // MARK: Reads, leases

  /// etcd#7331.
  @Test func noReadIndexBeforeAnEntryOfTheTermIsCommitted() throws {
    var solo = Solo(log: [1, 1])
    solo.lead()
    let ticket = try solo.askToRead()
    let out = solo.turn()
    #expect(out.heartbeats.isEmpty && out.reads.isEmpty)
    for peer: UInt32 in [2, 3] {
      let answer = solo.receive(.heartbeatResponse(.init(round: 1)), term: 2, from: peer)
      #expect(answer.reads.isEmpty)
    }
    // Once it is, the read asks for a round of its own.
    let committed = solo.acknowledge(LogIndex(3), from: 2)
    let round = try #require(committed.heartbeats.first).heartbeat.round
    let ready = solo.receive(.heartbeatResponse(.init(round: round)), term: 2, from: 2).readiness
    #expect(ready.map(\.through) == [ticket] && ready.map(\.index) == [LogIndex(3)])
  }

  /// etcd#20418: a context that is sent again would be answered by what was asked before a pause.
  @Test func aReadContextIsNotReusedOverARetry() throws {
    var solo = Solo()
    solo.leadAndCommit()
    var rounds: [UInt64] = []
    _ = try solo.askToRead()
    rounds += solo.turn().heartbeats.map(\.heartbeat.round)
    for _ in 0..<5 {
      solo.receive(.heartbeatResponse(.init(round: 0)), term: 1, from: 2)
      rounds += solo.tick(at: solo.core.nextDeadline).heartbeats.map(\.heartbeat.round)
    }
    // Two receivers each.
    #expect(rounds.count == 12 && Set(rounds).count == 6)
  }

  /// hashicorp/raft#99: the one asked to take over may be elected at once.
  @Test func noLeaseOnceAnotherWasAskedToTakeOver() throws {
    var solo = Solo()
    solo.leadAndCommit()
    let round = solo.tick(at: solo.core.nextDeadline).heartbeats[0].heartbeat.round
    solo.receive(.heartbeatResponse(.init(round: round)), term: 1, from: 2)
    #expect(solo.core.leaseRead(now: solo.now) != nil)
    let began = solo.core.transferLeadership(to: r(2), now: solo.now, into: &solo.out)
    #expect(began)
    solo.turn()
    #expect(solo.core.leaseRead(now: solo.now) == nil)
    // For the rest of the term, also when the transfer was given up.
    for _ in 0..<20 {
      let beat = solo.tick(at: solo.core.nextDeadline).heartbeats[0].heartbeat.round
      for peer: UInt32 in [2, 3] {
        solo.receive(.heartbeatResponse(.init(round: beat)), term: 1, from: peer)
      }
      #expect(solo.core.leaseRead(now: solo.now) == nil)
    }
    #expect(!solo.core.isTransferring)
    // ReadIndex goes on.
    _ = try solo.askToRead()
    let beat = try #require(solo.turn().heartbeats.first).heartbeat.round
    let ready = solo.receive(.heartbeatResponse(.init(round: beat)), term: 1, from: 2).readiness
    #expect(ready.count == 1)
  }

  /// hashicorp/raft#166, raft-rs#140: with clocks as far apart as the bound allows, and links cut
  /// at random, no read under a lease misses what another leader committed.
  @Test(arguments: 1...UInt64(5))
  func leasesEndBeforeAnotherCanBeElected(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let cluster = Cluster(GroupConfiguration(1...3), seed: seed)
    cluster.startAll()
    _ = cluster.waitForLeader()
    for _ in 0..<15 {
      guard let leader = cluster.leader else {
        cluster.run(milliseconds: 20)
        continue
      }
      let node = cluster.hosts[leader].id.node
      cluster.isolate(node.rawValue)
      for host in 0..<3 where host != leader {
        cluster.input(host) { $0.nodeUnreachable(node, now: cluster.now, into: &$1) }
      }
      for _ in 0..<(10 + random.below(40)) {
        cluster.run(milliseconds: 5)
        for host in 0..<3 {
          cluster.propose(host, "p")
          cluster.askToRead(host)
        }
      }
      cluster.heal()
      cluster.run(milliseconds: 100)
      #expect(cluster.findings == [])
    }
    #expect(cluster.leaseReadsServed > 50)
    #expect(cluster.leaders.count > 5)
  }
}
