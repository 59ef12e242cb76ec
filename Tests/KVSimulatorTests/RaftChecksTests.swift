import KVBase
import KVCommand
import KVLog
import KVState
import Testing

@testable import KVSimulator

/// Each check is fed with a sequence that breaks its promise, and with its harmless neighbour.
@Suite struct RaftChecksTests {
  private let group = GroupID(1)
  private let n1 = NodeID(1)
  private let n2 = NodeID(2)
  private let n3 = NodeID(3)

  private func checks() -> RaftChecks { RaftChecks(nodes: 3, groups: 2) }

  private func entry(_ index: UInt64, _ term: UInt64, _ text: String = "") -> LogEntry {
    LogEntry(
      index: LogIndex(index), term: Term(term), kind: .command, logTimeMilliseconds: 1,
      payload: Bytes(text))
  }

  private func role(_ role: RaftRole, _ term: UInt64) -> NodeEvent {
    .role(group: group, role: role, term: Term(term), leader: nil)
  }

  /// One turn that writes entries, durable at once.
  private func write(
    _ checks: inout RaftChecks, _ node: NodeID, _ number: UInt64, _ entries: [LogEntry],
    events: [NodeEvent] = [], isDurable: Bool = true
  ) {
    checks.turn(
      of: node, persists: [(number, [.entries(group, entries)])], events: events)
    if isDurable { checks.persisted(number, by: node) }
  }

  private func expect(
    _ checks: inout RaftChecks, _ expected: [Check],
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let found = checks.removeFindings().map(\.check)
    #expect(found == expected, sourceLocation: sourceLocation)
  }

  private func expect(
    _ checks: inout RaftChecks, has expected: Check,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let found = checks.removeFindings().map(\.check)
    #expect(found.contains(expected), sourceLocation: sourceLocation)
  }

  private func apply(
    _ checks: inout RaftChecks, _ node: NodeID, _ entries: [LogEntry], digest: UInt64 = 7,
    results: [CommandResult]? = nil
  ) {
    let request = ApplyRequest(group: group, generation: Generation(rawValue: 1), entries: entries)
    let last = entries[entries.count - 1]
    let result = ApplyResult(
      group: group, generation: request.generation, index: last.index, term: last.term,
      results: results ?? entries.map { _ in .done }, digest: digest, meta: nil)
    _ = checks.applied(request, result, by: node)
  }

  @Test func aQuietHistoryPasses() {
    var checks = checks()
    write(&checks, n1, 1, [entry(1, 1)], events: [role(.leader, 1)])
    write(&checks, n2, 1, [entry(1, 1)], events: [role(.follower, 1)])
    checks.turn(of: n1, persists: [], events: [.committed(group: group, index: LogIndex(1))])
    apply(&checks, n1, [entry(1, 1)])
    checks.turn(of: n2, persists: [], events: [.committed(group: group, index: LogIndex(1))])
    apply(&checks, n2, [entry(1, 1)])
    expect(&checks, [])
    #expect(checks.elections == 1 && checks.entriesChecked == 2)
  }

  @Test func twoLeadersInOneTerm() {
    var checks = checks()
    checks.turn(of: n1, persists: [], events: [role(.leader, 3)])
    checks.turn(of: n2, persists: [], events: [role(.leader, 4)])
    expect(&checks, [])
    checks.turn(of: n3, persists: [], events: [role(.leader, 4)])
    expect(&checks, [.electionSafety])
  }

  @Test func anEntryThatTheLeaderDidNotMake() {
    var checks = checks()
    checks.turn(of: n1, persists: [], events: [role(.leader, 1)])
    write(&checks, n2, 1, [entry(1, 1)])
    expect(&checks, [.electionSafety])
  }

  @Test func twoVotesInOneTerm() {
    var checks = checks()
    func vote(_ number: UInt64, _ term: UInt64, _ node: NodeID?) {
      let state = HardState(term: Term(term), vote: node.map { ReplicaID(node: $0) })
      checks.turn(of: n1, persists: [(number, [.hardState(group, state)])], events: [])
    }
    vote(1, 2, n2)
    vote(2, 2, n2)
    vote(3, 3, n3)
    expect(&checks, [])
    vote(4, 3, n2)
    expect(&checks, [.oneVote])
    vote(5, 2, nil)
    expect(&checks, has: .oneVote)
  }

