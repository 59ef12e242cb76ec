import KVBase
import Testing

@testable import JepsenHistory

/// All orders, all subsets of the unknown operations: right by being dumb.
private func bruteForce(
  _ operations: [HistoryOperation], model: LinearizabilityChecker.Model
) -> Bool {
  func go(_ left: [HistoryOperation], _ state: HistoryValue?) -> Bool {
    if left.allSatisfy({ $0.outcome == .unknown }) { return true }
    let horizon = left.filter { $0.outcome != .unknown }.compactMap(\.endNanoseconds).min()
    for (i, operation) in left.enumerated() {
      // Something else must have ended before this one began, and is not placed yet.
      if let horizon, horizon < operation.startNanoseconds { continue }
      var after = state
      switch (operation.kind, model) {
      case (.read, .counter):
        if operation.outcome != .unknown && (operation.value?.integer ?? 0) != (state?.integer ?? 0)
        {
          continue
        }
      case (.read, .register):
        if operation.outcome != .unknown && operation.value != state { continue }
      case (.write, _): after = operation.value
      case (.delete, _): after = nil
      case (.cas, _):
        if operation.outcome == .mismatch {
          if state == operation.expected { continue }
        } else {
          if state != operation.expected { continue }
          after = operation.value
        }
      case (.append, _), (.transfer, _), (.scan, _), (.generate, _), (.acquire, _),
        (.release, _):
        return false
      case (.add, _):
        let sum = HistoryValue.integer((state?.integer ?? 0) + (operation.value?.integer ?? 0))
        if operation.outcome != .unknown, let result = operation.result?.integer,
          result != sum.integer
        {
          continue
        }
        after = sum
      default: return false
      }
      var remaining = left
      remaining.remove(at: i)
      if go(remaining, after) { return true }
    }
    return false
  }
  return go(
    operations.filter { if case .refused = $0.outcome { false } else { true } }, nil)
}

private func randomHistory(
  _ random: inout SeededRandom, model: LinearizabilityChecker.Model
) -> [HistoryOperation] {
  let count = 2 + Int(random.below(4))
  var operations: [HistoryOperation] = []
  for i in 0..<count {
    let start = random.below(10)
    let isUnknown = random.chance(1, in: 4)
    let end: UInt64? = isUnknown && random.chance(1, in: 2) ? nil : start + random.below(6)
    func value() -> HistoryValue? { random.chance(1, in: 4) ? nil : .text("\(random.below(3))") }
    var operation = HistoryOperation(
      process: i, kind: .read, key: "k", startNanoseconds: start, endNanoseconds: end,
      outcome: isUnknown ? .unknown : .ok)
    switch (model, random.below(10)) {
    case (.register, 0..<3): operation.value = value()
    case (.register, 3..<6):
      operation.kind = .write
      operation.value = .text("\(random.below(3))")
    case (.register, 6..<7): operation.kind = .delete
    case (.register, _):
      operation.kind = .cas
      operation.expected = value()
      operation.value = .text("\(random.below(3))")
      if !isUnknown && random.chance(1, in: 3) { operation.outcome = .mismatch }
    case (.counter, 0..<5): operation.value = .text("\(random.below(4))")
    case (.counter, _):
      operation.kind = .add
      operation.value = .text("\(1 + random.below(2))")
      if !isUnknown && random.chance(2, in: 3) {
        operation.result = .text("\(1 + random.below(4))")
      }
    default: break
    }
    if random.chance(1, in: 20) { operation.outcome = .refused("no quorum") }
    operations.append(operation)
  }
  return operations
}

@Suite struct LinearizabilityCheckerTests {
  private func op(
    _ kind: HistoryOperation.Kind, _ value: HistoryValue?, _ start: UInt64, _ end: UInt64?,
    expected: HistoryValue? = nil, outcome: HistoryOperation.Outcome = .ok
  ) -> HistoryOperation {
    HistoryOperation(
      process: 0, kind: kind, key: "k", value: value, expected: expected, startNanoseconds: start,
      endNanoseconds: end, outcome: outcome)
  }

  private func isLinearizable(_ operations: [HistoryOperation]) -> Bool {
    LinearizabilityChecker().checkKey(operations, model: .register) == .linearizable
  }

  @Test(arguments: [LinearizabilityChecker.Model.register, .counter])
  func agreesWithBruteForce(model: LinearizabilityChecker.Model) {
    var random = SeededRandom(seed: model == .register ? 17 : 18)
    let checker = LinearizabilityChecker()
    var good = 0
    let runs = 60_000
    for _ in 0..<runs {
      let operations = randomHistory(&random, model: model)
      let expected = bruteForce(operations, model: model)
      let found = checker.checkKey(operations, model: model)
      if expected { good += 1 }
      if expected != (found == .linearizable) {
        Issue.record(
          "\(found) where brute force says \(expected): \(operations.map(\.jsonLine))")
        return
      }
    }
    // Both verdicts must be common, else the comparison says little.
    #expect(good > runs / 10 && good < runs * 9 / 10)
  }

