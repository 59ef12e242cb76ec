/// The operations on one key of a register or a counter, as the searches and the zones take them.
struct PreparedKey {
  var steps: [LinearizabilityStep] = []
  /// The state at first.
  var initial: Int64 = 0
  let isCounter: Bool

  /// What can't be understood. `operation` is a position in the history.
  struct Problem: Error {
    var text: String
    var operation: Int
    /// An operation that the model doesn't know: the history says nothing about it.
    var isForeign = false
  }

  /// Leaves out what had no effect and turns values into numbers.
  init(
    _ history: [HistoryOperation], _ positions: ArraySlice<Int32>, isCounter: Bool,
    initial: HistoryValue?, failedCas: LinearizabilityChecker.FailedCas
  ) throws(Problem) {
    self.isCounter = isCounter
    var numbers = ValueNumbers()
    if let initial { self.initial = isCounter ? initial.integer ?? 0 : numbers.number(of: initial) }
    steps.reserveCapacity(positions.count)
    for position in positions {
      let source = Int(position)
      if case .refused = history[source].outcome { continue }
      let isKnown = history[source].outcome != .unknown
      let kind = history[source].kind
      if kind == .read && !isKnown { continue }
      if history[source].outcome == .mismatch {
        // Of another operation, `ok: false` says that it did not happen.
        if kind != .cas || failedCas == .ignored { continue }
      }
      let action =
        isCounter
        ? try Self.counterAction(history, source, isKnown)
        : try Self.registerAction(history, source, &numbers)
      steps.append(
        LinearizabilityStep(
          action: action, start: history[source].startNanoseconds,
          end: isKnown ? (history[source].endNanoseconds ?? UInt64.max) : nil, source: source))
    }
    if !isCounter { dropUnobserved(valueCount: Int(numbers.count)) }
  }

  private static func registerAction(
    _ history: [HistoryOperation], _ source: Int, _ numbers: inout ValueNumbers
  ) throws(Problem) -> LinearizabilityStep.Action {
    func number(_ value: HistoryValue?) -> Int64 {
      if let value { numbers.number(of: value) } else { 0 }
    }
    switch history[source].kind {
    case .read: return .read(number(history[source].value))
    case .write: return .write(number(history[source].value))
    case .delete: return .write(0)
    case .cas:
      let expected = number(history[source].expected)
      if history[source].outcome == .mismatch { return .differs(from: expected) }
      return .compareAndSet(expected: expected, new: number(history[source].value))
    default: throw foreign(history, source)
    }
  }

  private static func counterAction(
    _ history: [HistoryOperation], _ source: Int, _ isKnown: Bool
  ) throws(Problem) -> LinearizabilityStep.Action {
    func number(_ value: HistoryValue?) throws(Problem) -> Int64 {
      guard let value else { return 0 }
      guard let integer = value.integer else {
        if value.text == nil { throw foreign(history, source) }
        throw Problem(text: "not a number: \(history[source].jsonLine)", operation: source)
      }
      return integer
    }
    let value = try number(history[source].value)
    switch history[source].kind {
    case .read: return .read(value)
    case .add:
      guard isKnown, let result = history[source].result else { return .add(value) }
      return .addGiving(value, sum: try number(result))
    default: throw foreign(history, source)
    }
  }

  private static func foreign(_ history: [HistoryOperation], _ source: Int) -> Problem {
    Problem(
      text: "an operation of another model: \(history[source].jsonLine)", operation: source,
      isForeign: true)
  }

  /// An unknown write whose value nobody ever saw explains nothing, unless a cas that found
  /// something else needs it.
  private mutating func dropUnobserved(valueCount: Int) {
    var observed = [Bool](repeating: false, count: valueCount + 1)
    observed[0] = true
    var hasUnknown = false
    for step in steps {
      if step.end == nil { hasUnknown = true }
      switch step.action {
      case .read(let value), .compareAndSet(let value, _): observed[Int(value)] = true
      case .differs: return
      case .write, .add, .addGiving: break
      }
    }
    guard hasUnknown else { return }
    steps.removeAll {
      guard $0.end == nil else { return false }
      switch $0.action {
      case .write(let value), .compareAndSet(_, let value): return !observed[Int(value)]
      default: return false
      }
    }
  }

  /// Laid out for the searches, with the actions that they go by.
  func space() -> (SearchSpace, StepModel) { Self.space(steps, isCounter: isCounter) }

  static func space(
    _ steps: [LinearizabilityStep], isCounter: Bool
  ) -> (SearchSpace, StepModel) {
    var numbers: [LinearizabilityStep.Action: Int32] = [:]
    var actions: [LinearizabilityStep.Action] = []
    let input = steps.map { step in
      let action: Int32
      if let known = numbers[step.action] {
        action = known
      } else {
        action = Int32(actions.count)
        numbers[step.action] = action
        actions.append(step.action)
      }
      return SearchSpace.Input(action: action, start: step.start, end: step.end)
    }
    let model = StepModel(actions, isCounter: isCounter)
    return (SearchSpace(input, model: model), model)
  }
}
