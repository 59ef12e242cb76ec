import KVBase
import Testing

@testable import JepsenHistory

private let checker = LinearizabilityChecker()

private func status(
  _ history: [HistoryOperation], _ model: LinearizabilityChecker.Model
) -> Verdict.Status {
  checker.check(history, model: model).status
}

/// Compares a model with all orders over many small histories.
private func compare(
  _ model: LinearizabilityChecker.Model, _ checker: LinearizabilityChecker, runs: Int,
  from initial: HistoryValue? = nil, _ orders: SequentialOrders,
  _ make: (inout SmallModelHistory) -> [HistoryOperation]
) {
  var maker = SmallModelHistory(random: SeededRandom(seed: 23))
  var good = 0
  for _ in 0..<runs {
    let history = make(&maker)
    let expected = orders.explain(history, from: initial)
    let verdict = checker.check(history, model: model)
    if expected { good += 1 }
    if verdict.status != (expected ? .passed : .violated) {
      Issue.record("\(verdict) where all orders say \(expected): \(history.map(\.jsonLine))")
      return
    }
    if verdict.status == .violated && verdict.witness?.operations.isEmpty ?? true {
      Issue.record("no witness: \(history.map(\.jsonLine))")
      return
    }
  }
  #expect(good > runs / 10 && good < runs * 19 / 20, "\(good) of \(runs)")
}

@Suite struct ListModelTests {
  static let orders = SequentialOrders { @Sendable operation, state in
    var elements: [HistoryValue] = []
    if case .list(let known)? = state { elements = known }
    if operation.kind == .append { return .some(.list(elements + [operation.value ?? 0])) }
    if operation.outcome == .unknown { return .some(state) }
    let seen = operation.value ?? .list([])
    return seen == .list(elements) ? .some(state) : nil
  }

  @Test(arguments: [true, false])
  func agreesWithAllOrders(isUnique: Bool) {
    compare(.list, checker, runs: 8_000, Self.orders) { maker in
      maker.make(
        7, values: 3, update: .append,
        value: { isUnique ? .integer(Int64($1)) : .integer(Int64($0.below(2))) },
        next: { Self.orders.next($0, $1) ?? nil })
    }
  }

  @Test func neitherBeginsTheOther() {
    let history = [
      operation(.append, 1, 0, 9), operation(.append, 2, 0, 9),
      operation(.read, list(1, 2), 10, 11), operation(.read, list(2), 10, 11),
    ]
    let verdict = checker.check(history, model: .list)
    #expect(verdict.status == .violated)
    #expect(verdict.witness?.operations.count == 2)
    #expect(verdict.text.contains("neither begins the other"))
  }

  @Test func lostAppendIsCaught() {
    #expect(status([operation(.append, 1, 0, 1), operation(.read, nil, 2, 3)], .list) == .violated)
    #expect(status([operation(.append, 1, 0, 2), operation(.read, nil, 2, 3)], .list) == .passed)
  }

  @Test func refusedOrInventedElementsAreCaught() {
    let refused = operation(.append, 1, 0, 1, outcome: .refused("no"))
    #expect(status([refused, operation(.read, list(1), 2, 3)], .list) == .violated)
    #expect(status([operation(.read, list(1), 2, 3)], .list) == .violated)
    #expect(
      status([operation(.append, 1, 0, 1), operation(.read, list(1, 1), 2, 3)], .list) == .violated)
  }

  @Test func appendsOutOfOrderAreCaught() {
    let verdict = checker.check(
      [
        operation(.append, 1, 0, 1), operation(.append, 2, 2, 3),
        operation(.read, list(2, 1), 4, 5),
      ], model: .list)
    #expect(verdict.status == .violated && verdict.witness?.operations.count == 3)
  }
}

@Suite struct SetModelTests {
  static let orders = SequentialOrders { @Sendable operation, state in
    var elements: [HistoryValue] = []
    if case .list(let known)? = state { elements = known }
    if operation.kind == .add {
      let element = operation.value ?? 0
      return .some(.list(elements.contains(element) ? elements : elements + [element]))
    }
    if operation.outcome == .unknown { return .some(state) }
    var seen: [HistoryValue] = []
    if case .list(let found)? = operation.value { seen = found }
    return Set(seen) == Set(elements) && seen.count == elements.count ? .some(state) : nil
  }

  @Test(arguments: [true, false])
  func agreesWithAllOrders(isUnique: Bool) {
    compare(.set, checker, runs: 8_000, Self.orders) { maker in
      maker.make(
        7, values: 3, update: .add,
        value: { isUnique ? .integer(Int64($1)) : .integer(Int64($0.below(3))) },
        next: { Self.orders.next($0, $1) ?? nil })
    }
  }

