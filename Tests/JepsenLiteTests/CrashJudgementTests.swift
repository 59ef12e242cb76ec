import KVBase
import KVClient
import KVCommand
import Testing

@testable import JepsenLite

/// Each kind of judgement of `jepsen-lite crash` is shown what it must find, and what it must not.
@Suite struct CrashJudgementTests {
  private func value(_ ledger: WriterLedger, _ sequence: UInt64, version: UInt64) -> Value {
    Value(
      Record(
        version: LogIndex(version),
        value: Bytes(Array(ledger.value(sequence, bytes: 40).utf8))))
  }

  private var unknown: KVError { KVError(.unknown, .deadlineExceeded, "no answer") }

  /// A client that wrote 1 (acknowledged), 2 (unknown), 3 (unknown) to key 0.
  private func ledger() -> WriterLedger {
    var ledger = WriterLedger(client: 4, keys: 2, counters: 1)
    ledger.wrote(0, ledger.nextSequence(), version: 10)
    for _ in 0..<2 {
      _ = ledger.nextSequence()
      ledger.failed("put", unknown, key: 0)
    }
    return ledger
  }

  @Test(arguments: [1, 2, 3] as [UInt64])
  func theLastAcknowledgedWriteOrALaterUnknownOneMayBeFound(sequence: UInt64) {
    var ledger = ledger()
    ledger.found(0, value(ledger, sequence, version: sequence == 1 ? 10 : 11))
    #expect(ledger.violations == [])
  }

  @Test func anAcknowledgedWriteThatIsGoneIsFound() {
    var absent = ledger()
    absent.found(0, nil)
    #expect(absent.violations.count == 1)
    var older = WriterLedger(client: 4, keys: 1, counters: 1)
    for version in [5, 6] as [UInt64] { older.wrote(0, older.nextSequence(), version: version) }
    older.found(0, value(older, 1, version: 5))
    #expect(older.violations.count == 1)
  }

  @Test func anUnknownWriteCantComeBackAfterALaterAcknowledgedOne() {
    var ledger = ledger()
    ledger.wrote(0, ledger.nextSequence(), version: 20)
    ledger.found(0, value(ledger, 2, version: 21))
    #expect(ledger.violations.count == 1)
  }

  /// Once a later unknown write was seen, the earlier one is gone for good.
  @Test func whatWasReadMayNotGoBack() {
    var ledger = ledger()
    ledger.found(0, value(ledger, 3, version: 12))
    ledger.found(0, value(ledger, 2, version: 13))
    #expect(ledger.violations.count == 1)
  }

  @Test func aWriteThatWasAppliedTwiceIsFoundByItsVersion() {
    var ledger = ledger()
    ledger.found(0, value(ledger, 1, version: 11))
    #expect(ledger.violations.count == 1)
  }

  @Test func aValueThatNobodyWroteIsFound() {
    var ledger = ledger()
    ledger.found(1, value(ledger, 9, version: 3))
    #expect(ledger.violations.count == 1)
  }

  @Test func aConditionThatMustHoldAndDoesNotIsFound() {
    var ledger = ledger()
    ledger.conditionFailed(0, 4, found: 17)
    #expect(ledger.violations.count == 1)
  }

  @Test func refusedCallsAreCountedAndMayNotTakeEffect() {
    var ledger = WriterLedger(client: 4, keys: 1, counters: 1)
    let sequence = ledger.nextSequence()
    ledger.failed("put", KVError(.rejected, .unavailable, "no quorum"), key: 0)
    #expect(ledger.refused == 1)
    ledger.found(0, value(ledger, sequence, version: 3))
    #expect(ledger.violations.count == 1)
  }

  // MARK: Counters

  private func counted(_ sums: [Int64], unknown: Int) -> [WriterLedger] {
    var ledger = WriterLedger(client: 1, keys: 1, counters: 1)
    for sum in sums { ledger.added(0, sum: sum) }
    for _ in 0..<unknown { ledger.failed("add", self.unknown, counter: 0) }
    return [ledger]
  }

  @Test(arguments: [3, 4, 5] as [Int64])
  func aCounterLiesBetweenAcknowledgedAndUnknown(final: Int64) {
    let ledgers = counted([1, 2, 3], unknown: 2)
    #expect(WriterLedger.problems(withCounter: 0, final: final, ledgers) == [])
  }

  @Test(arguments: [2, 6] as [Int64]) func aCounterOutsideIsFound(final: Int64) {
    let ledgers = counted([1, 2, 3], unknown: 2)
    #expect(!WriterLedger.problems(withCounter: 0, final: final, ledgers).isEmpty)
  }