  @Test func aLeaderThatReplacesItsOwnEntry() {
    var checks = checks()
    write(&checks, n1, 1, [entry(1, 1), entry(2, 1)], events: [role(.leader, 1)])
    write(&checks, n1, 2, [entry(2, 1, "other")])
    expect(&checks, has: .leaderAppendOnly)
  }

  @Test func aFollowerMayReplaceWhatIsNotCommitted() {
    var checks = checks()
    write(&checks, n1, 1, [entry(1, 1), entry(2, 1)], events: [role(.leader, 1)])
    write(&checks, n1, 2, [entry(2, 2)], events: [role(.follower, 2)])
    expect(&checks, [])
  }

  @Test func theSameTermAndIndexWithAnotherEntry() {
    var checks = checks()
    write(&checks, n1, 1, [entry(1, 1, "a")], events: [role(.leader, 1)])
    write(&checks, n2, 1, [entry(1, 1, "b")])
    expect(&checks, has: .logMatching)
  }

  @Test func theSameEntryBehindAnotherOne() {
    var checks = checks()
    write(&checks, n1, 1, [entry(1, 1)], events: [role(.leader, 1)])
    write(&checks, n1, 2, [entry(2, 3)], events: [role(.leader, 3)])
    write(&checks, n2, 1, [entry(1, 2)])
    write(&checks, n2, 2, [entry(2, 3)])
    expect(&checks, has: .logMatching)
  }

  @Test func aGapInTheLog() {
    var checks = checks()
    write(&checks, n1, 1, [entry(1, 1)], events: [role(.leader, 1)])
    write(&checks, n1, 2, [entry(3, 1)])
    expect(&checks, [.logMatching])
  }

  @Test func aLeaderWithoutACommittedEntry() {
    var checks = checks()
    write(&checks, n1, 1, [entry(1, 1)], events: [role(.leader, 1)])
    write(&checks, n2, 1, [entry(1, 1)])
    checks.turn(of: n1, persists: [], events: [.committed(group: group, index: LogIndex(1))])
    expect(&checks, [])
    checks.turn(of: n2, persists: [], events: [role(.leader, 2)])
    expect(&checks, [])
    checks.turn(of: n3, persists: [], events: [role(.leader, 3)])
    expect(&checks, [.leaderCompleteness])
  }

  @Test func aCommittedEntryThatIsRemoved() {
    var checks = checks()
    write(&checks, n1, 1, [entry(1, 1)], events: [role(.leader, 1)])
    write(&checks, n2, 1, [entry(1, 1)])
    checks.turn(of: n1, persists: [], events: [.committed(group: group, index: LogIndex(1))])
    write(&checks, n2, 2, [entry(1, 2)])
    expect(&checks, has: .leaderCompleteness)
  }

  @Test func aCommitThatIsNotDurableOnAMajority() {
    var checks = checks()
    write(&checks, n1, 1, [entry(1, 1)], events: [role(.leader, 1)])
    write(&checks, n2, 1, [entry(1, 1)], isDurable: false)
    checks.turn(of: n1, persists: [], events: [.committed(group: group, index: LogIndex(1))])
    expect(&checks, [.durableMajority])
  }

  @Test func differentEntriesCommittedAtOneIndex() {
    var checks = checks()
    write(&checks, n1, 1, [entry(1, 1)], events: [role(.leader, 1)])
    write(&checks, n2, 1, [entry(1, 1)])
    checks.turn(of: n1, persists: [], events: [.committed(group: group, index: LogIndex(1))])
    write(&checks, n3, 1, [entry(1, 2)])
    checks.turn(of: n3, persists: [], events: [.committed(group: group, index: LogIndex(1))])
    expect(&checks, has: .stateMachineSafety)
  }

  @Test func differentDigestsAndAnswers() {
    var checks = checks()
    for (number, node) in [n1, n2, n3].enumerated() {
      write(&checks, node, 1, [entry(1, 1)], events: number == 0 ? [role(.leader, 1)] : [])
    }
    apply(&checks, n1, [entry(1, 1)], digest: 7)
    apply(&checks, n2, [entry(1, 1)], digest: 8)
    expect(&checks, [.stateMachineSafety])
    apply(&checks, n3, [entry(1, 1)], digest: 7, results: [.keyspaceDropped])
    expect(&checks, [.stateMachineSafety])
  }

