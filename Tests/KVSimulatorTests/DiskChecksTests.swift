import KVBase
import KVLog
import KVNodeCore
import KVRaft
import KVState
import Testing

@testable import KVSimulator

/// What a disk had is found again, entry by entry, and nothing is promised before a disk has it.
@Suite struct DiskChecksTests {
  private let group = GroupID(1)
  private let node = NodeID(1)
  private let leader = ReplicaID(node: NodeID(2))
  private let own = ReplicaID(node: NodeID(1))

  private func entry(_ index: UInt64, _ text: String, term: UInt64 = 1) -> LogEntry {
    LogEntry(
      index: LogIndex(index), term: Term(term), kind: .command, logTimeMilliseconds: 1,
      payload: Bytes(text))
  }

  private func checks() -> RaftChecks {
    var checks = RaftChecks(nodes: 3, groups: 2)
    persist(
      &checks, 1,
      [
        .reset(
          group, generation: Generation(rawValue: 1), index: .zero, term: .zero,
          configuration: GroupConfiguration(voters: [own, leader])),
        .hardState(group, HardState(term: Term(1), vote: leader)),
      ])
    checks.synced(1, by: node)
    return checks
  }

  private func persist(_ checks: inout RaftChecks, _ number: UInt64, _ records: [LogRecord]) {
    checks.turn(of: node, persists: [(number, records)], events: [])
  }

  private func recover(_ checks: inout RaftChecks, _ entries: [LogEntry], base: UInt64 = 0) {
    let last = entries.last?.index ?? LogIndex(base)
    checks.recovered(
      node, group,
      log: RecoveredLog(
        hardState: HardState(term: Term(1), vote: leader), generation: Generation(rawValue: 1),
        baseIndex: LogIndex(base), baseTerm: base == 0 ? .zero : Term(1), lastIndex: last,
        termRuns: [], configurations: []),
      entries: entries,
      status: GroupStatus(
        generation: Generation(rawValue: 1), appliedIndex: .zero, appliedTerm: .zero,
        configuration: GroupConfiguration(voters: [own, leader]), digest: 0,
        logTimeMilliseconds: 0, sessionFloorMilliseconds: 0, sessionCount: 0,
        droppedKeyspaces: [], meta: nil))
  }

  private func found(_ checks: inout RaftChecks) -> [Check] {
    checks.removeFindings().map(\.check)
  }

  // MARK: Starts

  /// The last index, and all terms, are right: only a look at each entry shows it.
  @Test func aDurableEntryThatIsAnotherOneAfterACrashIsFound() {
    var checks = checks()
    persist(&checks, 2, [.entries(group, [entry(1, "a"), entry(2, "b"), entry(3, "c")])])
    checks.synced(2, by: node)
    recover(&checks, [entry(1, "a"), entry(2, "b"), entry(3, "c")])
    #expect(found(&checks) == [])
    recover(&checks, [entry(1, "a"), entry(2, "other"), entry(3, "c")])
    #expect(found(&checks) == [.durability])
  }

  @Test func whatWasNotSyncedMayBeFoundOrNot() {
    for last in [entry(2, "b"), entry(2, "other", term: 2)] {
      var checks = checks()
      persist(&checks, 2, [.entries(group, [entry(1, "a"), entry(2, "b")])])
      checks.synced(2, by: node)
      persist(&checks, 3, [.entries(group, [entry(2, "other", term: 2)])])
      recover(&checks, [entry(1, "a"), last])
      #expect(found(&checks) == [])
    }
  }

  @Test func whatIsCompactedIsNotMissed() {
    var checks = checks()
    persist(&checks, 2, [.entries(group, [entry(1, "a"), entry(2, "b"), entry(3, "c")])])
    checks.synced(2, by: node)
    recover(&checks, [entry(3, "c")], base: 2)
    #expect(found(&checks) == [])
  }

  /// The disk had it, and the node was not told yet.
  @Test func whatTheDiskHadCountsWhateverTheNodeKnew() {
    var checks = checks()
    persist(&checks, 2, [.entries(group, [entry(1, "a")])])
    checks.synced(2, by: node)
    recover(&checks, [])
    #expect(found(&checks) == [.durability])
  }

  // MARK: Messages

  private func say(_ body: RaftMessage.Body, term: UInt64, _ checks: inout RaftChecks) {
    checks.sends(
      PeerMessage(group: group, from: own, to: leader, term: Term(term), body: .raft(body)),
      from: 0)
  }

  private func held(_ index: UInt64) -> RaftMessage.Body {
    .appendResponse(.init(outcome: .accepted(match: LogIndex(index)), round: 1))
  }

  @Test func anAcknowledgementBeforeTheSyncIsFound() {
    var checks = checks()
    persist(&checks, 2, [.entries(group, [entry(1, "a")])])
    #expect(checks.awaitsDisk(0) && !checks.awaitsDisk(1))
    say(held(1), term: 1, &checks)
    #expect(found(&checks) == [.sentBeforeDurable])
    // That the node was told so is not enough.
    checks.persisted(2, by: node)
    say(held(1), term: 1, &checks)
    #expect(found(&checks) == [.sentBeforeDurable])
    checks.synced(2, by: node)
    say(held(1), term: 1, &checks)
    #expect(found(&checks) == [] && !checks.awaitsDisk(0))
  }

  @Test func aVoteBeforeTheSyncIsFound() {
    var checks = checks()
    let vote = RaftMessage.Body.voteResponse(.init(isPreVote: false, granted: true))
    persist(&checks, 2, [.hardState(group, HardState(term: Term(2), vote: leader))])
    say(vote, term: 2, &checks)
    #expect(found(&checks) == [.sentBeforeDurable])
    say(.voteResponse(.init(isPreVote: true, granted: true)), term: 2, &checks)
    say(.voteResponse(.init(isPreVote: false, granted: false)), term: 2, &checks)
    #expect(found(&checks) == [])
    checks.synced(2, by: node)
    say(vote, term: 2, &checks)
    #expect(found(&checks) == [])
  }
}