  @Test func lostAddIsCaught() {
    #expect(
      status(
        [
          operation(.add, 1, 0, 1), operation(.add, 2, 0, 1), operation(.read, list(2), 2, 3),
        ], .set) == .violated)
  }

  @Test func incomparableReadsAreCaught() {
    let verdict = checker.check(
      [
        operation(.add, 1, 0, 9), operation(.add, 2, 0, 9), operation(.read, list(1), 1, 8),
        operation(.read, list(2), 1, 8),
      ], model: .set)
    #expect(verdict.status == .violated && verdict.witness?.operations.count == 2)
  }

  @Test func elementsFromNowhereAreCaught() {
    #expect(status([operation(.read, list(1), 2, 3)], .set) == .violated)
    #expect(
      status([operation(.add, 1, 5, 6), operation(.read, list(1), 2, 3)], .set) == .violated)
    #expect(
      status(
        [operation(.add, 1, 0, 1, outcome: .refused("no")), operation(.read, list(1), 2, 3)], .set)
        == .violated)
    #expect(
      status([operation(.add, 1, 0, 1), operation(.read, list(1, 1), 2, 3)], .set) == .violated)
  }

  @Test func shrinkingSetIsCaught() {
    #expect(
      status(
        [
          operation(.add, 1, 0, nil, outcome: .unknown), operation(.read, list(1), 2, 3),
          operation(.read, nil, 4, 5),
        ], .set) == .violated)
  }
}

@Suite struct BankModelTests {
  static func orders(allowsNegative: Bool) -> SequentialOrders {
    SequentialOrders { operation, state in
      guard case .map(let fields)? = state, let a = fields[0].value.integer,
        let b = fields[1].value.integer
      else { return nil }
      guard operation.kind == .transfer else {
        return operation.outcome == .unknown || operation.value == state ? .some(state) : nil
      }
      guard case .map(let transfer)? = operation.value, let amount = transfer[0].value.integer
      else { return nil }
      let moved = transfer[1].value.text == "a" ? amount : -amount
      if !allowsNegative && (a - moved < 0 || b + moved < 0) { return nil }
      return .some(balances(a - moved, b + moved))
    }
  }

  @Test(arguments: [true, false], [true, false])
  func agreesWithAllOrders(allowsNegative: Bool, givesInitial: Bool) {
    let orders = Self.orders(allowsNegative: allowsNegative)
    var checker = LinearizabilityChecker()
    checker.allowsNegativeBalances = allowsNegative
    if givesInitial { checker.initial = balances(2, 2) }
    let start = balances(2, 2)
    guard givesInitial else {
      // Without the balances at first every total of 4 must be tried.
      let any = SequentialOrders { orders.next($0, $1) }
      var maker = SmallModelHistory(random: SeededRandom(seed: 29))
      for _ in 0..<1_500 {
        let history = Self.history(&maker, orders)
        guard history.contains(where: { $0.kind == .read && $0.outcome == .ok }) else { continue }
        let expected = (-12...16).contains { a in
          (allowsNegative || (a >= 0 && a <= 4))
            && any.explain(history, from: balances(Int64(a), 4 - Int64(a)))
        }
        let found = checker.check(history, model: .bank)
        #expect(
          found.status == (expected ? .passed : .violated), "\(found) \(history.map(\.jsonLine))")
      }
      return
    }
    compare(.bank, checker, runs: 5_000, from: start, orders) { Self.history(&$0, orders) }
  }

  private static func history(
    _ maker: inout SmallModelHistory, _ orders: SequentialOrders
  ) -> [HistoryOperation] {
    maker.make(
      6, values: 2, initial: balances(2, 2), update: .transfer,
      value: { random, _ in
        let isFromA = random.chance(1, in: 2)
        return transfer(isFromA ? "a" : "b", isFromA ? "b" : "a", 1 + Int64(random.below(2)))
      },
      next: { orders.next($0, $1) ?? $1 })
  }

  @Test func lostMoneyIsCaught() {
    let verdict = checker.check(
      [operation(.read, balances(5, 5), 0, 1), operation(.read, balances(5, 4), 2, 3)],
      model: .bank)
    #expect(verdict.status == .violated && verdict.method == "totals")
    #expect(verdict.witness?.operations.count == 2)
  }

  @Test func tornTransferIsCaught() {
    #expect(
      status(
        [
          operation(.read, balances(5, 5), 0, 1), operation(.transfer, transfer("a", "b", 1), 2, 3),
          operation(.read, balances(5, 5), 4, 5),
        ], .bank) == .violated)
  }

  @Test func negativeBalanceIsCaught() {
    var checker = LinearizabilityChecker()
    let history = [operation(.read, balances(-1, 5), 0, 1)]
    #expect(checker.check(history, model: .bank).status == .passed)
    checker.allowsNegativeBalances = false
    #expect(checker.check(history, model: .bank).status == .violated)
  }
}
