import KVBase
import Testing

@testable import KVRaft

/// Leadership transfer (dissertation §3.10).
@Suite struct TransferTests {
  private func transfer(_ solo: inout Solo, to target: UInt32) -> Bool {
    solo.core.transferLeadership(to: r(target), now: solo.now, into: &solo.out)
  }

  @Test func section3_10_theTargetIsAskedOnceItHasEverything() throws {
    var solo = Solo()
    solo.leadAndCommit()
    let index = try solo.propose()
    solo.turn()
    #expect(transfer(&solo, to: 3))
    #expect(solo.turn().timeoutNowTargets.isEmpty)
    #expect(solo.acknowledge(index, from: 2).timeoutNowTargets.isEmpty)
    #expect(solo.acknowledge(index, from: 3).timeoutNowTargets == [r(3)])
    #expect(solo.acknowledge(index, from: 3).timeoutNowTargets.isEmpty)
  }

  @Test func section3_10_noProposalsMeanwhile() {
    var solo = Solo()
    solo.leadAndCommit()
    #expect(transfer(&solo, to: 2))
    #expect(solo.turn().timeoutNowTargets == [r(2)])
    #expect(solo.core.isTransferring)
    #expect(throws: RaftCore.ProposeRefusal.transferring) { try solo.propose() }
    #expect(throws: RaftCore.ConfigurationRefusal.transferring) {
      _ = try solo.core.proposeConfiguration(
        voters: [r(1)], learners: [], wallMilliseconds: 0, now: solo.now, into: &solo.out)
    }
  }

  @Test func section3_10_givenUpAfterAnElectionTimeout() throws {
    var solo = Solo()
    solo.leadAndCommit()
    #expect(transfer(&solo, to: 2))
    solo.turn()
    let end = solo.now + .milliseconds(300)
    while solo.core.isTransferring {
      solo.receive(.heartbeatResponse(.init(round: 0)), term: 1, from: 3)
      solo.tick(at: solo.core.nextDeadline)
    }
    #expect(solo.now >= end && solo.now <= end + .milliseconds(30))
    try solo.propose()
  }

  @Test func section3_10_onlyALivingVoterCanBeTheTarget() {
    var solo = Solo(of: GroupConfiguration(1...3, learners: [4]))
    #expect(!transfer(&solo, to: 2))
    solo.leadAndCommit()
    #expect(!transfer(&solo, to: 1))
    #expect(!transfer(&solo, to: 4))
    #expect(!transfer(&solo, to: 9))
    for _ in 0..<12 {
      solo.receive(.heartbeatResponse(.init(round: 0)), term: 1, from: 3)
      solo.tick(at: solo.core.nextDeadline)
    }
    #expect(!transfer(&solo, to: 2))
    #expect(transfer(&solo, to: 3))
  }

  @Test func section3_10_theTargetCampaignsAtOnceWithoutPreVote() {
    var target = Solo(2, log: [1])
    target.receive(.heartbeat(), term: 1, from: 1)
    let out = target.receive(.timeoutNow, term: 1, from: 1)
    #expect(target.core.role == .candidate && target.core.term == Term(2))
    #expect(out.voteRequests.count == 2)
    #expect(out.voteRequests.allSatisfy { $0.request.isTransfer && !$0.request.isPreVote })
    #expect(out.voteRequests.allSatisfy { $0.send.after == out.persists[0].token })
    // Should it fail, later tries are ordinary ones.
    let again = target.tick(at: target.core.nextDeadline)
    #expect(again.voteRequests.allSatisfy { !$0.request.isTransfer && $0.request.isPreVote })
  }

  @Test func section3_10_onlyItsLeaderCanAskAndOnlyAVoter() {
    var other = Solo(2, log: [1])
    other.receive(.heartbeat(), term: 1, from: 1)
    other.receive(.timeoutNow, term: 1, from: 3)
    #expect(other.core.role == .follower)
    var learner = Solo(4, of: GroupConfiguration(1...3, learners: [4]), log: [1])
    learner.receive(.heartbeat(), term: 1, from: 1)
    learner.receive(.timeoutNow, term: 1, from: 1)
    #expect(learner.core.role == .learner)
  }

  @Test func section3_10_aTransferTakesNoElectionTimeout() throws {
    let cluster = Cluster(GroupConfiguration(1...3))
    cluster.startAll()
    let leader = try #require(cluster.waitForLeader())
    let target = (leader + 1) % 3
    let start = cluster.now
    cluster.input(leader) {
      _ = $0.transferLeadership(to: cluster.hosts[target].id, now: cluster.now, into: &$1)
    }
    #expect(
      cluster.run(within: 100) { cluster.hosts[target].core?.hasCommittedInOwnTerm ?? false })
    #expect(cluster.now - start <= .milliseconds(10))
    #expect(cluster.findings == [])
  }
}
