import KVBase
import Testing

@testable import KVRaft

/// Raft paper §5.1, §5.2, §5.4.1 and the rules for servers and RequestVote of figure 2.
@Suite struct ElectionTests {
  @Test func figure2_startsAsFollower() {
    let solo = Solo(log: [1, 1])
    #expect(solo.core.role == .follower)
    #expect(solo.core.leader == nil)
    #expect(Solo(4).core.role == .learner)
  }

  @Test func section5_2_followerCampaignsAfterARandomTimeBetweenTAnd2T() {
    var seen: Set<UInt64> = []
    for seed in 1...200 {
      let solo = Solo(seed: UInt64(seed))
      let wait = solo.core.nextDeadline - .zero
      #expect(wait >= .milliseconds(300) && wait < .milliseconds(600))
      seen.insert(wait.milliseconds / 30)
    }
    #expect(seen.count == 10)
  }

  @Test func section5_2_wordFromTheLeaderPutsOffTheElection() {
    var solo = Solo(log: [1])
    for at in stride(from: 200, through: 2000, by: 50) {
      solo.tick(at: ms(UInt64(at)))
      solo.receive(.heartbeat(), term: 1, from: 2)
      #expect(solo.core.role == .follower)
      #expect(solo.core.leader == r(2))
    }
    #expect(solo.core.term == Term(1))
  }

  @Test func section5_2_candidateEntersTheNextTermAndAsksOnceItsVoteIsDurable() {
    var solo = Solo(log: [1, 2])
    solo.tick(at: solo.core.nextDeadline)
    let out = solo.receive(
      .voteResponse(.init(isPreVote: true, granted: true)), term: 3, from: 2)
    #expect(solo.core.role == .candidate)
    #expect(solo.core.term == Term(3))
    let persist = out.persists[0]
    #expect(persist.hardState == HardState(term: Term(3), vote: r(1)))
    #expect(out.voteRequests.map(\.send.to) == [r(2), r(3)])
    for (send, request) in out.voteRequests {
      #expect(send.after == persist.token)
      #expect(send.message.term == Term(3))
      #expect(request.lastIndex == LogIndex(2) && request.lastTerm == Term(2))
      #expect(!request.isPreVote && !request.isTransfer)
    }
  }

  @Test func section5_2_majorityMakesALeaderThatSendsAtOnce() {
    var solo = Solo(log: [1, 2])
    solo.tick(at: solo.core.nextDeadline)
    solo.receive(.voteResponse(.init(isPreVote: true, granted: true)), term: 3, from: 2)
    solo.sync()
    let out = solo.receive(
      .voteResponse(.init(isPreVote: false, granted: true)), term: 3, from: 3)
    #expect(solo.core.role == .leader)
    #expect(out.roleChanged)
    #expect(out.appends.map(\.to) == [r(2), r(3)])
    let request = out.appends[0].request
    #expect(request.previousIndex == LogIndex(2) && request.previousTerm == Term(2))
    #expect(request.entries.map(\.kind) == [.noop])
    #expect(request.entries.map(\.term) == [Term(3)])
  }

  @Test func section5_2_ownVoteCountsOnceItIsDurable() {
    var solo = Solo(of: GroupConfiguration(1...1))
    solo.tick(at: solo.core.nextDeadline)
    #expect(solo.core.role == .candidate)
    solo.sync()
    #expect(solo.core.role == .leader)
    #expect(solo.core.commitIndex == .zero)
    solo.sync()
    #expect(solo.core.commitIndex == LogIndex(1))
  }

  @Test func section5_2_ofFiveTwoGrantsWithOneRefusalWin() {
    var solo = Solo(of: GroupConfiguration(1...5))
    solo.tick(at: solo.core.nextDeadline)
    let grant = RaftMessage.Body.voteResponse(.init(isPreVote: true, granted: true))
    solo.receive(grant, term: 1, from: 2)
    solo.receive(grant, term: 1, from: 2)
    #expect(solo.core.role == .preCandidate)
    solo.receive(.voteResponse(.init(isPreVote: true, granted: false)), term: 0, from: 4)
    solo.receive(grant, term: 1, from: 3)
    #expect(solo.core.role == .candidate)
    solo.sync()
    let vote = RaftMessage.Body.voteResponse(.init(isPreVote: false, granted: true))
    solo.receive(vote, term: 1, from: 5)
    solo.receive(vote, term: 1, from: 5)
    #expect(solo.core.role == .candidate)
    solo.receive(.voteResponse(.init(isPreVote: false, granted: false)), term: 1, from: 2)
    #expect(solo.core.role == .candidate)
    solo.receive(vote, term: 1, from: 4)
    #expect(solo.core.role == .leader)
  }