  @Test func appliedOutOfOrderOrTooEarly() {
    var checks = checks()
    write(&checks, n1, 1, [entry(1, 1), entry(2, 1)], events: [role(.leader, 1)])
    write(&checks, n2, 1, [entry(1, 1), entry(2, 1)])
    apply(&checks, n1, [entry(1, 1)])
    apply(&checks, n1, [entry(1, 1)])
    expect(&checks, has: .applyOrder)
    write(&checks, n3, 1, [entry(1, 1)], isDurable: false)
    apply(&checks, n3, [entry(1, 1)])
    expect(&checks, has: .applyOrder)
  }

  @Test func durableEntriesThatAreGoneAfterACrash() {
    var checks = checks()
    write(&checks, n1, 1, [entry(1, 1), entry(2, 1)], events: [role(.leader, 1)])
    write(&checks, n1, 2, [entry(3, 1)], isDurable: false)
    func recover(_ entries: [LogEntry]) {
      let last = entries.last?.index ?? .zero
      let configuration = GroupConfiguration(
        voters: [n1, n2, n3].map { ReplicaID(node: $0) })
      checks.recovered(
        n1, group,
        log: RecoveredLog(
          hardState: HardState(), generation: Generation(rawValue: 1), baseIndex: .zero,
          baseTerm: .zero, lastIndex: last, termRuns: [], configurations: []),
        entries: entries,
        status: GroupStatus(
          generation: Generation(rawValue: 1), appliedIndex: .zero, appliedTerm: .zero,
          configuration: configuration, digest: 0, logTimeMilliseconds: 0,
          sessionFloorMilliseconds: 0, sessionCount: 0, droppedKeyspaces: [], meta: nil))
    }
    // The last one was not durable: it may be gone.
    recover([entry(1, 1), entry(2, 1)])
    expect(&checks, [])
    recover([entry(1, 1)])
    expect(&checks, [.durability])
  }

  // MARK: Resets and configurations

  private var three: GroupConfiguration {
    GroupConfiguration(voters: [n1, n2, n3].map { ReplicaID(node: $0) })
  }
  private var two: GroupConfiguration {
    GroupConfiguration(voters: [n1, n2].map { ReplicaID(node: $0) })
  }

  private func reset(
    _ checks: inout RaftChecks, _ node: NodeID, _ number: UInt64, generation: UInt32,
    after index: UInt64 = 0, term: UInt64 = 0, _ configuration: GroupConfiguration,
    isDurable: Bool = true
  ) {
    let record = LogRecord.reset(
      group, generation: Generation(rawValue: generation), index: LogIndex(index), term: Term(term),
      configuration: configuration)
    checks.turn(of: node, persists: [(number, [record])], events: [])
    if isDurable { checks.persisted(number, by: node) }
  }

  private func recover(
    _ checks: inout RaftChecks, _ node: NodeID, generation: UInt32, base: UInt64 = 0,
    _ entries: [LogEntry], inLog: GroupConfiguration, inState: GroupConfiguration,
    applied: UInt64 = 0
  ) {
    let generation = Generation(rawValue: generation)
    let last = entries.last?.index ?? LogIndex(base)
    checks.recovered(
      node, group,
      log: RecoveredLog(
        hardState: HardState(), generation: generation, baseIndex: LogIndex(base),
        baseTerm: base == 0 ? .zero : Term(1), lastIndex: last,
        termRuns: entries.first.map { [TermRun(firstIndex: $0.index, value: $0.term)] } ?? [],
        configurations: [IndexedConfiguration(firstIndex: LogIndex(base), value: inLog)]),
      entries: entries,
      status: GroupStatus(
        generation: generation, appliedIndex: LogIndex(applied), appliedTerm: .zero,
        configuration: inState, digest: 0, logTimeMilliseconds: 0, sessionFloorMilliseconds: 0,
        sessionCount: 0, droppedKeyspaces: [], meta: nil))
  }

