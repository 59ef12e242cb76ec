import Testing

@testable import JepsenHistory

private func status(
  _ history: [HistoryOperation], _ model: LinearizabilityChecker.Model
) -> Verdict.Status {
  LinearizabilityChecker().check(history, model: model).status
}

@Suite struct ScanModelTests {
  private let write = operation(.write, "x", 0, 1, key: "p/1")

  private func scan(_ keys: [HistoryValue], _ start: UInt64, _ end: UInt64) -> HistoryOperation {
    operation(.scan, .list(keys), start, end, key: "p/")
  }

  @Test func whatWasWrittenIsFound() {
    #expect(status([write, scan(["p/1"], 2, 3)], .scan) == .passed)
    let verdict = LinearizabilityChecker().check([write, scan([], 2, 3)], model: .scan)
    #expect(verdict.status == .violated && verdict.witness?.operations.count == 2)
    // Concurrent with the write.
    #expect(status([write, scan([], 1, 3)], .scan) == .passed)
  }

  @Test func whatWasDeletedIsNotFound() {
    let delete = operation(.delete, nil, 4, 5, key: "p/1")
    #expect(status([write, delete, scan(["p/1"], 6, 7)], .scan) == .violated)
    #expect(status([write, delete, scan([], 6, 7)], .scan) == .passed)
    #expect(status([write, delete, scan([], 2, 4)], .scan) == .passed)
    #expect(status([write, delete, scan([], 2, 3)], .scan) == .violated)
    // A write of unknown outcome may bring it back.
    let late = operation(.write, "y", 2, nil, key: "p/1", outcome: .unknown)
    #expect(status([write, late, delete, scan(["p/1"], 6, 7)], .scan) == .passed)
    // A delete of unknown outcome may take it away.
    let maybe = operation(.delete, nil, 4, nil, key: "p/1", outcome: .unknown)
    #expect(status([write, maybe, scan([], 6, 7)], .scan) == .passed)
  }

  @Test func whatWasNeverWrittenIsNotFound() {
    #expect(status([write, scan(["p/1", "p/2"], 2, 3)], .scan) == .violated)
    #expect(status([write, scan(["p/0", "p/1"], 2, 3)], .scan) == .violated)
    let later = operation(.write, "x", 8, 9, key: "p/2")
    #expect(status([write, later, scan(["p/1", "p/2"], 2, 3)], .scan) == .violated)
    let refused = operation(.write, "x", 0, 1, key: "p/2", outcome: .refused("no"))
    #expect(status([write, refused, scan(["p/1", "p/2"], 2, 3)], .scan) == .violated)
  }

  @Test func orderDoublesAndPrefix() {
    let other = operation(.write, "x", 0, 1, key: "p/2")
    let outside = operation(.write, "x", 0, 1, key: "q/2")
    #expect(status([write, other, scan(["p/2", "p/1"], 2, 3)], .scan) == .violated)
    #expect(status([write, other, scan(["p/1", "p/1", "p/2"], 2, 3)], .scan) == .violated)
    #expect(status([write, other, outside, scan(["p/1", "p/2"], 2, 3)], .scan) == .passed)
    #expect(status([write, outside, scan(["p/1", "q/2"], 2, 3)], .scan) == .violated)
  }
}

@Suite struct LockModelTests {
  private func acquire(
    _ process: Int, _ token: Int64, _ start: UInt64, _ end: UInt64
  ) -> HistoryOperation {
    operation(.acquire, nil, start, end, process: process, result: .integer(token))
  }

  private func release(_ process: Int, _ start: UInt64, _ end: UInt64) -> HistoryOperation {
    operation(.release, nil, start, end, process: process)
  }

  @Test func takingTurnsPasses() {
    #expect(
      status(
        [acquire(0, 1, 0, 1), release(0, 2, 5), acquire(1, 2, 3, 6), release(1, 7, 8)], .locks)
        == .passed)
  }

  @Test func twoHoldersAreCaught() {
    let both = [acquire(0, 1, 0, 1), acquire(1, 2, 2, 3), release(0, 4, 5)]
    let verdict = LinearizabilityChecker().check(both, model: .locks)
    #expect(verdict.status == .violated && verdict.witness?.operations.count == 2)
    var checker = LinearizabilityChecker()
    checker.lockLeaseNanoseconds = 3
    #expect(checker.check(both, model: .locks).status == .passed)
    checker.lockLeaseNanoseconds = 4
    #expect(checker.check(both, model: .locks).status == .violated)
    // A release that may have happened before is none that can be counted on.
    let maybe = operation(.release, nil, 1, nil, outcome: .unknown)
    #expect(status([acquire(0, 1, 0, 1), maybe, acquire(1, 2, 2, 3)], .locks) == .passed)
  }

  @Test func tokensRise() {
    #expect(
      status([acquire(0, 2, 0, 1), release(0, 2, 3), acquire(1, 1, 4, 5)], .locks) == .violated)
    #expect(
      status([acquire(0, 2, 0, 1), release(0, 2, 3), acquire(1, 2, 4, 5)], .locks) == .violated)
  }

  @Test func oldTokenIsRefused() {
    func write(_ token: Int64, _ start: UInt64, _ end: UInt64) -> HistoryOperation {
      operation(.write, "x", start, end, result: .integer(token))
    }
    #expect(status([write(2, 0, 1), write(1, 2, 3)], .locks) == .violated)
    #expect(status([write(2, 0, 2), write(1, 2, 3)], .locks) == .passed)
    var refused = write(1, 2, 3)
    refused.outcome = .refused("stale token")
    #expect(status([write(2, 0, 1), refused], .locks) == .passed)
  }
}

