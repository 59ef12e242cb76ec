import KVBase
import Testing

@testable import KVRaft

/// What may be asked of a change of members, and voters that were never heard from.
@Suite struct MembershipInputTests {
  @discardableResult
  private func change(
    _ solo: inout Solo, to voters: [UInt32], learners: [UInt32] = []
  ) throws -> LogIndex {
    try solo.core.proposeConfiguration(
      voters: voters.map(r), learners: learners.map(r), wallMilliseconds: 0, now: solo.now,
      into: &solo.out)
  }

  // MARK: A voter that becomes a learner

  @Test func section4_3_aVoterNamedAsLearnerStaysAsLearner() throws {
    var solo = Solo()
    solo.leadAndCommit()
    let joint = try change(&solo, to: [1, 2], learners: [3])
    solo.turn()
    solo.sync()
    // Until the joint configuration is left its vote counts.
    #expect(solo.core.configuration.outgoing == [1, 2, 3].map(r))
    #expect(solo.core.progress.map(\.isLearner) == [false, false])
    solo.acknowledge(joint, from: 2)
    #expect(solo.core.configuration == GroupConfiguration(1...2, learners: [3]))
    #expect(solo.core.progress.map(\.isLearner) == [false, true])
    solo.sync()
    solo.acknowledge(joint.next, from: 3)
    #expect(solo.core.commitIndex == joint)
    solo.acknowledge(joint.next, from: 2)
    #expect(solo.core.commitIndex == joint.next)
  }

  @Test func section4_3_aDemotedVoterIsSentWhatFollows() throws {
    let cluster = Cluster.ledByFirst(3)
    cluster.input(0) {
      _ = try? $0.proposeConfiguration(
        voters: [1, 2].map(r), learners: [r(3)], wallMilliseconds: 0, now: cluster.now,
        into: &$1)
    }
    #expect(cluster.converges(within: 500))
    #expect(cluster.hosts[2].core?.role == .learner)
    #expect(cluster.hosts[2].core?.configuration == GroupConfiguration(1...2, learners: [3]))
    let index = try #require(cluster.propose(0, "later"))
    cluster.run(milliseconds: 200)
    #expect(cluster.hosts[2].core.map { $0.commitIndex >= index } == true)
    #expect(cluster.findings == [])
  }

  // MARK: Inputs

  @Test func aConfigurationThatCannotBeIsRefusedAndChangesNothing() throws {
    var solo = Solo()
    solo.leadAndCommit()
    let last = solo.core.lastIndex
    #expect(throws: RaftCore.ConfigurationRefusal.self) { try change(&solo, to: []) }
    #expect(throws: RaftCore.ConfigurationRefusal.self) {
      try change(&solo, to: [1, 2, 3], learners: [3, 4])
    }
    let many = Array(4...UInt32(Limits.replicasPerGroup + 4))
    #expect(throws: RaftCore.ConfigurationRefusal.self) { try change(&solo, to: many) }
    // A joint configuration has the replicas of both.
    let new = Array(4...UInt32(Limits.replicasPerGroup + 1))
    #expect(throws: RaftCore.ConfigurationRefusal.self) { try change(&solo, to: new) }
    #expect(solo.core.lastIndex == last && solo.core.configuration == GroupConfiguration(1...3))
    // It goes on.
    try change(&solo, to: [1, 2])
  }

  // MARK: Voters that were never heard from

  /// Elected by itself and 3; nothing was ever heard from 2.
  private func ledWithout2() -> Solo {
    var solo = Solo()
    solo.tick(at: solo.core.nextDeadline)
    solo.receive(.voteResponse(.init(isPreVote: true, granted: true)), term: 1, from: 3)
    solo.sync()
    solo.receive(.voteResponse(.init(isPreVote: false, granted: true)), term: 1, from: 3)
    solo.sync()
    return solo
  }

  @Test func section3_10_aVoterNeverHeardFromIsAskedToTakeNothingOver() {
    var solo = ledWithout2()
    #expect(solo.core.role == .leader)
    var isBegun = solo.core.transferLeadership(to: r(2), now: solo.now, into: &solo.out)
    #expect(!isBegun)
    solo.core.stepDown(now: solo.now, into: &solo.out)
    #expect(solo.turn().timeoutNowTargets == [r(3)])
    solo = ledWithout2()
    isBegun = solo.core.transferLeadership(to: r(3), now: solo.now, into: &solo.out)
    #expect(isBegun)
  }

  @Test func section6_2_votersHeardFromAreCounted() {
    var solo = ledWithout2()
    // The vote counts as a sign of life, and for no longer than any other.
    let elected = solo.now
    while solo.core.role == .leader { solo.tick(at: solo.core.nextDeadline) }
    #expect(solo.now >= elected + .milliseconds(300) && solo.now < elected + .milliseconds(331))
  }

  /// A leader of long standing gives voters that it adds an election time-out, and no longer.
  @Test func section6_2_aVoterThatIsAddedHasAnElectionTimeoutToBeHeardFrom() throws {
    var solo = Solo(of: GroupConfiguration(1...1))
    solo.lead()
    solo.tick(at: solo.now + .seconds(5))
    try change(&solo, to: [1, 2, 3])
    solo.turn()
    solo.sync()
    let added = solo.now
    while solo.core.role == .leader { solo.tick(at: solo.core.nextDeadline) }
    #expect(solo.now >= added + .milliseconds(300) && solo.now < added + .milliseconds(331))
  }
}
