/// Transfers between the accounts of one record.
///
/// Fields: `transfer` has `from`, `to` and `amount` in `value`; a `read` has all balances in
/// `value` as a `.map`; a `write` with a `.map` sets all balances. Each key is a bank of its own.
/// At first it holds `initial` where that is given. Else nothing is known of the balances but what
/// the first read to end found, less some of the transfers that had begun by then.
///
/// The total of every read is compared first. Then the bank is a register of states on which
/// transfers are functions, and the searches decide. Where balances may not be below 0, a transfer
/// that would make one so can't happen.
final class BankModel: SearchModel {
  static let name = "linearizability of banks"
  /// So many starts are tried where the initial balances aren't known.
  private static let startLimit = 4096

  private enum Action: Hashable {
    case read(Int64)
    case write(Int64)
    case transfer(from: Int, to: Int, amount: Int64)
  }

  private struct Problem: Error { var text: String }

  private var accounts: [ExactText: Int] = [:]
  private var names: [String] = []
  private let allowsNegative: Bool
  /// By state: the balances of all accounts.
  private var states: [[Int64]] = []
  private var numbers: [[Int64]: Int64] = [:]
  private var actions: [Action] = []
  private var actionNumbers: [Action: Int32] = [:]
  private var hasWrites = false
  private struct Edge: Hashable {
    var from: Int64
    var action: Int
  }
  private var edges: [Edge: Int64?] = [:]

  private init(allowsNegative: Bool) { self.allowsNegative = allowsNegative }

  static func check(_ history: [HistoryOperation], _ checker: LinearizabilityChecker) -> Verdict {
    let deadline = Deadline(checker.bounds.seconds)
    return ModelOutcome.verdict(name, history) { _, positions in
      let model = BankModel(allowsNegative: checker.allowsNegativeBalances)
      do {
        return try model.decide(history, positions.map { Int($0) }, checker, deadline)
      } catch let problem as Problem {
        return .invalid(problem.text)
      } catch {
        return .invalid("\(error)")
      }
    }
  }

  private func decide(
    _ history: [HistoryOperation], _ positions: [Int], _ checker: LinearizabilityChecker,
    _ deadline: Deadline
  ) throws -> ModelOutcome {
    let positions = positions.filter {
      history[$0].mayHaveHappened
        && !(history[$0].kind == .read && history[$0].outcome == .unknown)
    }
    for position in positions { try nameAccounts(history[position]) }
    if let initial = checker.initial { try nameAccounts(in: initial) }
    if let outcome = try totals(history, positions, checker.initial) { return outcome }
    var input: [SearchSpace.Input] = []
    for position in positions {
      input.append(
        SearchSpace.Input(
          action: try number(history[position]), start: history[position].startNanoseconds,
          end: history[position].knownEnd))
    }
    let starts: [Int64]
    if let initial = checker.initial {
      starts = [state(try balances(initial))]
    } else if let found = try self.starts(input) {
      starts = found
    } else {
      return .undecided("the first read overlaps too many transfers: give the initial balances")
    }
    return SearchedOutcome.decide(input, self, initial: starts, checker.bounds, deadline) {
      finding(history, positions, input, starts, stuckAt: $0, checker.bounds)
    }
  }

  private func finding(
    _ history: [HistoryOperation], _ positions: [Int], _ input: [SearchSpace.Input],
    _ starts: [Int64], stuckAt: Int, _ bounds: LinearizabilityChecker.Bounds
  ) -> ModelFinding {
    // An update that may be left out has a number of its own.
    var dropped: [Int32?] = []
    for action in actions.indices {
      if case .read = actions[action] {
        dropped.append(nil)
      } else {
        dropped.append(Int32(actions.count))
        actions.append(actions[action])
      }
    }
    let witness = OwnTimeWitness(
      input: input, model: self, initial: starts, dropped: dropped,
      freeStarts: { (try? self.starts($0, isFree: true)) ?? nil },
      bounds: .init(bounds), modelOf: { _ in self })
    let horizon = input[stuckAt].end ?? .max
    let found =
      witness.reduce(stuckAt: stuckAt)
      ?? .init(
        positions: input.indices.filter { input[$0].start <= horizon }, isIrreducible: false,
        isFromAnyState: false)
    return SearchedOutcome.finding(
      found, of: positions, in: history, stuckAt: stuckAt,
      because: "No order of these that respects their times explains what they found.")
  }

  // MARK: Reading the history

  private func nameAccounts(_ operation: HistoryOperation) throws {
    switch (operation.kind, operation.value) {
    case (.read, nil): break
    case (.read, let value?), (.write, let value?): try nameAccounts(in: value)
    case (.transfer, .map(let fields)?):
      for field in fields where field.name == "from" || field.name == "to" {
        name(field.value.text ?? field.value.json)
      }
    default: throw Problem(text: "an operation of another model: \(operation.jsonLine)")
    }
  }

  private func nameAccounts(in value: HistoryValue) throws {
    guard case .map(let fields) = value else {
      throw Problem(text: "not a map of balances: \(value.json)")
    }
    for field in fields { name(field.name) }
  }

  private func name(_ account: String) {
    if accounts[ExactText(account)] == nil {
      accounts[ExactText(account)] = names.count
      names.append(account)
    }
  }

