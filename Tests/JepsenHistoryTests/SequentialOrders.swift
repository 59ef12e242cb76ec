import JepsenHistory
import KVBase

/// All orders that respect time, all subsets of the unknown operations: right by being dumb.
struct SequentialOrders: Sendable {
  /// The state after the operation; the outer `nil` where it can't happen.
  var next: @Sendable (HistoryOperation, HistoryValue?) -> HistoryValue??

  func explain(_ operations: [HistoryOperation], from state: HistoryValue? = nil) -> Bool {
    let left = operations.filter { $0.outcome == .ok || $0.outcome == .unknown }
    return go(left, state)
  }

  private func go(_ left: [HistoryOperation], _ state: HistoryValue?) -> Bool {
    if left.allSatisfy({ $0.outcome == .unknown }) { return true }
    let horizon = left.filter { $0.outcome == .ok }.compactMap(\.endNanoseconds).min()
    for (position, operation) in left.enumerated() {
      if let horizon, horizon < operation.startNanoseconds { continue }
      guard let after = next(operation, state) else { continue }
      var remaining = left
      remaining.remove(at: position)
      if go(remaining, after) { return true }
    }
    return false
  }
}

func operation(
  _ kind: HistoryOperation.Kind, _ value: HistoryValue?, _ start: UInt64, _ end: UInt64?,
  key: String = "k", process: Int = 0, expected: HistoryValue? = nil, result: HistoryValue? = nil,
  outcome: HistoryOperation.Outcome = .ok
) -> HistoryOperation {
  HistoryOperation(
    process: process, kind: kind, key: key, value: value, expected: expected, result: result,
    startNanoseconds: start, endNanoseconds: end, outcome: outcome)
}

func list(_ elements: HistoryValue...) -> HistoryValue { .list(elements) }

func transfer(_ from: String, _ to: String, _ amount: Int64) -> HistoryValue {
  .map([
    .init("amount", .integer(amount)), .init("from", .text(from)), .init("to", .text(to)),
  ])
}

func balances(_ a: Int64, _ b: Int64) -> HistoryValue {
  .map([.init("a", .integer(a)), .init("b", .integer(b))])
}

/// Small random histories, of which about as many are right as wrong: operations take effect in
/// order on a real object, and some answers are then changed.
struct SmallModelHistory {
  var random: SeededRandom

  mutating func make(
    _ count: Int, values: Int, initial: HistoryValue? = nil, update: HistoryOperation.Kind,
    value: (inout SeededRandom, Int) -> HistoryValue,
    next: (HistoryOperation, HistoryValue?) -> HistoryValue?
  ) -> [HistoryOperation] {
    var state = initial
    var states: [HistoryValue?] = [initial]
    var history: [HistoryOperation] = []
    for number in 0..<count {
      let moment = UInt64(number) * 4 + 10
      let start = moment - random.below(9)
      let end = moment + random.below(9)
      let isUnknown = random.chance(1, in: 5)
      var new = operation(
        .read, nil, start, isUnknown ? nil : end, outcome: isUnknown ? .unknown : .ok)
      if random.chance(1, in: 2) {
        new.kind = update
        new.value = value(&random, number)
        if !(isUnknown && random.chance(1, in: 2)) { state = next(new, state) }
        states.append(state)
      } else if !isUnknown {
        new.value = state
        if random.chance(1, in: 5) { new.value = states[Int(random.below(UInt64(states.count)))] }
      }
      if random.chance(1, in: 25) { new.outcome = .refused("busy") }
      history.append(new)
    }
    return history
  }
}
