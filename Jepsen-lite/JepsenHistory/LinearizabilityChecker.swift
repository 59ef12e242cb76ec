/// Decides whether the history of one key is linearizable: the search of Wing and Gong with Lowe's
/// memory of configurations already seen ("Testing for linearizability", 2017).
///
/// The search walks the events in order of time. A call may be linearized where the model allows
/// it; reaching the return of an operation that is not linearized yet means that an earlier choice
/// was wrong. Operations with unknown outcomes have no return and may be left out for ever.
package struct LinearizabilityChecker: Sendable {
  package enum Model: Sendable {
    /// read, write, cas, delete; absent at first.
    case register
    /// read, add; 0 at first, and an absent counter reads as 0.
    case counter
  }

  package enum Verdict: Hashable, Sendable {
    case linearizable
    /// Operations that no order explains: as few as the search could tell.
    case violated(String)
    /// The search was given up after so many steps.
    case unknown(steps: Int)
  }

  package var maximumSteps: Int

  package init(maximumSteps: Int = 5_000_000) {
    self.maximumSteps = maximumSteps
  }

  /// Splits a history by key and checks each key for itself, which is enough: linearizability is
  /// local (Herlihy and Wing, 1990). Answers the keys in order with what was found, but for the
  /// linearizable ones.
  package func check(
    _ history: [HistoryOperation], model: (_ key: String) -> Model
  ) -> [(key: String, verdict: Verdict)] {
    let order = history.indices.sorted {
      history[$0].key != history[$1].key ? history[$0].key < history[$1].key : $0 < $1
    }
    var found: [(key: String, verdict: Verdict)] = []
    var start = 0
    while start < order.count {
      let key = history[order[start]].key
      var end = start
      while end < order.count && history[order[end]].key == key { end += 1 }
      let verdict = checkKey(order[start..<end].map { history[$0] }, model: model(key))
      if verdict != .linearizable { found.append((key, verdict)) }
      start = end
    }
    return found
  }

  /// Checks operations that are all on one key.
  package func checkKey(_ operations: [HistoryOperation], model: Model) -> Verdict {
    switch Self.prepare(operations, model: model) {
    case .failure(let problem): return .violated(problem.text)
    case .success(let steps):
      var search = LinearizabilitySearch(steps, maximumSteps: maximumSteps)
      switch search.run() {
      case .found: return .linearizable
      case .exhausted: return .violated(Self.explain(steps, operations, search.deepestReturn))
      case .givenUp: return .unknown(steps: maximumSteps)
      }
    }
  }

  private static func explain(
    _ steps: [LinearizabilityStep], _ operations: [HistoryOperation], _ stuckAt: Int?
  ) -> String {
    guard let stuckAt else { return "no order of the operations explains what was seen" }
    return "no order explains \(operations[steps[stuckAt].source].jsonLine)"
  }
}

/// An operation as the search sees it: values are small numbers, 0 stands for absent.
struct LinearizabilityStep: Sendable {
  enum Action: Hashable, Sendable {
    case read(Int64)
    case write(Int64)
    case compareAndSet(expected: Int64, new: Int64)
    /// A cas that found something else.
    case differs(from: Int64)
    case add(Int64)
    case addGiving(Int64, sum: Int64)
  }

  var action: Action
  var start: UInt64
  /// `nil`: unknown outcome.
  var end: UInt64?
  /// The place in the history.
  var source: Int

  /// The state after this step; `nil` where it can't happen in `state`.
  func next(after state: Int64) -> Int64? {
    switch action {
    case .read(let value): value == state ? state : nil
    case .write(let value): value
    case .compareAndSet(let expected, let new): expected == state ? new : nil
    case .differs(let expected): expected != state ? state : nil
    case .add(let delta): state &+ delta
    case .addGiving(let delta, let sum): state &+ delta == sum ? sum : nil
    }
  }
}

extension LinearizabilityChecker {
  private struct Problem: Error { var text: String }

  /// Leaves out what had no effect and turns values into numbers.
  private static func prepare(
    _ operations: [HistoryOperation], model: Model
  ) -> Result<[LinearizabilityStep], Problem> {
    var numbers: [HistoryValue: Int64] = [:]
    func number(_ value: HistoryValue?) -> Int64? {
      switch model {
      case .register:
        guard let value else { return 0 }
        if let known = numbers[value] { return known }
        let new = Int64(numbers.count + 1)
        numbers[value] = new
        return new
      case .counter: return value == nil ? 0 : value?.integer
      }
    }
    var steps: [LinearizabilityStep] = []
    for (source, operation) in operations.enumerated() {
      if case .refused = operation.outcome { continue }
      let isKnown = operation.outcome != .unknown
      if operation.kind == .read && !isKnown { continue }
      guard let value = number(operation.value), let expected = number(operation.expected) else {
        return .failure(Problem(text: "not a number: \(operation.jsonLine)"))
      }
      let action: LinearizabilityStep.Action
      switch (operation.kind, model) {
      case (.read, _): action = .read(value)
      case (.write, .register): action = .write(value)
      case (.delete, .register): action = .write(0)
      case (.cas, .register):
        action =
          operation.outcome == .mismatch
          ? .differs(from: expected) : .compareAndSet(expected: expected, new: value)
      case (.add, .counter):
        if isKnown, let result = operation.result {
          guard let sum = number(result) else {
            return .failure(Problem(text: "not a number: \(operation.jsonLine)"))
          }
          action = .addGiving(value, sum: sum)
        } else {
          action = .add(value)
        }
      default:
        return .failure(Problem(text: "an operation of another model: \(operation.jsonLine)"))
      }
      steps.append(
        LinearizabilityStep(
          action: action, start: operation.startNanoseconds,
          end: isKnown ? (operation.endNanoseconds ?? UInt64.max) : nil, source: source))
    }
    return .success(dropUnobserved(steps))
  }

  /// An unknown write whose value nobody ever saw explains nothing, unless a cas that found
  /// something else needs it: leaving it out keeps the search short.
  private static func dropUnobserved(_ steps: [LinearizabilityStep]) -> [LinearizabilityStep] {
    var observed: Set<Int64> = [0]
    for step in steps {
      switch step.action {
      case .read(let value): observed.insert(value)
      case .compareAndSet(let expected, _): observed.insert(expected)
      case .differs: return steps
      case .write: break
      case .add, .addGiving: return steps
      }
    }
    return steps.filter {
      guard $0.end == nil else { return true }
      switch $0.action {
      case .write(let value), .compareAndSet(_, let value): return observed.contains(value)
      default: return true
      }
    }
  }
}