@Suite struct UniqueIDModelTests {
  @Test func twiceIsCaught() {
    let ids = [operation(.generate, "1", 0, 1), operation(.generate, "2", 0, 1)]
    #expect(status(ids, .ids) == .passed)
    let verdict = LinearizabilityChecker().check(
      ids + [operation(.generate, "1", 8, 9)], model: .ids)
    #expect(verdict.status == .violated && verdict.witness?.operations.count == 2)
  }
}

@Suite struct CheckerFrontTests {
  @Test func initialValue() {
    var checker = LinearizabilityChecker()
    let read = [operation(.read, "7", 0, 1)]
    #expect(checker.check(read, model: .register).status == .violated)
    #expect(checker.check(read, model: .counter).status == .violated)
    checker.initial = "7"
    #expect(checker.check(read, model: .register).status == .passed)
    #expect(checker.check(read, model: .counter).status == .passed)
  }

  @Test func failedCas() {
    var checker = LinearizabilityChecker()
    let history = [
      operation(.write, "1", 0, 1),
      operation(.cas, "2", 2, 3, expected: "1", outcome: .mismatch),
    ]
    #expect(checker.check(history, model: .register).status == .violated)
    checker.failedCas = .ignored
    #expect(checker.check(history, model: .register).status == .passed)
  }

  @Test func counterBounds() {
    let history = [
      operation(.add, 5, 0, 1), operation(.add, -2, 0, nil, outcome: .unknown),
      operation(.read, 2, 2, 3),
    ]
    let verdict = LinearizabilityChecker().check(history, model: .counter)
    #expect(verdict.status == .violated && verdict.method == "bounds of the sum")
    // No sum of any of the adds is 2.
    #expect(verdict.witness?.operations.map(\.kind) == [.read])
    #expect(
      verdict.witness?.explanation.contains(
        "Before it at least 3 and at most 5 can have been added to 0, but it found 2.") == true,
      "\(verdict)")
  }

  @Test func foreignOperationIsNoVerdict() {
    #expect(status([operation(.append, 1, 0, 1)], .register) == .invalid)
    #expect(status([operation(.write, 1, 0, 1)], .list) == .invalid)
    #expect(status([operation(.read, .list([1]), 0, 1)], .counter) == .invalid)
    // One key that can't be judged hides no violation of another.
    let history = [
      operation(.append, 1, 0, 1, key: "a"), operation(.read, 7, 0, 1, key: "b"),
    ]
    #expect(status(history, .register) == .violated)
  }

  /// Sums are no numbers of values: they may be below zero, and far from it.
  @Test func countersThatNobodyAddedToAreJudged() {
    for sum in [-2, 1_000_000_000_000] as [Int64] {
      let history = [operation(.read, .integer(sum), 0, 1)]
      let checker = LinearizabilityChecker(bounds: .init(), initial: .integer(sum))
      #expect(checker.check(history, model: .counter).status == .passed)
      #expect(status(history, .counter) == .violated)
    }
  }

  @Test func keysOfOtherBytesAreOtherKeys() {
    let history = [
      operation(.write, 1, 0, 1, key: "\u{E9}"), operation(.write, 2, 2, 3, key: "e\u{301}"),
      operation(.read, 1, 4, 5, key: "\u{E9}"),
    ]
    #expect(status(history, .register) == .passed)
  }

  /// Values repeat, so that zones can't decide, and one key is impossible after much else.
  @Test func searchNamesTheViolatedKey() {
    var history: [HistoryOperation] = []
    for key in ["a", "b", "c"] {
      for round in 0..<300 {
        let time = UInt64(round) * 10
        let value = HistoryValue.text("\(round % 3)")
        history.append(operation(.write, value, time, time + 1, key: key))
        history.append(operation(.read, value, time + 2, time + 3, key: key))
      }
    }
    #expect(status(history, .register) == .passed)
    // In the middle of b: what is written only later.
    history[901].value = history[903].value
    let verdict = LinearizabilityChecker().check(history, model: .register)
    #expect(verdict.status == .violated)
    #expect(verdict.witness?.key == "b")
    #expect((verdict.witness?.operations.count ?? 99) <= 20, "\(verdict)")
  }

  @Test func givesUpOnStepsAndSaysSo() {
    let checker = LinearizabilityChecker(maximumSteps: 10)
    for seed in UInt64(0)..<20 {
      let verdict = checker.check(HistoryBench.hard(seed: seed), model: .register)
      if verdict.status == .unknown {
        #expect(verdict.text.contains("steps were not enough"))
        return
      }
    }
    Issue.record("nothing was given up after 10 steps")
  }

  @Test func hardHistoriesAreDecidedAlike() {
    // The same history always takes the same way, as nothing reads a clock.
    for seed in 0..<40 {
      let history = HistoryBench.hard(seed: UInt64(seed), operations: 60)
      let first = LinearizabilityChecker().check(history, model: .register)
      #expect(first.status != .unknown)
      #expect(LinearizabilityChecker().check(history, model: .register) == first)
    }
  }

  @Test func benchFindsThePlantedViolation() {
    var load = HistoryBench.Load()
    load.operations = 4_000
    let checker = LinearizabilityChecker()
    #expect(checker.check(HistoryBench.register(load), model: .register).status == .passed)
    let verdict = checker.check(HistoryBench.violated(load), model: .register)
    #expect(verdict.status == .violated)
    #expect((verdict.witness?.operations.count ?? 99) <= 20)
  }
}
