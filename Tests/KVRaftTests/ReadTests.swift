import KVBase
import Testing

@testable import KVRaft

/// ReadIndex and leases (dissertation §6.4 and §6.4.1).
@Suite struct ReadTests {
  private func confirm(_ solo: inout Solo, round: UInt64, from: UInt32) -> RaftOutputs {
    solo.receive(
      .heartbeatResponse(.init(round: round)), term: solo.core.term.rawValue, from: from)
  }

  @Test func section6_4_readsOfATurnShareARound() throws {
    var solo = Solo(of: GroupConfiguration(1...3, learners: [4]))
    solo.leadAndCommit()
    let first = try solo.askToRead()
    let second = try solo.askToRead()
    #expect(second > first)
    let out = solo.turn()
    #expect(out.heartbeats.map(\.to) == [r(2), r(3)])
    #expect(solo.turn().sends.isEmpty)
    let round = out.heartbeats[0].heartbeat.round
    let ready = confirm(&solo, round: round, from: 3).readiness
    #expect(ready.map(\.through) == [second])
    #expect(ready.map(\.index) == [LogIndex(1)])
    #expect(confirm(&solo, round: round, from: 2).reads.isEmpty)
  }

  @Test func section6_4_aReadIsConfirmedOnlyByARoundThatBeganAfterIt() throws {
    var solo = Solo()
    solo.leadAndCommit()
    let before = solo.tick(at: solo.core.nextDeadline).heartbeats[0].heartbeat.round
    let ticket = try solo.askToRead()
    // The answer to the earlier round comes in the same turn.
    let early = confirm(&solo, round: before, from: 2)
    #expect(early.reads.isEmpty)
    let round = early.heartbeats[0].heartbeat.round
    #expect(round > before)
    #expect(confirm(&solo, round: round, from: 2).readiness.map(\.through) == [ticket])
  }

  @Test func section6_4_aLaterRoundConfirmsEarlierOnes() throws {
    var solo = Solo()
    solo.leadAndCommit()
    var rounds: [UInt64] = []
    for _ in 0..<3 {
      _ = solo.core.requestRead()
      rounds.append(solo.turn().heartbeats[0].heartbeat.round)
    }
    #expect(rounds[0] < rounds[1] && rounds[1] < rounds[2])
    #expect(confirm(&solo, round: rounds[2], from: 2).readiness.count == 3)
  }

  @Test func section6_4_appendsConfirmRoundsToo() throws {
    var solo = Solo()
    solo.leadAndCommit()
    _ = solo.core.requestRead()
    try solo.propose()
    let out = solo.turn()
    let request = try #require(out.appends.first).request
    #expect(request.round == out.heartbeats[0].heartbeat.round)
    #expect(solo.acknowledge(LogIndex(2), from: 2, round: request.round).readiness.count == 1)
  }

  @Test func section6_4_singleReplicaAnswersAtOnce() {
    var solo = Solo(of: GroupConfiguration(1...1))
    solo.lead()
    _ = solo.core.requestRead()
    #expect(solo.turn().readiness.map(\.index) == [LogIndex(1)])
    solo.tick(at: solo.core.nextDeadline)
    #expect(solo.core.leaseRead(now: solo.now) == LogIndex(1))
  }

  @Test func section6_4_readsFailWhenLeadershipEnds() {
    var solo = Solo()
    solo.leadAndCommit()
    _ = solo.core.requestRead()
    solo.turn()
    #expect(solo.receive(.append(), term: 2, from: 3).readsAborted)
    #expect(solo.core.requestRead() == nil)
  }

  @Test func section6_4_inAJointConfigurationBothMajoritiesConfirm() throws {
    var solo = Solo(of: GroupConfiguration(1...3))
    solo.leadAndCommit()
    _ = try solo.core.proposeConfiguration(
      voters: [r(1), r(4), r(5)], learners: [], wallMilliseconds: 0, now: solo.now,
      into: &solo.out)
    _ = solo.core.requestRead()
    let round = try #require(solo.turn().heartbeats.first).heartbeat.round
    #expect(confirm(&solo, round: round, from: 2).reads.isEmpty)
    #expect(confirm(&solo, round: round, from: 3).reads.isEmpty)
    #expect(confirm(&solo, round: round, from: 4).readiness.count == 1)
  }

  @Test func section6_4_1_theLeaseCountsFromWhenTheRoundWasSent() throws {
    var solo = Solo()
    solo.leadAndCommit()
    let out = solo.tick(at: solo.core.nextDeadline)
    let sent = solo.now
    solo.now = solo.now + .milliseconds(60)
    let round = out.heartbeats[0].heartbeat.round
    _ = confirm(&solo, round: round, from: 2)
    #expect(solo.core.leaseRead(now: sent + .milliseconds(99)) == LogIndex(1))
    #expect(solo.core.leaseRead(now: sent + .milliseconds(100)) == nil)
  }

  @Test func section6_4_1_noLeaseBeforeAnEntryOfTheTermIsCommitted() {
    var solo = Solo(log: [1])
    solo.lead()
    _ = confirm(&solo, round: 1, from: 2)
    #expect(solo.core.leaseRead(now: solo.now) == nil)
    solo.acknowledge(LogIndex(2), from: 2, round: 1)
    #expect(solo.core.leaseRead(now: solo.now) == LogIndex(2))
  }

  @Test func aRoundIsNeverReusedInALaterTerm() throws {
    var solo = Solo()
    solo.leadAndCommit()
    _ = solo.core.requestRead()
    let old = try #require(solo.turn().heartbeats.first).heartbeat.round
    solo.receive(.append(), term: 2, from: 3)
    solo.now = solo.now + .milliseconds(200)
    solo.lead()
    solo.acknowledge(solo.core.lastIndex, from: 2)
    _ = solo.core.requestRead()
    let new = try #require(solo.turn().heartbeats.first).heartbeat.round
    #expect(new > old)
    #expect(confirm(&solo, round: old, from: 2).reads.isEmpty)
  }

  @Test func roundsBeyondTheLimitWait() {
    var solo = Solo()
    solo.leadAndCommit()
    for _ in 0..<Limits.openReadRounds + 50 {
      _ = solo.core.requestRead()
      solo.turn()
    }
    _ = solo.core.requestRead()
    #expect(solo.turn().sends.isEmpty)
    let all = confirm(&solo, round: solo.core.rounds.current, from: 2)
    #expect(!all.heartbeats.isEmpty)
    let last = confirm(&solo, round: solo.core.rounds.current, from: 2)
    #expect(last.readiness.last?.through == solo.core.rounds.lastTicket)
  }
}