  @Test func staleReadIsCaught() {
    #expect(!isLinearizable([op(.write, "1", 0, 1), op(.write, "2", 2, 3), op(.read, "1", 4, 5)]))
    #expect(isLinearizable([op(.write, "1", 0, 1), op(.write, "2", 2, 5), op(.read, "1", 4, 6)]))
  }

  @Test func lostWriteIsCaught() {
    #expect(!isLinearizable([op(.write, "1", 0, 1), op(.read, nil, 2, 3)]))
  }

  @Test func unknownWriteMayTakeEffectLateOrNever() {
    let unknown = op(.write, "1", 0, nil, outcome: .unknown)
    #expect(isLinearizable([unknown, op(.read, nil, 100, 101)]))
    #expect(isLinearizable([unknown, op(.read, nil, 100, 101), op(.read, "1", 102, 103)]))
    // But not twice.
    #expect(
      !isLinearizable([
        unknown, op(.read, "1", 100, 101), op(.delete, nil, 102, 103), op(.read, "1", 104, 105),
      ]))
  }

  @Test func bothReadsOfASwapAreCaught() {
    #expect(
      !isLinearizable([
        op(.write, "1", 0, 1), op(.cas, "2", 2, 3, expected: "1"),
        op(.cas, "3", 4, 5, expected: "1"),
      ]))
    #expect(
      isLinearizable([
        op(.write, "1", 0, 1), op(.cas, "2", 2, 3, expected: "1"),
        op(.cas, "3", 4, 5, expected: "1", outcome: .mismatch),
      ]))
  }

  @Test func equalTimesAreConcurrent() {
    #expect(isLinearizable([op(.write, "1", 0, 5), op(.read, nil, 5, 6)]))
    #expect(!isLinearizable([op(.write, "1", 0, 5), op(.read, nil, 6, 7)]))
  }

  @Test func counterAppliedTwiceIsCaught() {
    let checker = LinearizabilityChecker()
    var history = [op(.add, "2", 0, 1), op(.read, "4", 2, 3)]
    #expect(checker.checkKey(history, model: .counter) != .linearizable)
    history[1].value = "2"
    #expect(checker.checkKey(history, model: .counter) == .linearizable)
  }

  @Test func givesUpHonestly() {
    // Values repeat, so that zones can't tell.
    var operations: [HistoryOperation] = []
    for i in 0..<40 { operations.append(op(.write, .text("\(i % 20)"), 0, 1000)) }
    for i in 0..<40 { operations.append(op(.read, .text("\(i % 20)"), 1000 + UInt64(i), 2000)) }
    operations.append(op(.read, "nobody wrote this", 3000, 3001))
    let verdict = LinearizabilityChecker(maximumSteps: 1000).checkKey(operations, model: .register)
    guard case .unknown(let steps) = verdict else {
      Issue.record("\(verdict)")
      return
    }
    #expect(steps >= 1000)
  }

  @Test func longHistoryIsQuick() {
    var random = SeededRandom(seed: 5)
    var operations: [HistoryOperation] = []
    var value: HistoryValue?
    var time: UInt64 = 0
    for i in 0..<4000 {
      let start = time
      time += 1 + random.below(3)
      if random.chance(1, in: 2) {
        value = .text("\(i)")
        operations.append(op(.write, value, start, time + random.below(2)))
      } else {
        operations.append(op(.read, value, start, time))
      }
      time += 2
      if random.chance(1, in: 20) {
        operations.append(op(.write, .text("u\(i)"), time, nil, outcome: .unknown))
      }
    }
    #expect(isLinearizable(operations))
    operations.append(op(.read, "0", time + 1, time + 2))
    #expect(!isLinearizable(operations))
  }

  @Test func keysAreCheckedApart() {
    var history = [op(.write, "1", 0, 1), op(.read, "1", 2, 3)]
    var other = op(.read, "1", 2, 3)
    other.key = "l"
    history.append(other)
    let found = LinearizabilityChecker().check(history) { _ in .register }
    #expect(found.map(\.key) == ["l"])
  }

  @Test func jsonLine() {
    #expect(
      op(.cas, "b\"", 1, nil, outcome: .unknown).jsonLine
        == #"{"process":0,"op":"cas","key":"k","value":"b\"","expected":null,"#
        + #""start_ns":1,"end_ns":null,"ok":"unknown"}"#
    )
  }
}