  /// n1 and n2 hold and commit one entry; all three are created with the same voters.
  private func committedOnce() -> RaftChecks {
    var checks = checks()
    for node in [n1, n2, n3] { reset(&checks, node, 1, generation: 1, three) }
    write(&checks, n1, 2, [entry(1, 1)], events: [role(.leader, 1)])
    write(&checks, n2, 2, [entry(1, 1)])
    checks.turn(of: n1, persists: [], events: [.committed(group: group, index: LogIndex(1))])
    expect(&checks, [])
    return checks
  }

  @Test func aSnapshotThatIsInstalledPasses() {
    var checks = committedOnce()
    reset(&checks, n3, 2, generation: 2, after: 1, term: 1, three)
    recover(&checks, n3, generation: 2, base: 1, [], inLog: three, inState: three, applied: 1)
    expect(&checks, [])
  }

  @Test func aSnapshotOfWhatIsNotCommitted() {
    var checks = committedOnce()
    reset(&checks, n3, 2, generation: 2, after: 2, term: 1, three)
    expect(&checks, [.stateMachineSafety])
    checks = committedOnce()
    reset(&checks, n3, 2, generation: 2, after: 1, term: 2, three)
    expect(&checks, [.stateMachineSafety])
  }

  @Test func aResetIntoAGenerationThatIsInUse() {
    var checks = committedOnce()
    reset(&checks, n3, 2, generation: 1, after: 1, term: 1, three)
    expect(&checks, [.stateMachineSafety])
  }

  @Test func aResetThatGoesBack() {
    var checks = committedOnce()
    apply(&checks, n1, [entry(1, 1)])
    expect(&checks, [])
    reset(&checks, n1, 3, generation: 2, three)
    expect(&checks, [.applyOrder])
  }

  @Test func aResetThatIsGoneAfterACrash() {
    var checks = committedOnce()
    reset(&checks, n3, 2, generation: 2, after: 1, term: 1, three)
    expect(&checks, [])
    recover(&checks, n3, generation: 1, base: 1, [], inLog: three, inState: three, applied: 1)
    expect(&checks, [.durability])
  }

  @Test(arguments: [true, false]) func aReplicaThatIsGoneAfterACrash(_ isDurable: Bool) {
    var checks = checks()
    reset(&checks, n3, 1, generation: 1, three, isDurable: isDurable)
    checks.recovered(n3, only: [group])
    expect(&checks, [])
    checks.recovered(n3, only: [])
    expect(&checks, isDurable ? [.durability] : [])
  }

  @Test func votersThatTheLogDidNotMake() {
    var checks = committedOnce()
    reset(&checks, n3, 2, generation: 2, after: 1, term: 1, two)
    expect(&checks, [.configuration])
    checks = committedOnce()
    recover(&checks, n1, generation: 1, [entry(1, 1)], inLog: two, inState: three)
    expect(&checks, [.configuration])
    checks = committedOnce()
    recover(&checks, n1, generation: 1, [entry(1, 1)], inLog: three, inState: two, applied: 1)
    expect(&checks, [.configuration])
    // Nor do they decide from then on what a majority is.
    #expect(checks.groups[1].voters == [0, 1, 2])
  }

  @Test func replicasThatAreCreatedWithOtherVoters() {
    var checks = checks()
    reset(&checks, n1, 1, generation: 1, three)
    expect(&checks, [])
    reset(&checks, n2, 1, generation: 1, two)
    expect(&checks, [.configuration])
  }

  @Test func aCommittedChangeOfVotersIsWhatIsStatedAfterIt() {
    var writer = ByteWriter()
    two.encode(into: &writer)
    let change = LogEntry(
      index: LogIndex(2), term: Term(1), kind: .configuration, logTimeMilliseconds: 1,
      payload: writer.take())
    func changed() -> RaftChecks {
      var checks = committedOnce()
      write(&checks, n1, 3, [change])
      write(&checks, n2, 3, [change])
      checks.turn(of: n1, persists: [], events: [.committed(group: group, index: LogIndex(2))])
      expect(&checks, [])
      return checks
    }
    var checks = changed()
    reset(&checks, n3, 2, generation: 2, after: 2, term: 1, two)
    expect(&checks, [])
    checks = changed()
    reset(&checks, n3, 2, generation: 2, after: 1, term: 1, three)
    expect(&checks, [])
    checks = changed()
    reset(&checks, n3, 2, generation: 2, after: 2, term: 1, three)
    expect(&checks, [.configuration])
  }
}