  @Test func section5_2_refusedByAMajorityMeansFollower() {
    var solo = Solo()
    solo.tick(at: solo.core.nextDeadline)
    solo.receive(.voteResponse(.init(isPreVote: true, granted: true)), term: 1, from: 2)
    solo.sync()
    for voter: UInt32 in [2, 3] {
      solo.receive(.voteResponse(.init(isPreVote: false, granted: false)), term: 1, from: voter)
    }
    #expect(solo.core.role == .follower)
    #expect(solo.core.term == Term(1))
  }

  @Test func section5_2_candidateFollowsTheLeaderOfItsTerm() {
    var solo = Solo()
    solo.tick(at: solo.core.nextDeadline)
    solo.receive(.voteResponse(.init(isPreVote: true, granted: true)), term: 1, from: 2)
    solo.sync()
    solo.receive(.append(after: 0, 0, entries([1])), term: 1, from: 3)
    #expect(solo.core.role == .follower)
    #expect(solo.core.leader == r(3))
    #expect(solo.core.term == Term(1))
  }

  @Test func section5_2_candidateWithoutAnAnswerBeginsAnewWithAPreVote() {
    var solo = Solo()
    solo.tick(at: solo.core.nextDeadline)
    solo.receive(.voteResponse(.init(isPreVote: true, granted: true)), term: 1, from: 2)
    let wait = solo.core.nextDeadline - solo.now
    #expect(wait >= .milliseconds(300) && wait < .milliseconds(600))
    solo.sync()
    let out = solo.tick(at: solo.core.nextDeadline)
    #expect(solo.core.role == .preCandidate)
    #expect(solo.core.term == Term(1))
    #expect(out.voteRequests.allSatisfy { $0.send.message.term == Term(2) && $0.request.isPreVote })
  }

  @Test func figure2_requestVote1_refusedInALowerTerm() throws {
    var solo = Solo(log: [3], hardState: HardState(term: Term(5)))
    let answer = try #require(solo.receive(.vote(4, 9), term: 4, from: 2).voteResponse)
    #expect(!answer.response.granted)
    #expect(answer.term == Term(5))
  }

