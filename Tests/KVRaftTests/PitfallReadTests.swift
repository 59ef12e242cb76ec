import KVBase
import Testing

@testable import KVRaft

/// The faults of `PitfallTests` that are about membership, reads and leases.
@Suite struct PitfallReadTests {
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
    #expect(cluster.converges(within: 1000))
    for voters in [[r(1), r(2)], [r(1), r(2), second]] {
      cluster.input(0) {
        _ = try? $0.proposeConfiguration(
          voters: voters, learners: [], wallMilliseconds: 0, now: cluster.now, into: &$1)
      }
      #expect(cluster.converges(within: 1000))
    }
    // Acknowledgements of the earlier copy count for nothing.
    let known = try #require(cluster.hosts[0].core.map { Array($0.progress) })
    cluster.input(0) {
      $0.receive(
        RaftMessage(
          term: $0.term,
          body: .appendResponse(.init(outcome: .accepted(match: $0.lastIndex), round: 0))),
        from: r(3), now: cluster.now, into: &$1)
    }
    #expect(cluster.hosts[0].core.map { Array($0.progress) } == known)
    cluster.run(milliseconds: 3000)
    #expect(cluster.leader == 0)
    #expect(cluster.findings == [])
  }

  /// openraft#808.
  @Test func aChangeIsNotStuckBehindADeadReplica() {
    var options = Cluster.Options()
    options.keepEntries = 3
    let cluster = Cluster.ledByFirst(3, options: options)
    cluster.crash(2)
    for number in 1...50 {
      cluster.propose(0, "p\(number)")
      cluster.run(milliseconds: 3)
    }
    cluster.input(0) {
      _ = try? $0.proposeConfiguration(
        voters: [r(1), r(2)], learners: [], wallMilliseconds: 0, now: cluster.now, into: &$1)
    }
    #expect(cluster.converges(within: 500))
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
    // An older one, offered late, is of no use and can't be installed.
    let isUseful = solo.core.offeredSnapshot(
      from: r(2), term: Term(3), index: LogIndex(5), snapshotTerm: Term(2), now: solo.now,
      into: &solo.out)
    let isRight = solo.core.beginInstall(index: LogIndex(5), term: Term(2))
    #expect(!isUseful && !isRight)
    #expect(solo.core.configuration == GroupConfiguration(1...4))
  }

  /// etcd#18055, ClickHouse PR#107141: the second of two offers supersedes the first, and what came
  /// by appends in between makes both useless.
  @Test func twoSnapshotsInQuickSuccession() {
    var solo = Solo(log: [1])
    for index: UInt64 in [10, 20] {
      let isUseful = solo.core.offeredSnapshot(
        from: r(2), term: Term(2), index: LogIndex(index), snapshotTerm: Term(2), now: solo.now,
        into: &solo.out)
      #expect(isUseful)
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

  /// hashicorp/raft#99: the one asked to campaign may be elected at once.
  @Test func noLeaseOnceAnotherWasAskedToCampaign() throws {
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
