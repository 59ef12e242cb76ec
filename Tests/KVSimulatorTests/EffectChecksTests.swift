import KVBase
import KVCommand
import Testing

@testable import KVSimulator

@Suite struct EffectChecksTests {
  private let group = GroupID(1)
  private let key: Bytes = "k"

  private func put(
    _ index: UInt64, _ value: String, sequence: UInt64, if condition: Condition = .always
  ) -> LogEntry {
    let client = ClientID(createdMilliseconds: 5, random: 6)
    let command = Command(
      session: SessionStamp(client: client, sequence: sequence, lowestUnacknowledged: 1),
      body: .mutate(keyspace: .default, key: key, .put(value: Bytes(value), condition: condition)))
    var writer = ByteWriter()
    command.encode(into: &writer)
    return LogEntry(
      index: LogIndex(index), term: Term(1), kind: .command, logTimeMilliseconds: 1,
      payload: writer.take())
  }

  private func filled() -> EffectChecks {
    var checks = EffectChecks(groups: 2)
    checks.applied(put(3, "a", sequence: 1), .written(version: LogIndex(3)), group: group)
    checks.applied(put(5, "b", sequence: 2), .written(version: LogIndex(5)), group: group)
    return checks
  }

  private func read(
    _ checks: inout EffectChecks, _ record: Record?, at index: UInt64, _ expected: [Check],
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    checks.checkContent(
      record, key: key, keyspace: .default, group: group, at: LogIndex(index), what: "a read")
    let found = checks.removeFindings().map(\.check)
    #expect(found == expected, sourceLocation: sourceLocation)
  }

  @Test func aRetryThatIsAnsweredFromTheSessionPasses() {
    var checks = filled()
    checks.applied(put(6, "b", sequence: 2), .written(version: LogIndex(5)), group: group)
    #expect(!checks.hasFound)
    #expect(checks.duplicatesSuppressed == 1)
  }

  @Test func aRetryThatTakesEffectAgain() {
    var checks = filled()
    checks.applied(put(6, "b", sequence: 2), .written(version: LogIndex(6)), group: group)
    let found = checks.removeFindings().map(\.check)
    #expect(found == [.exactlyOnce])
  }

  /// What the log made of the key decides what an entry may have answered.
  @Test func anAnswerThatTheLogDoesNotGive() {
    var checks = filled()
    checks.applied(
      put(6, "c", sequence: 3, if: .ifValue("b")), .written(version: LogIndex(6)), group: group)
    #expect(!checks.hasFound)
    checks.applied(
      put(7, "d", sequence: 4, if: .ifAbsent), .written(version: LogIndex(7)), group: group)
    let found = checks.removeFindings().map(\.check)
    #expect(found == [.stateMachineSafety])
  }

  @Test func readsAreHeldAgainstTheLog() {
    var checks = filled()
    let a = Record(version: LogIndex(3), value: "a")
    let b = Record(version: LogIndex(5), value: "b")
    read(&checks, nil, at: 2, [])
    read(&checks, a, at: 4, [])
    read(&checks, b, at: 5, [])
    // Read a little later than the index says.
    read(&checks, b, at: 4, [])
    read(&checks, a, at: 5, [.readContent])
    read(&checks, nil, at: 5, [.readContent])
    read(&checks, Record(version: LogIndex(5), value: "c"), at: 5, [.readContent])
  }

  @Test func aStaleAnswerToALinearizableQuestion() {
    var checks = filled()
    let before = checks.floors
    checks.acknowledge(LogIndex(5), group: group)
    let after = checks.floors
    // Asked for before the acknowledgement: either answer will do.
    checks.checkRealTime(LogIndex(3), group: group, floors: before, what: "a read")
    #expect(!checks.hasFound)
    checks.checkRealTime(LogIndex(3), group: group, floors: after, what: "a read")
    let found = checks.removeFindings().map(\.check)
    #expect(found == [.realTime])
  }

  @Test func aSessionThatGoesBack() {
    var checks = filled()
    checks.checkSession(LogIndex(5), group: group, after: LogIndex(5), what: "a read")
    #expect(!checks.hasFound)
    checks.checkSession(LogIndex(4), group: group, after: LogIndex(5), what: "a read")
    let found = checks.removeFindings().map(\.check)
    #expect(found == [.sessionOrder])
  }
}
