/// What the searches ask of a sequential object. Actions and states are numbers.
protocol SearchModel {
  /// The state after the action; `nil` where it can't happen in `state`.
  mutating func next(_ action: Int, after state: Int64) -> Int64?
  /// Never changes the state.
  func isObservation(_ action: Int) -> Bool
  /// The state that the action always leads to, if that is one.
  func produced(by action: Int) -> Int64?
  /// The only state in which the action can happen, if that is one.
  func needed(by action: Int) -> Int64?
  /// Depends on the state in another way than by `needed`.
  func observesAny(_ action: Int) -> Bool
  /// The state in which alone the action can't happen, if there is one.
  func excluded(by action: Int) -> Int64?
  /// All that an action ever asks of a state is whether it is the one `needed` or `excluded`, and
  /// all states are small numbers from 0 up.
  var namesStates: Bool { get }
  /// Where this action and any other update can both happen, their order makes no difference, and
  /// where it can happen at once, putting it first hinders no other update.
  func commutes(_ action: Int) -> Bool
}

extension SearchModel {
  var namesStates: Bool { false }
  func excluded(by action: Int) -> Int64? { nil }
  /// Possible everywhere, and always with the same end.
  func isBlind(_ action: Int) -> Bool {
    produced(by: action) != nil && needed(by: action) == nil && !observesAny(action)
  }
}

/// Registers and counters.
struct StepModel: SearchModel {
  let actions: [LinearizabilityStep.Action]
  /// An add that answers with the sum sees how many others came before it.
  private let canCommute: Bool
  let namesStates: Bool

  /// - Parameter isCounter: the states are sums, and no numbers of values.
  init(_ actions: [LinearizabilityStep.Action], isCounter: Bool) {
    self.actions = actions
    namesStates = !isCounter
    canCommute = actions.allSatisfy {
      switch $0 {
      case .add, .read: true
      default: false
      }
    }
  }

  func excluded(by action: Int) -> Int64? {
    if case .differs(let state) = actions[action] { state } else { nil }
  }

  func next(_ action: Int, after state: Int64) -> Int64? { actions[action].next(after: state) }

  func isObservation(_ action: Int) -> Bool {
    switch actions[action] {
    case .read, .differs: true
    case .write, .compareAndSet, .add, .addGiving: false
    }
  }

  func produced(by action: Int) -> Int64? {
    switch actions[action] {
    case .write(let value), .compareAndSet(_, let value): value
    case .addGiving(_, let sum): sum
    case .read, .differs, .add: nil
    }
  }

  func needed(by action: Int) -> Int64? {
    switch actions[action] {
    case .read(let value), .compareAndSet(let value, _): value
    case .addGiving(let delta, let sum): sum &- delta
    case .write, .differs, .add: nil
    }
  }

  func observesAny(_ action: Int) -> Bool {
    if case .differs = actions[action] { true } else { false }
  }

  func commutes(_ action: Int) -> Bool {
    guard canCommute, case .add = actions[action] else { return false }
    return true
  }
}
