import KVBase
import Testing

@testable import KVRaft

/// Membership (Raft paper §6, dissertation §4): joint consensus, learners, and leaders that go.
@Suite struct MembershipTests {
  private func change(
    _ solo: inout Solo, to voters: [UInt32], learners: [UInt32] = []
  ) throws -> LogIndex {
    try solo.core.proposeConfiguration(
      voters: voters.map(r), learners: learners.map(r), wallMilliseconds: 0, now: solo.now,
      into: &solo.out)
  }

  private func configurationEntry(
    _ index: UInt64, term: UInt64, _ configuration: GroupConfiguration
  ) -> LogEntry {
    LogEntry(
      index: LogIndex(index), term: Term(term), kind: .configuration, logTimeMilliseconds: 0,
      payload: configuration.encoded)
  }

  @Test func section6_aChangeOfVotersGoesThroughAJointConfiguration() throws {
    var solo = Solo()
    solo.leadAndCommit()
    let joint = try change(&solo, to: [1, 4, 5])
    #expect(solo.core.configuration.isJoint)
    #expect(solo.core.configuration.voters == [1, 4, 5].map(r))
    #expect(solo.core.configuration.outgoing == [1, 2, 3].map(r))
    #expect(solo.turn().configurationChanged)
    #expect(solo.core.progress.map(\.replica) == [2, 3, 4, 5].map(r))
    solo.sync()
    // Neither majority alone commits it.
    solo.acknowledge(joint, from: 2)
    solo.acknowledge(joint, from: 3)
    #expect(solo.core.commitIndex < joint)
    let out = solo.acknowledge(joint, from: 4)
    #expect(solo.core.commitIndex == joint)
    // It is left without anybody asking.
    #expect(!solo.core.configuration.isJoint)
    #expect(solo.core.lastIndex == joint.next)
    #expect(out.persists[0].entries.map(\.kind) == [.configuration])
    #expect(solo.core.progress.map(\.replica) == [4, 5].map(r))
    solo.sync()
    solo.acknowledge(joint.next, from: 5)
    #expect(solo.core.commitIndex == joint.next)
  }

  @Test func section6_newVotersAloneCommitNothingInAJointConfiguration() throws {
    var solo = Solo()
    solo.leadAndCommit()
    let joint = try change(&solo, to: [1, 4, 5])
    solo.turn()
    solo.sync()
    solo.acknowledge(joint, from: 4)
    solo.acknowledge(joint, from: 5)
    #expect(solo.core.commitIndex < joint)
  }

  @Test func section6_electionsNeedBothMajorities() {
    let joint = GroupConfiguration(
      voters: [1, 4, 5].map(r), outgoing: [1, 2, 3].map(r))
    var solo = Solo(of: joint)
    solo.tick(at: solo.core.nextDeadline)
    let grant = RaftMessage.Body.voteResponse(.init(isPreVote: true, granted: true))
    solo.receive(grant, term: 1, from: 2)
    solo.receive(grant, term: 1, from: 3)
    #expect(solo.core.role == .preCandidate)
    let out = solo.receive(grant, term: 1, from: 5)
    #expect(solo.core.role == .candidate)
    #expect(out.voteRequests.map(\.send.to) == [4, 5, 2, 3].map(r))
  }

  @Test func section4_2_1_learnersAloneNeedNoJointConfiguration() throws {
    var solo = Solo()
    solo.leadAndCommit()
    let index = try change(&solo, to: [1, 2, 3], learners: [4])
    #expect(!solo.core.configuration.isJoint)
    solo.turn()
    solo.sync()
    #expect(solo.core.progress.map(\.isLearner) == [false, false, true])
    // It does not count.
    solo.acknowledge(index, from: 4)
    #expect(solo.core.commitIndex < index)
    solo.acknowledge(index, from: 3)
    #expect(solo.core.commitIndex == index)
  }

  @Test func section4_2_1_aLearnerCatchesUpAndBecomesAVoter() throws {
    let cluster = Cluster(GroupConfiguration(1...3), spares: [r(4)])
    cluster.startAll()
    let leader = try #require(cluster.waitForLeader())
    for number in 1...50 { cluster.propose(leader, "p\(number)") }
    cluster.input(leader) {
      _ = try? $0.proposeConfiguration(
        voters: [1, 2, 3].map(r), learners: [r(4)], wallMilliseconds: 0, now: cluster.now,
        into: &$1)
    }
    #expect(cluster.converges(within: 500))
    #expect(cluster.hosts[3].core?.role == .learner)
    cluster.input(leader) {
      _ = try? $0.proposeConfiguration(
        voters: [1, 2, 3, 4].map(r), learners: [], wallMilliseconds: 0, now: cluster.now,
        into: &$1)
    }
    #expect(cluster.converges(within: 500))
    #expect(cluster.hosts[3].core?.role == .follower)
    #expect(cluster.findings == [])
  }