  @Test func aSumThatWasAnsweredTwiceIsFound() {
    let ledgers = counted([1, 2, 2], unknown: 0)
    #expect(WriterLedger.problems(withCounter: 0, final: 3, ledgers).count == 1)
  }

  // MARK: Time without service

  private func operations(_ successes: [(target: Int, at: UInt64, node: UInt32)])
    -> [Probe.Operation]
  {
    successes.map {
      let at = Instant(nanoseconds: $0.at)
      return Probe.Operation(
        target: $0.target, key: 0, isPut: true, start: at, end: at, result: .written(node: $0.node))
    }
  }

  private func outage(_ operations: [Probe.Operation], targets: Int) -> Outage {
    Outage(
      operations, targets: targets, victim: 1, from: Instant(nanoseconds: 0),
      faultAt: Instant(nanoseconds: 100), until: Instant(nanoseconds: 1000))
  }

  @Test func theLongestIntervalIsTakenOverAllAndForEachPartition() {
    let seen = outage(
      operations([(0, 90, 1), (1, 95, 1), (0, 300, 2), (1, 600, 2), (0, 700, 2), (1, 990, 2)]),
      targets: 2)
    #expect(seen.overall == 300)
    #expect(seen.worstPartition == 505)
    #expect(seen.before == 90)
    #expect(seen.servedByVictim == 2)
    #expect(seen.servedByOthers == 4)
  }

  @Test func aPartitionThatNeverComesBackCountsToTheEnd() {
    let seen = outage(operations([(0, 90, 1), (1, 95, 1), (0, 300, 2)]), targets: 2)
    #expect(seen.overall == 700)
    #expect(seen.worstPartition == 905)
  }

  @Test func failedProbesAreNoService() {
    var failed = operations([(0, 90, 1), (0, 500, 2), (0, 950, 2)])
    failed[1].result = .refused("no leader")
    #expect(outage(failed, targets: 1).overall == 860)
  }

  @Test func aSpreadIsOfRanksNearest() {
    let spread = Spread((1...10).map { UInt64($0) * 1_000_000 })
    #expect(spread.description == "min 1.0  median 5.0  p90 9.0  max 10.0 ms")
    #expect(Spread([7]) == Spread([7, 7, 7]))
  }

  @Test func probeKeysLieInTheirPartitions() {
    let plan = Probe.Plan(round: 3, partitions: [0, 17, 31], of: 32)
    #expect(plan.tags.allSatisfy { !$0.isEmpty })
    #expect(Set(plan.tags).count == 3)
  }
}

@Suite struct CrashArgumentTests {
  @Test func defaults() throws {
    let arguments = try CrashArguments([])
    #expect(arguments.scenarios == CrashScenario.allCases)
    #expect(arguments.rounds(of: .leaderKill) == 50)
    #expect(arguments.rounds(of: .killAll) == 10)
    #expect(try CrashArguments(["--scenario", "term"]).rounds(of: .term) == 10)
    #expect(try CrashArguments(["--scenario", "term", "--rounds", "30"]).rounds(of: .term) == 30)
  }

  @Test(arguments: [
    ["--rounds"], ["--rounds", "0"], ["--rounds", "x"], ["--scenario", "fire"],
    ["--scenario", ""], ["-o", "xml"], ["--no-such"], ["leader-kill"],
  ])
  func invalidArgumentsAreRefusedWithASentence(arguments: [String]) {
    #expect(throws: CrashArguments.Problem.self) { try CrashArguments(arguments) }
  }

  @Test func verdictsAndTheirExitCodes() {
    var good = CrashReport(.term)
    good.times("time", "time", [1_500_000, 2_500_000])
    var bad = CrashReport(.wipe)
    bad.violated("a \"quoted\" fault")
    var empty = CrashReport(.killAll)
    empty.proves(nothing: "too few")
    #expect(CrashVerdict.of([good]).exitCode == .passed)
    #expect(CrashVerdict.of([good, empty]).exitCode == .invalid)
    #expect(CrashVerdict.of([good, empty, bad]).exitCode == .violated)
    #expect(bad.json.contains("\"violations\":[\"a \\\"quoted\\\" fault\"]"))
    #expect(good.json.contains("\"time_ms\":[1.5,2.5]"))
  }

  @Test func textKeepsWithinEightyColumns() {
    var report = CrashReport(.term)
    for length in [5, 40, 200] {
      report.say((0..<length).map { "word\($0)" }.joined(separator: " "))
    }
    for line in report.text.split(separator: "\n") { #expect(line.count <= 80) }
  }
}
