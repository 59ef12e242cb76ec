import KVBase
import Testing

@testable import KVRaft

/// Pre-vote and check-quorum (dissertation §9.6, §6.2), and votes that are withheld while a lease
/// may be valid (§6.4.1).
@Suite struct PreVoteTests {
  @Test func section9_6_aPreVoteChangesNoTermAnywhere() throws {
    var asker = Solo(log: [1])
    let out = asker.tick(at: asker.core.nextDeadline)
    #expect(asker.core.role == .preCandidate && asker.core.term == Term(1))
    #expect(out.persists.isEmpty)
    #expect(out.voteRequests.map(\.send.message.term) == [Term(2), Term(2)])
    #expect(out.voteRequests.allSatisfy { $0.send.after == nil })
    var voter = Solo(2, log: [1])
    let answer = voter.receive(out.sends[0].message.body, term: 2, from: 1)
    #expect(try #require(answer.voteResponse).response.granted)
    #expect(try #require(answer.voteResponse).term == Term(2))
    #expect(voter.core.term == Term(1) && answer.persists.isEmpty)
  }

  @Test func section9_6_noElectionWithoutAMajorityOfPreVotes() {
    var solo = Solo(log: [1])
    for _ in 0..<20 { solo.tick(at: solo.core.nextDeadline) }
    #expect(solo.core.term == Term(1))
    for voter: UInt32 in [2, 3] {
      solo.receive(.voteResponse(.init(isPreVote: true, granted: false)), term: 1, from: voter)
    }
    #expect(solo.core.role == .follower && solo.core.term == Term(1))
  }

  @Test func section9_6_refusalWithAHigherTermIsTakenOver() {
    var solo = Solo(log: [1])
    solo.tick(at: solo.core.nextDeadline)
    solo.receive(.voteResponse(.init(isPreVote: true, granted: false)), term: 6, from: 2)
    #expect(solo.core.term == Term(6))
    let out = solo.tick(at: solo.core.nextDeadline)
    #expect(out.voteRequests.first?.send.message.term == Term(7))
  }

  @Test func section9_6_aGrantForAnEarlierQuestionDoesNotCount() {
    var solo = Solo(log: [1])
    solo.tick(at: solo.core.nextDeadline)
    solo.receive(.voteResponse(.init(isPreVote: true, granted: true)), term: 9, from: 2)
    #expect(solo.core.role == .preCandidate)
  }