  @Test func section4_1_oneChangeAtATime() throws {
    var solo = Solo()
    solo.leadAndCommit()
    _ = try change(&solo, to: [1, 2, 3], learners: [4])
    #expect(throws: RaftCore.ConfigurationRefusal.inProgress) {
      try change(&solo, to: [1, 2, 3], learners: [5])
    }
    solo.turn()
    solo.sync()
    solo.acknowledge(solo.core.lastIndex, from: 2)
    _ = try change(&solo, to: [1, 2, 4])
    solo.turn()
    solo.sync()
    let joint = solo.core.lastIndex
    solo.acknowledge(joint, from: 2)
    // The joint one is committed, the one that leaves it is not.
    #expect(solo.core.commitIndex == joint)
    #expect(throws: RaftCore.ConfigurationRefusal.inProgress) { try change(&solo, to: [1]) }
  }

  @Test func onlyALeaderChangesMembers() {
    var solo = Solo()
    #expect(throws: RaftCore.ConfigurationRefusal.notLeader) { try change(&solo, to: [1]) }
  }

  @Test func section6_aFollowerUsesAConfigurationFromItsLogAtOnce() {
    var solo = Solo(4, of: GroupConfiguration(voters: []))
    #expect(solo.core.role == .learner)
    let joint = GroupConfiguration(voters: [1, 2, 4].map(r), outgoing: [1, 2, 3].map(r))
    let out = solo.receive(
      .append(after: 0, 0, [configurationEntry(1, term: 1, joint)]), term: 1, from: 1)
    #expect(out.configurationChanged && out.roleChanged)
    #expect(solo.core.configuration == joint)
    #expect(solo.core.role == .follower)
  }

  @Test func section4_3_aNewLeaderLeavesAJointConfigurationOfAnEarlierOne() {
    let joint = GroupConfiguration(voters: [1, 4, 5].map(r), outgoing: [1, 2, 3].map(r))
    var solo = Solo(of: joint, log: [1])
    solo.tick(at: solo.core.nextDeadline)
    for voter: UInt32 in [2, 4] {
      solo.receive(.voteResponse(.init(isPreVote: true, granted: true)), term: 2, from: voter)
    }
    solo.sync()
    for voter: UInt32 in [2, 4] {
      solo.receive(.voteResponse(.init(isPreVote: false, granted: true)), term: 2, from: voter)
    }
    solo.sync()
    #expect(solo.core.role == .leader && solo.core.configuration.isJoint)
    solo.acknowledge(LogIndex(2), from: 2)
    solo.acknowledge(LogIndex(2), from: 4)
    #expect(solo.core.configuration == GroupConfiguration(voters: [1, 4, 5].map(r)))
  }

  @Test func section4_2_2_aRemovedLeaderStaysUntilThatIsCommittedAndThenGoes() throws {
    let cluster = Cluster(GroupConfiguration(1...4))
    cluster.startAll()
    cluster.hosts[0].core?.campaignSoon(now: cluster.now)
    cluster.input(0) { _, _ in }
    #expect(cluster.converges(within: 500))
    cluster.input(0) {
      _ = try? $0.proposeConfiguration(
        voters: [2, 3, 4].map(r), learners: [], wallMilliseconds: 0, now: cluster.now, into: &$1)
    }
    #expect(cluster.hosts[0].core?.role == .leader)
    #expect(cluster.run(within: 100) { cluster.hosts[0].core?.role == .learner })
    // Another was asked to campaign.
    #expect(cluster.run(within: 50) { cluster.leader != nil })
    #expect(cluster.leader != 0)
    let voters = cluster.hosts[cluster.leader ?? 1].core?.configuration.voters
    #expect(voters == [2, 3, 4].map(r))
    #expect(cluster.converges(within: 500))
    #expect(cluster.findings == [])
  }

  @Test func section4_2_2_aRemovedLeaderDoesNotCountItself() throws {
    var solo = Solo()
    solo.leadAndCommit()
    let joint = try change(&solo, to: [2, 3])
    solo.turn()
    solo.sync()
    solo.acknowledge(joint, from: 2)
    #expect(solo.core.commitIndex < joint)
    solo.acknowledge(joint, from: 3)
    #expect(solo.core.commitIndex == joint)
    solo.sync()
    solo.acknowledge(joint.next, from: 3)
    #expect(solo.core.commitIndex == joint)
    #expect(solo.core.role == .leader)
    let out = solo.acknowledge(joint.next, from: 2)
    #expect(out.leadershipLost && solo.core.role == .learner)
    #expect(out.timeoutNowTargets == [r(2)])
  }

  @Test func section4_2_3_aRemovedReplicaDoesNotDisturb() {
    let cluster = Cluster(GroupConfiguration(1...4))
    cluster.startAll()
    cluster.hosts[0].core?.campaignSoon(now: cluster.now)
    cluster.input(0) { _, _ in }
    #expect(cluster.converges(within: 500))
    // It never hears of its removal, and asks for votes for ever.
    cluster.isolate(4)
    cluster.input(0) {
      _ = try? $0.proposeConfiguration(
        voters: [1, 2, 3].map(r), learners: [], wallMilliseconds: 0, now: cluster.now, into: &$1)
    }
    #expect(cluster.converges(within: 500))
    let term = cluster.hosts[0].core?.term
    cluster.heal()
    cluster.run(milliseconds: 5000)
    #expect(cluster.hosts[0].core?.role == .leader)
    #expect(cluster.hosts[0].core?.term == term)
  }
}
