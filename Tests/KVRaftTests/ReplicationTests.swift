import KVBase
import Testing

@testable import KVRaft

/// Raft paper §5.3, §5.4 and the AppendEntries rules of figure 2.
@Suite struct ReplicationTests {
  // MARK: The follower

  @Test func figure2_appendEntries2_refusedWithoutTheEntryBefore() {
    var solo = Solo(log: [1, 1])
    let short = solo.receive(.append(after: 5, 1), term: 1, from: 2)
    #expect(
      short.appendResponses.map(\.outcome) == [
        .rejected(previousIndex: LogIndex(5), hint: LogIndex(2), hintTerm: Term(1))
      ])
    let other = solo.receive(.append(after: 2, 2), term: 2, from: 2)
    #expect(
      other.appendResponses.map(\.outcome) == [
        .rejected(previousIndex: LogIndex(2), hint: LogIndex(2), hintTerm: Term(1))
      ])
    #expect(solo.core.lastIndex == LogIndex(2))
  }

  @Test func figure2_appendEntries3_aConflictingEntryGoesWithAllThatFollow() {
    var solo = Solo(log: [1, 1, 2, 2, 2])
    let out = solo.receive(.append(after: 2, 1, entries([3], from: 3)), term: 3, from: 2)
    #expect(solo.core.lastIndex == LogIndex(3))
    #expect(solo.core.lastTerm == Term(3))
    #expect(out.persists[0].entries == entries([3], from: 3))
    #expect(out.appendResponses.map(\.outcome) == [.accepted(match: LogIndex(3))])
  }

  @Test func figure2_appendEntries4_onlyWhatIsNewIsAppended() {
    var solo = Solo(log: [1, 1])
    let out = solo.receive(.append(after: 0, 0, entries([1, 1, 1])), term: 1, from: 2)
    #expect(out.persists[0].entries == entries([1], from: 3))
  }

  @Test func figure2_appendEntries5_commitIsAtMostTheLastEntryOfTheMessage() {
    var solo = Solo(log: [1, 1, 1])
    solo.receive(.append(after: 0, 0, entries([1]), commit: 3), term: 2, from: 2)
    #expect(solo.core.commitIndex == LogIndex(1))
    solo.receive(.append(after: 3, 1, [], commit: 2), term: 2, from: 2)
    #expect(solo.core.commitIndex == LogIndex(2))
    // It never goes back.
    solo.receive(.append(after: 1, 1, [], commit: 1), term: 2, from: 2)
    #expect(solo.core.commitIndex == LogIndex(2))
  }

  @Test func section5_3_anAcknowledgementWaitsForTheDisk() {
    var solo = Solo(log: [1])
    let out = solo.receive(.append(after: 1, 1, entries([2, 2], from: 2)), term: 2, from: 2)
    #expect(out.appendResponses[0].after == out.persists[0].token)
    #expect(solo.core.stableIndex == LogIndex(1))
    solo.sync()
    #expect(solo.core.stableIndex == LogIndex(3))
    let again = solo.receive(.append(after: 1, 1, entries([2, 2], from: 2)), term: 2, from: 2)
    #expect(again.persists.isEmpty)
    #expect(again.appendResponses[0].after == nil)
  }

  @Test func section5_3_anAcknowledgementWaitsForTheTermToo() {
    var solo = Solo(log: [1])
    let out = solo.receive(.append(after: 1, 1, []), term: 4, from: 2)
    #expect(out.persists[0].hardState?.term == Term(4))
    #expect(out.appendResponses[0].after == out.persists[0].token)
  }

  @Test func section5_3_severalMessagesOfATurnAreOnePersist() {
    var solo = Solo(log: [1])
    for index: UInt64 in 2...4 {
      solo.core.receive(
        RaftMessage(
          term: Term(1), body: .append(after: index - 1, 1, entries([1], from: index))),
        from: r(2), now: solo.now, into: &solo.out)
    }
    let out = solo.turn()
    #expect(out.persists.count == 1)
    #expect(out.persists[0].entries == entries([1, 1, 1], from: 2))
    #expect(out.appendResponses.allSatisfy { $0.after == out.persists[0].token })
  }

  @Test func section5_3_aConflictWithinATurnPersistsOnlyTheOutcome() {
    var solo = Solo(log: [1])
    let messages: [(UInt64, UInt32, RaftMessage.Body)] = [
      (2, 2, .append(after: 1, 1, entries([2, 2, 2], from: 2))),
      (3, 3, .append(after: 2, 2, entries([3], from: 3))),
    ]
    for (term, from, body) in messages {
      solo.core.receive(
        RaftMessage(term: Term(term), body: body), from: r(from), now: solo.now, into: &solo.out)
    }
    let out = solo.turn()
    #expect(out.persists.count == 1)
    #expect(out.persists[0].entries == entries([2, 3], from: 2))
    #expect(out.persists[0].hardState == HardState(term: Term(3)))
  }

  @Test func appliedIsWhatIsCommittedAndDurableHere() {
    var solo = Solo(log: [1])
    let out = solo.receive(
      .append(after: 1, 1, entries([1, 1], from: 2), commit: 3), term: 1, from: 2)
    #expect(out.commitAdvanced)
    // Entry 1 was in the log at the start, and is read from the store.
    guard case .readLog(let from, let through) = solo.core.nextToApply(maxBytes: 1 << 20) else {
      Issue.record("expected a read of the log")
      return
    }
    #expect(from == LogIndex(1) && through == LogIndex(1))
    guard case .nothing = solo.core.nextToApply(maxBytes: 1 << 20) else {
      Issue.record("entries were handed out before they were durable")
      return
    }
    #expect(solo.sync().commitAdvanced)
    guard case .entries(let ready) = solo.core.nextToApply(maxBytes: 1 << 20) else {
      Issue.record("expected entries")
      return
    }
    #expect(ready == entries([1, 1], from: 2))
    solo.core.applied(through: LogIndex(3))
  }

  @Test func badMessagesOfAPeerAreDropped() {
    var solo = Solo(log: [1, 1])
    let gap = [entries([1], from: 3)[0], entries([1], from: 5)[0]]
    let future = entries([9], from: 3)
    let falling = entries([2, 1], from: 3)
    let undecodable = [
      LogEntry(
        index: LogIndex(3), term: Term(2), kind: .configuration, logTimeMilliseconds: 0,
        payload: Bytes("?"))
    ]
    for bad in [gap, future, falling, undecodable] {
      let out = solo.receive(.append(after: 2, 1, bad), term: 2, from: 2)
      #expect(out.appendResponses.isEmpty)
    }
    #expect(solo.core.lastIndex == LogIndex(2))
    solo.receive(.heartbeat(commit: 99), term: 2, from: 2)
    #expect(solo.core.commitIndex == .zero)
  }

  // MARK: The leader

  @Test func section5_3_leaderSendsWhatWasProposedAtTheEndOfTheTurn() throws {
    var solo = Solo()
    solo.leadAndCommit()
    try solo.propose("a")
    try solo.propose("b")
    let out = solo.turn()
    #expect(out.persists.count == 1)
    #expect(out.persists[0].entries.map(\.payload) == ["a", "b"])
    #expect(out.appends.count == 2)
    for (_, request) in out.appends { #expect(request.entries == out.persists[0].entries) }
    // Ahead of acknowledgements, the next turn sends on.
    try solo.propose("c")
    let next = solo.turn()
    #expect(next.appends.map(\.request.previousIndex) == [LogIndex(3), LogIndex(3)])
  }

  @Test func section5_3_commitNeedsAMajorityOfDurableCopies() throws {
    var solo = Solo(of: GroupConfiguration(1...5))
    solo.leadAndCommit()
    let index = try solo.propose("a")
    solo.turn()
    solo.acknowledge(index, from: 2)
    solo.sync()
    #expect(solo.core.commitIndex < index)
    #expect(solo.acknowledge(index, from: 3).commitAdvanced)
    #expect(solo.core.commitIndex == index)
  }

  @Test func section5_3_leaderCountsItselfOnlyOnceDurable() throws {
    var solo = Solo()
    solo.leadAndCommit()
    let index = try solo.propose("a")
    solo.turn()
    solo.acknowledge(index, from: 2)
    #expect(solo.core.commitIndex < index)
    #expect(solo.sync().commitAdvanced)
    #expect(solo.core.commitIndex == index)
  }

  @Test func section5_3_followersMayCommitBeforeTheLeadersDisk() throws {
    var solo = Solo()
    solo.leadAndCommit()
    let index = try solo.propose("a")
    solo.turn()
    solo.acknowledge(index, from: 2)
    solo.acknowledge(index, from: 3)
    #expect(solo.core.commitIndex == index)
    guard case .entries(let ready) = solo.core.nextToApply(maxBytes: 1 << 20) else {
      Issue.record("expected the no-op")
      return
    }
    // Not yet durable here, so not yet applied here.
    #expect(ready.map(\.index) == [LogIndex(1)])
  }

  @Test func section5_4_2_entriesOfEarlierTermsAreNotCommittedByCounting() {
    var solo = Solo(log: [1, 2, 2])
    solo.lead()
    solo.acknowledge(LogIndex(3), from: 2)
    solo.acknowledge(LogIndex(3), from: 3)
    #expect(solo.core.commitIndex == .zero)
    solo.acknowledge(LogIndex(4), from: 2)
    #expect(solo.core.commitIndex == LogIndex(4))
  }

  @Test func section5_3_backOffTakesOneRoundForEachTerm() {
    // The logs of figure 7: leader 1 1 1 4 4 5 5 6 6 6, follower (f) 1 1 1 2 2 2 3 3 3 3 3.
    var leader = Solo(1, log: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6])
    leader.lead()
    var follower = Solo(2, log: [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3])
    var rounds = 0
    var append = RaftMessage.Body.append(after: 10, 6, entries([7], from: 11))
    while rounds < 10 {
      rounds += 1
      let answer = follower.receive(append, term: 7, from: 1)
      guard case .rejected = answer.appendResponses[0].outcome else { break }
      let out = leader.receive(answer.sends[0].message.body, term: 7, from: 2)
      if let read = out.readLogs.first {
        let stored = entries([1, 1, 1, 4, 4, 5, 5, 6, 6, 6])
        leader.core.logRead(
          from: read.from, entries: Array(stored[Int(read.from.rawValue) - 1..<10]),
          now: leader.now, into: &leader.out)
        append = leader.turn().to(2)[0].message.body
      } else {
        append = out.to(2)[0].message.body
      }
    }
    #expect(rounds == 2)
    #expect(follower.core.term(at: LogIndex(10)) == Term(6))
    #expect(follower.core.term(at: LogIndex(4)) == Term(4))
  }

  @Test func figure2_leadersAppendOnly() {
    var solo = Solo(log: [1])
    solo.leadAndCommit()
    for index in 1...solo.core.lastIndex.rawValue {
      #expect(solo.core.term(at: LogIndex(index)) != nil)
    }
    let last = solo.core.lastIndex
    solo.receive(
      .appendResponse(
        .init(
          outcome: .rejected(previousIndex: last, hint: .zero, hintTerm: .zero), round: 0)),
      term: solo.core.term.rawValue, from: 2)
    #expect(solo.core.lastIndex == last)
  }

  @Test func windowOfBytesBoundsWhatIsInFlight() throws {
    var settings = RaftSettings()
    settings.inflightBytes = 1000
    settings.appendBytes = 300
    var solo = Solo(settings: settings)
    solo.leadAndCommit()
    for _ in 0..<100 { try solo.propose(String(repeating: "v", count: 71)) }
    let out = solo.turn()
    // Three entries of 100 bytes a message, four messages reach the window.
    #expect(out.to(2).count == 4)
    #expect(out.appends.allSatisfy { $0.request.entries.count == 3 })
    #expect(solo.turn().sends.isEmpty)
    let more = solo.acknowledge(LogIndex(7), from: 2)
    #expect(more.to(2).count == 2)
    #expect(more.to(3).isEmpty)
  }

  @Test func aPeerInProbeGetsOneMessageAtATime() throws {
    var solo = Solo()
    solo.lead()
    try solo.propose("a")
    #expect(solo.turn().appends.isEmpty)
    // A lost probe is repeated at a later sign of life.
    solo.now = solo.now + .milliseconds(35)
    let out = solo.receive(.heartbeatResponse(.init(round: 0)), term: 1, from: 2)
    #expect(out.appends.map(\.to) == [r(2)])
    #expect(out.appends[0].request.entries.count == 2)
  }

  @Test func aLostAppendIsFoundAndSentAgain() throws {
    var solo = Solo()
    solo.leadAndCommit()
    let index = try solo.propose("lost")
    solo.turn()
    solo.now = solo.now + .milliseconds(70)
    let out = solo.receive(.heartbeatResponse(.init(round: 1)), term: 1, from: 2)
    #expect(out.appends.map(\.request.previousIndex) == [index])
    #expect(out.appends[0].request.entries.isEmpty)
    let again = solo.receive(
      .appendResponse(
        .init(
          outcome: .rejected(
            previousIndex: index, hint: index.previous, hintTerm: Term(1)), round: 1)),
      term: 1, from: 2)
    #expect(again.appends.map(\.request.entries.count) == [1])
    #expect(again.appends[0].request.previousIndex == index.previous)
  }

  @Test func staleAnswersChangeNothing() throws {
    var solo = Solo()
    solo.leadAndCommit()
    let index = try solo.propose("a")
    solo.turn()
    solo.acknowledge(index, from: 2)
    let before = Array(solo.core.progress)
    solo.receive(
      .appendResponse(
        .init(
          outcome: .rejected(previousIndex: LogIndex(1), hint: .zero, hintTerm: .zero), round: 0)),
      term: 1, from: 2)
    solo.acknowledge(LogIndex(1), from: 2)
    solo.acknowledge(LogIndex(99), from: 2)
    #expect(Array(solo.core.progress) == before)
  }

  @Test func heartbeatsNameNoMoreThanTheReceiverHolds() throws {
    var solo = Solo()
    solo.leadAndCommit()
    let index = try solo.propose("a")
    solo.turn()
    solo.sync()
    solo.acknowledge(index, from: 2)
    #expect(solo.core.commitIndex == index)
    let out = solo.tick(at: solo.core.nextDeadline)
    #expect(out.heartbeats.map(\.heartbeat.commit) == [index, LogIndex(1)])
  }

  @Test func logTimeNeverGoesBack() throws {
    var solo = Solo()
    solo.leadAndCommit()
    try solo.propose("a", wall: 500)
    try solo.propose("b", wall: 400)
    try solo.propose("c", wall: 600)
    let stamps = solo.turn().persists[0].entries.map(\.logTimeMilliseconds)
    #expect(stamps == [500, 500, 600])
    var follower = Solo(2)
    var late = entries([1])
    late[0].logTimeMilliseconds = 900
    follower.receive(.append(after: 0, 0, late), term: 1, from: 1)
    follower.sync()
    follower.lead()
    try follower.propose("d", wall: 100)
    #expect(follower.turn().persists[0].entries.map(\.logTimeMilliseconds) == [900])
  }

  @Test func proposalsAreRefusedBeyondTheLimitOfUncommittedBytes() throws {
    var settings = RaftSettings()
    settings.uncommittedBytes = 300
    var solo = Solo(of: GroupConfiguration(1...1), settings: settings)
    solo.lead()
    let text = String(repeating: "v", count: 71)
    for _ in 0..<3 { try solo.propose(text) }
    #expect(throws: RaftCore.ProposeRefusal.tooMuchUncommitted) { try solo.propose(text) }
    solo.turn()
    solo.sync()
    #expect(throws: RaftCore.ProposeRefusal.tooMuchUncommitted) { try solo.propose(text) }
    _ = solo.core.nextToApply(maxBytes: 1 << 20)
    solo.core.applied(through: LogIndex(2))
    try solo.propose(text)
    // One always fits.
    solo.turn()
    solo.sync()
    _ = solo.core.nextToApply(maxBytes: 1 << 20)
    solo.core.applied(through: solo.core.commitIndex)
    try solo.propose(String(repeating: "v", count: 1000))
  }

  @Test func onlyALeaderTakesProposals() {
    var solo = Solo()
    #expect(throws: RaftCore.ProposeRefusal.notLeader) { try solo.propose() }
    #expect(solo.core.requestRead() == nil)
    #expect(solo.core.leaseRead(now: solo.now) == nil)
  }
}