  @Test func section9_6_refusedForATermThatIsNotNew() throws {
    var voter = Solo(log: [1], hardState: HardState(term: Term(5)))
    for asked: UInt64 in [4, 5] {
      let answer = try #require(
        voter.receive(.vote(1, 1, pre: true), term: asked, from: 2).voteResponse)
      #expect(!answer.response.granted && answer.term == Term(5))
    }
  }

  /// 100 ms of lease and 10 ms of drift.
  @Test(arguments: [true, false])
  func section6_4_1_noVoteWhileALeaseMayStand(pre: Bool) throws {
    var voter = Solo(log: [1])
    voter.receive(.heartbeat(), term: 1, from: 3)
    voter.now = voter.now + .milliseconds(109)
    let early = voter.receive(.vote(1, 1, pre: pre), term: 2, from: 2)
    #expect(voter.core.term == Term(1))
    #expect(early.voteResponse.map { !$0.response.granted } ?? true)
    voter.now = voter.now + .milliseconds(1)
    let late = voter.receive(.vote(1, 1, pre: pre), term: 2, from: 2)
    #expect(try #require(late.voteResponse).response.granted)
  }

  @Test(arguments: [true, false])
  func section6_4_1_norForThatLongAfterAStart(pre: Bool) {
    var voter = Solo(log: [1])
    voter.now = ms(109)
    let early = voter.receive(.vote(1, 1, pre: pre), term: 2, from: 2)
    #expect(early.voteResponse.map { !$0.response.granted } ?? true)
    voter.now = ms(110)
    let late = voter.receive(.vote(1, 1, pre: pre), term: 2, from: 2)
    #expect(late.voteResponse?.response.granted == true)
  }

  @Test func section6_4_1_aReplicaThatNeverKnewATermPromisesNothingAtItsStart() {
    var voter = Solo()
    voter.now = ms(1)
    #expect(voter.receive(.vote(0, 0), term: 1, from: 2).voteResponse?.response.granted == true)
    // So the answer to a first heartbeat waits for the term.
    var fresh = Solo()
    let out = fresh.receive(.heartbeat(round: 1), term: 1, from: 2)
    #expect(out.sends[0].after == out.persists[0].token)
    fresh.sync()
    #expect(fresh.receive(.heartbeat(round: 2), term: 1, from: 2).sends[0].after == nil)
  }

  @Test func section6_4_1_thePromiseBindsTheCandidateItself() {
    var solo = Solo(log: [1])
    solo.receive(.heartbeat(), term: 1, from: 2)
    let heard = solo.now
    solo.core.nodeUnreachable(NodeID(2), now: solo.now, into: &solo.out)
    #expect(solo.core.nextDeadline >= heard + .milliseconds(110))
    #expect(solo.core.nextDeadline <= heard + .milliseconds(140))
    solo.tick(at: heard + .milliseconds(109))
    #expect(solo.core.role == .follower)
    solo.tick(at: heard + .milliseconds(140))
    #expect(solo.core.role == .preCandidate)
  }

  @Test func section6_4_1_transferVotesAreExempt() throws {
    var voter = Solo(log: [1])
    voter.receive(.heartbeat(), term: 1, from: 3)
    let answer = voter.receive(.vote(1, 1, transfer: true), term: 2, from: 2)
    #expect(try #require(answer.voteResponse).response.granted)
  }

  @Test func section4_2_3_aLeaderIsNotDisturbedByVoteRequests() {
    var solo = Solo()
    solo.leadAndCommit()
    solo.receive(.vote(9, 9), term: 5, from: 3)
    solo.receive(.vote(9, 9, pre: true), term: 5, from: 3)
    #expect(solo.core.role == .leader && solo.core.term == Term(1))
  }

  @Test func unreachableLeaderMeansPreVotesInQuickSuccession() {
    var solo = Solo(log: [1])
    solo.receive(.heartbeat(), term: 1, from: 2)
    solo.core.nodeUnreachable(NodeID(2), now: solo.now, into: &solo.out)
    solo.tick(at: solo.core.nextDeadline)
    var asked = 1
    let start = solo.now
    while solo.now - start < .milliseconds(300) {
      for voter: UInt32 in [2, 3] {
        solo.receive(.voteResponse(.init(isPreVote: true, granted: false)), term: 1, from: voter)
      }
      let wait = solo.core.nextDeadline - solo.now
      #expect(wait >= .milliseconds(30) && wait <= .milliseconds(50))
      if !solo.tick(at: solo.core.nextDeadline).voteRequests.isEmpty { asked += 1 }
    }
    #expect(asked >= 6)
    // Not for ever.
    solo.now = solo.now + .milliseconds(600)
    solo.tick(at: solo.now)
    #expect(solo.core.nextDeadline - solo.now >= .milliseconds(300))
  }

  @Test func unreachableNodeThatDoesNotLeadChangesNothing() {
    var solo = Solo(log: [1])
    solo.receive(.heartbeat(), term: 1, from: 2)
    let deadline = solo.core.nextDeadline
    solo.core.nodeUnreachable(NodeID(3), now: solo.now, into: &solo.out)
    #expect(solo.core.nextDeadline == deadline)
  }

  @Test func aGroupRecoversSoonAfterItsLeaderCrashed() throws {
    var times: [UInt64] = []
    for seed in 1...UInt64(30) {
      let cluster = Cluster(GroupConfiguration(1...3), seed: seed)
      cluster.startAll()
      let leader = try #require(cluster.waitForLeader())
      cluster.run(milliseconds: 500)
      let gone = cluster.hosts[leader].id.node
      cluster.crash(leader)
      let start = cluster.now
      for host in cluster.hosts.indices where host != leader {
        cluster.input(host) { $0.nodeUnreachable(gone, now: cluster.now, into: &$1) }
      }
      #expect(cluster.waitForLeader(within: 1000) != nil)
      times.append((cluster.now - start).milliseconds)
      #expect(cluster.findings == [])
    }
    times.sort()
    #expect(times[15] <= 150, "median \(times[15]) ms")
    #expect(times[29] <= 300, "worst \(times[29]) ms")
  }

  @Test func section6_2_aLeaderThatHearsOfNoMajorityStepsDown() throws {
    var solo = Solo(of: GroupConfiguration(1...5))
    solo.leadAndCommit()
    let start = solo.now
    var out = RaftOutputs()
    while solo.core.role == .leader, solo.now - start < .seconds(1) {
      solo.receive(.heartbeatResponse(.init(round: 1)), term: 1, from: 2)
      out = solo.tick(at: solo.core.nextDeadline)
    }
    #expect(out.leadershipLost)
    #expect(solo.now - start >= .milliseconds(300) && solo.now - start <= .milliseconds(330))
    #expect(solo.core.timeWithoutQuorum(now: solo.now) >= .milliseconds(300))
    #expect(solo.core.term == Term(1))
  }

  @Test func section6_2_aLeaderThatHearsOfAMajorityStays() {
    var solo = Solo(of: GroupConfiguration(1...5))
    solo.leadAndCommit()
    for _ in 0..<100 {
      solo.receive(.heartbeatResponse(.init(round: 1)), term: 1, from: 2)
      solo.receive(.heartbeatResponse(.init(round: 1)), term: 1, from: 3)
      solo.tick(at: solo.core.nextDeadline)
    }
    #expect(solo.core.role == .leader)
    #expect(solo.core.timeWithoutQuorum(now: solo.now) <= .milliseconds(30))
  }

  @Test func campaignSoonLeadsANewGroupAtOnce() {
    let cluster = Cluster(GroupConfiguration(1...3))
    cluster.startAll()
    cluster.input(1) { core, _ in core.campaignSoon(now: cluster.now) }
    #expect(cluster.run(within: 20) { cluster.hosts[1].core?.hasCommittedInOwnTerm ?? false })
  }
}