  @Test func figure2_requestVote2_oneVoteATermFirstComeFirstServed() throws {
    var solo = Solo(log: [1])
    let first = solo.receive(.vote(1, 1), term: 2, from: 2)
    #expect(try #require(first.voteResponse).response.granted)
    #expect(first.persists.map(\.hardState) == [HardState(term: Term(2), vote: r(2))])
    #expect(try #require(first.voteResponse).after == first.persists[0].token)
    // Another is refused, the same one is answered as before.
    #expect(
      try #require(solo.receive(.vote(1, 5), term: 2, from: 3).voteResponse).response.granted
        == false)
    let again = solo.receive(.vote(1, 1), term: 2, from: 2)
    #expect(try #require(again.voteResponse).response.granted)
    #expect(again.persists.isEmpty)
    solo.sync()
    #expect(try #require(solo.receive(.vote(1, 1), term: 2, from: 2).voteResponse).after == nil)
  }

  @Test func figure2_voteOutlivesARestart() throws {
    var solo = Solo(log: [1], hardState: HardState(term: Term(2), vote: r(2)))
    #expect(
      try #require(solo.receive(.vote(1, 1), term: 2, from: 3).voteResponse).response.granted
        == false)
    #expect(try #require(solo.receive(.vote(1, 1), term: 2, from: 2).voteResponse).response.granted)
  }

  /// Later last term wins, then the longer log.
  @Test(
    arguments: [
      (2, 1, false), (1, 9, false), (2, 3, true), (2, 4, true), (3, 1, true), (2, 2, false),
    ] as [(UInt64, UInt64, Bool)])
  func section5_4_1_voteOnlyForALogAtLeastAsUpToDate(
    lastTerm: UInt64, lastIndex: UInt64, granted: Bool
  ) throws {
    for pre in [false, true] {
      var solo = Solo(log: [1, 2, 2], hardState: HardState(term: Term(3)))
      let out = solo.receive(.vote(lastTerm, lastIndex, pre: pre), term: 4, from: 2)
      #expect(try #require(out.voteResponse).response.granted == granted)
      // The term is adopted from a real request whether the vote is given or not.
      #expect(solo.core.term == Term(pre ? 3 : 4))
    }
  }

  @Test(arguments: [
    RaftMessage.Body.heartbeat(), .append(), .vote(9, 9),
    .appendResponse(.init(outcome: .accepted(match: .zero), round: 0)),
    .heartbeatResponse(.init(round: 0)), .timeoutNow,
    .voteResponse(.init(isPreVote: false, granted: true)),
    .voteResponse(.init(isPreVote: true, granted: false)),
  ])
  func section5_1_higherTermMakesAFollower(body: RaftMessage.Body) {
    for asCandidate in [true, false] {
      var solo = Solo(log: [1])
      if asCandidate {
        solo.tick(at: solo.core.nextDeadline)
        solo.receive(.voteResponse(.init(isPreVote: true, granted: true)), term: 2, from: 2)
      }
      let out = solo.receive(body, term: 7, from: 3)
      #expect(solo.core.role == .follower)
      #expect(solo.core.term == Term(7))
      #expect(out.persists.first?.hardState?.term == Term(7))
    }
  }

  @Test func section5_1_leaderLearnsOfAHigherTermFromAnyAnswer() throws {
    var solo = Solo()
    solo.leadAndCommit()
    let ticket = solo.core.requestRead()
    #expect(ticket != nil)
    let out = solo.receive(.heartbeatResponse(.init(round: 0)), term: 9, from: 2)
    #expect(solo.core.role == .follower)
    #expect(out.leadershipLost && out.readsAborted)
  }

  @Test(arguments: [
    RaftMessage.Body.heartbeat(commit: 1), .append(after: 1, 1, entries([2], from: 2), commit: 2),
  ])
  func section5_1_messagesOfALowerTermAreRefusedAndTheSenderTold(body: RaftMessage.Body) {
    var solo = Solo(log: [1], hardState: HardState(term: Term(5)))
    let deadline = solo.core.nextDeadline
    let out = solo.receive(body, term: 2, from: 2)
    #expect(out.sends.map(\.message.term) == [Term(5)])
    #expect(solo.core.leader == nil && solo.core.lastIndex == LogIndex(1))
    #expect(solo.core.commitIndex == .zero && solo.core.nextDeadline == deadline)
  }

  @Test func section5_1_answersOfALowerTermAreIgnored() {
    var solo = Solo(of: GroupConfiguration(1...5), log: [1])
    solo.lead()
    for peer: UInt32 in 2...5 {
      solo.receive(
        .appendResponse(.init(outcome: .accepted(match: LogIndex(2)), round: 1)), term: 1,
        from: peer)
    }
    #expect(solo.core.commitIndex == .zero)
  }

  @Test func figure2_onlyAVoterCampaigns() {
    var solo = Solo(4, of: GroupConfiguration(1...3, learners: [4]))
    solo.tick(at: ms(10_000))
    #expect(solo.core.role == .learner)
    solo.receive(.heartbeat(), term: 1, from: 1)
    solo.tick(at: ms(20_000))
    #expect(solo.core.role == .learner && solo.core.leader == nil)
    #expect(solo.core.nextDeadline == .distantFuture)
  }

  @Test func section5_2_leaderSendsHeartbeatsToAllAtEveryInterval() {
    var solo = Solo(of: GroupConfiguration(1...3, learners: [4]))
    solo.leadAndCommit()
    let start = solo.core.nextDeadline
    let out = solo.tick(at: start)
    #expect(out.heartbeats.map(\.to) == [r(2), r(3), r(4)])
    #expect(solo.core.nextDeadline == start + .milliseconds(30))
  }
}
