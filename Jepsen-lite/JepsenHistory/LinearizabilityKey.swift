/// One key on its way to a verdict: zones, then the two searches in slices.
struct KeyDecision {
  enum State: Hashable { case open, linearizable, violated, givenUp }

  static let firstSlice = 20_000
  static let largestSlice = 1_000_000

  private(set) var state = State.open
  private(set) var method = ""
  /// Why it was given up.
  private(set) var reason = ""
  /// What could not be understood.
  private(set) var problem: PreparedKey.Problem?
  private(set) var prepared: PreparedKey?
  /// Steps (positions in `prepared.steps`) that prove a violation, from the zones.
  private(set) var proof: [Int]?
  /// The step at whose return the search was stuck.
  private(set) var stuckAt: Int?
  private(set) var work = 0
  private var search: RacedSearch<StepModel>?

  init(
    _ history: [HistoryOperation], _ positions: ArraySlice<Int32>,
    _ checker: LinearizabilityChecker, isCounter: Bool
  ) {
    do {
      let key = try PreparedKey(
        history, positions, isCounter: isCounter, initial: checker.initial,
        failedCas: checker.failedCas)
      prepared = key
      if isCounter {
        if let found = CounterBounds.violation(key.steps, initial: key.initial) {
          (state, method) = (.violated, "bounds of the sum")
          (stuckAt, proof) = (found.step, found.cause)
        }
      } else {
        decideByZones(key)
      }
    } catch {
      (state, method, problem) = (.violated, "reading the history", error)
    }
  }

  private mutating func decideByZones(_ key: PreparedKey) {
    switch RegisterZones.decide(key.steps, initial: key.initial) {
    case .linearizable: (state, method) = (.linearizable, "zones")
    case .violated(let steps): (state, method, proof) = (.violated, "zones", steps)
    case .notApplicable: break
    }
  }

  mutating func run(steps: Int, _ bounds: LinearizabilityChecker.Bounds) {
    guard state == .open, let prepared else { return }
    if search == nil {
      let (space, model) = prepared.space()
      search = RacedSearch(space, model, initial: [prepared.initial])
    }
    let decision = search?.run(
      steps: min(steps, bounds.maximumSteps - work), maximumBytes: bounds.bytes)
    work = search?.work ?? work
    switch decision {
    case .decided(.linearizable, let by): finish(.linearizable, by)
    case .decided(.violated(let step), let by):
      finish(.violated, by)
      stuckAt = step
    case .decided(.outOfMemory, _), .outOfMemory:
      finish(.givenUp, "")
      reason = "the memory allowed was used up"
    case nil:
      if work >= bounds.maximumSteps {
        finish(.givenUp, "")
        reason = "\(work) steps were not enough"
      }
    }
  }

  private mutating func finish(_ state: State, _ method: String) {
    self.state = state
    self.method = method
    search = nil
    if state == .linearizable { prepared = nil }
  }

  func shortText(_ history: [HistoryOperation]) -> String {
    guard let prepared, let step = stuckAt ?? proof?.last else {
      return "no order of the operations explains what was seen"
    }
    return "no order explains \(history[prepared.steps[step].source].mention)"
  }
}