  private func balances(_ value: HistoryValue?) throws -> [Int64] {
    var balances = [Int64](repeating: 0, count: names.count)
    guard case .map(let fields)? = value else { return balances }
    for field in fields {
      guard let account = accounts[ExactText(field.name)], let balance = field.value.integer else {
        throw Problem(text: "not a balance: \(field.value.json)")
      }
      balances[account] = balance
    }
    return balances
  }

  private func number(_ operation: HistoryOperation) throws -> Int32 {
    let action: Action
    switch operation.kind {
    case .read: action = .read(state(try balances(operation.value)))
    case .write:
      action = .write(state(try balances(operation.value)))
      hasWrites = true
    default:
      guard case .map(let fields)? = operation.value,
        let from = fields.first(where: { $0.name == "from" })?.value,
        let to = fields.first(where: { $0.name == "to" })?.value,
        let amount = fields.first(where: { $0.name == "amount" })?.value.integer,
        let source = accounts[ExactText(from.text ?? from.json)],
        let target = accounts[ExactText(to.text ?? to.json)]
      else { throw Problem(text: "not a transfer: \(operation.jsonLine)") }
      action = .transfer(from: source, to: target, amount: amount)
    }
    if let known = actionNumbers[action] { return known }
    actionNumbers[action] = Int32(actions.count)
    actions.append(action)
    return Int32(actions.count - 1)
  }

  private func state(_ balances: [Int64]) -> Int64 {
    if let known = numbers[balances] { return known }
    numbers[balances] = Int64(states.count)
    states.append(balances)
    return Int64(states.count - 1)
  }

  // MARK: Totals

  /// Money is neither made nor lost: without writes every read finds the same total.
  private func totals(
    _ history: [HistoryOperation], _ positions: [Int], _ initial: HistoryValue?
  ) throws -> ModelOutcome? {
    var expected = try initial.map { try balances($0).reduce(0, &+) }
    var first: Int?
    let hasWrites = positions.contains { history[$0].kind == .write }
    for position in positions where history[position].kind == .read {
      let found = try balances(history[position].value)
      if !allowsNegative, let account = found.firstIndex(where: { $0 < 0 }) {
        return .violated(
          "the balance of \(names[account]) was read as \(found[account])", [position],
          method: "totals")
      }
      let total = found.reduce(0, &+)
      if let expected, expected != total, !hasWrites {
        return .violated(
          "a read found \(total) in all accounts together, where there are \(expected)",
          [position] + (first.map { [$0] } ?? []), method: "totals")
      }
      if expected == nil {
        expected = total
        first = position
      }
    }
    return nil
  }

  /// What the bank may have held at first, from the read that ended first: less any transfers that
  /// had begun when it ended, and surely less those that had ended when it began. `nil`: too many.
  /// `isFree`: the input is only a part, and what came before it is not known.
  private func starts(_ input: [SearchSpace.Input], isFree: Bool = false) throws -> [Int64]? {
    var first: SearchSpace.Input?
    for operation in input {
      guard case .read = actions[Int(operation.action)], let end = operation.end else { continue }
      if end < first?.end ?? UInt64.max { first = operation }
    }
    if isFree && hasWrites { return nil }
    guard let first, case .read(let seen) = actions[Int(first.action)], !hasWrites else {
      return [state([Int64](repeating: 0, count: names.count))]
    }
    var found: Set<[Int64]> = [states[Int(seen)]]
    for operation in input where operation.start <= first.end ?? 0 {
      guard case .transfer(let from, let to, let amount) = actions[Int(operation.action)] else {
        continue
      }
      let isSure = !operation.isOptional && operation.end.map { $0 < first.start } ?? false
      let before = found.map { balances in
        var balances = balances
        balances[from] &+= amount
        balances[to] &-= amount
        return balances
      }
      found = isSure ? Set(before) : found.union(before)
      if found.count > Self.startLimit { return nil }
    }
    let possible = found.filter { balances in allowsNegative || balances.allSatisfy { $0 >= 0 } }
    return possible.sorted { $0.lexicographicallyPrecedes($1) }.map { state($0) }
  }

  // MARK: The sequential bank

  func next(_ action: Int, after state: Int64) -> Int64? {
    switch actions[action] {
    case .read(let seen): return seen == state ? state : nil
    case .write(let new): return new
    case .transfer(let from, let to, let amount):
      let edge = Edge(from: state, action: action)
      if let known = edges[edge] { return known }
      var balances = states[Int(state)]
      balances[from] &-= amount
      balances[to] &+= amount
      let isPossible = allowsNegative || (balances[from] >= 0 && balances[to] >= 0)
      let after = isPossible ? self.state(balances) : nil
      edges[edge] = .some(after)
      return after
    }
  }

  func isObservation(_ action: Int) -> Bool {
    if case .read = actions[action] { true } else { false }
  }

  func produced(by action: Int) -> Int64? {
    if case .write(let state) = actions[action] { state } else { nil }
  }

  func needed(by action: Int) -> Int64? {
    if case .read(let state) = actions[action] { state } else { nil }
  }

  /// A transfer makes use of whatever state an unknown write led to.
  func observesAny(_ action: Int) -> Bool {
    if case .transfer = actions[action] { true } else { false }
  }

  /// Only sums count. Where no balance may be below 0: a transfer that is possible at once leaves
  /// the same balances, before or after another.
  func commutes(_ action: Int) -> Bool {
    guard !hasWrites, case .transfer(_, _, let amount) = actions[action] else { return false }
    return allowsNegative || amount >= 0
  }
}
