/// Leaves out what can be left out.
enum Reduction {
  /// The fewest of `units` that it finds for which `isViolated` still holds, by dropping ever
  /// smaller stretches of them. At most `tries` calls.
  static func reduce<Unit>(
    _ units: [Unit], tries: Int = 2_000, isViolated: ([Unit]) -> Bool
  ) -> [Unit] {
    var kept = units
    var left = tries
    var size = max(1, kept.count / 2)
    while left > 0 {
      var hasDropped = false
      var from = 0
      while from < kept.count && left > 0 {
        let to = min(from + size, kept.count)
        let without = Array(kept[..<from] + kept[to...])
        left -= 1
        if isViolated(without) {
          kept = without
          hasDropped = true
        } else {
          from = to
        }
      }
      if size == 1 && !hasDropped { break }
      size = max(1, size / 2)
    }
    return kept
  }
}

extension KeyDecision {
  /// Few operations of a violated key that no order explains by themselves.
  func witness(_ key: String, _ history: [HistoryOperation], isCounter: Bool) -> Witness? {
    guard let prepared else { return nil }
    // Where values repeat, dropped writes could stand for each other in too many ways.
    if !isCounter, let proof,
      var found = Witness.ofRegister(
        history, steps: prepared.steps, suspects: proof, initial: prepared.initial)
    {
      found.key = key
      return found
    }
    return reduced(prepared, key, history)
  }

  private func reduced(
    _ prepared: PreparedKey, _ key: String, _ history: [HistoryOperation]
  ) -> Witness? {
    var steps: [LinearizabilityStep]
    var sentences: [String] = []
    if let proof {
      steps = proof.map { prepared.steps[$0] }
      sentences.append("These operations contradict each other.")
    } else if let stuckAt {
      let reduced = StepReduction(prepared, stuckAt: stuckAt)
      steps = reduced.steps
      let stuck = history[prepared.steps[stuckAt].source]
      if reduced.holdsFromAnyState {
        sentences.append("Whatever \(key) held before, no order explains these operations.")
      }
      sentences.append(
        "Every order fails at the latest when process \(stuck.process)'s \(stuck.kind.rawValue) "
          + "returns at \(stuck.endNanoseconds ?? 0) ns.")
    } else {
      return nil
    }
    steps.sort { ($0.start, $0.source) < ($1.start, $1.source) }
    return Witness(
      key: key, operations: steps.map { history[$0.source] }, explanation: sentences)
  }
}

/// Reduces a violation that a search has found.
///
/// Every cut keeps that the whole history can't be explained either:
/// - What began after the return at which the search was stuck is not needed for the violation.
/// - An early part may go where the rest can't be explained from any state, with whatever was open
///   at the cut left to take effect or not.
/// - An observation may go: an order of all is an order of the others.
/// - All updates that lead to a value may go with all that need it (and with what those lead to),
///   unless something is left that saw that the value was not another one.
struct StepReduction {
  private(set) var steps: [LinearizabilityStep]
  private(set) var holdsFromAnyState = false
  private let initial: Int64

  init(_ key: PreparedKey, stuckAt: Int) {
    initial = key.initial
    let horizon = key.steps[stuckAt].end ?? UInt64.max
    steps = key.steps.filter { $0.start <= horizon }
    let isRegister = !steps.contains { Self.isAdd($0) }
    if isRegister { cutBefore() }
    let updates = steps.filter { !Self.isObservation($0) }
    let observations = Reduction.reduce(steps.filter(Self.isObservation)) {
      isViolated(updates + $0)
    }
    steps = updates + observations
    if isRegister { dropValues() }
  }

  private static func isAdd(_ step: LinearizabilityStep) -> Bool {
    switch step.action {
    case .add, .addGiving: true
    default: false
    }
  }

  private static func isObservation(_ step: LinearizabilityStep) -> Bool {
    switch step.action {
    case .read, .differs: true
    default: false
    }
  }

  /// The latest cut, among those that keep 2, 4, 8, … of the last returns, after which no state
  /// explains the rest.
  private mutating func cutBefore() {
    let ends = steps.compactMap(\.end).sorted()
    var kept = 2
    while kept < ends.count {
      let cut = ends[ends.count - kept]
      let rest = steps.filter { ($0.end ?? UInt64.max) >= cut }
      let relaxed = rest.compactMap { step -> LinearizabilityStep? in
        guard step.start <= cut, step.end != nil, step.end != cut else { return step }
        if Self.isObservation(step) { return nil }
        var optional = step
        optional.end = nil
        return optional
      }
      if isViolated(relaxed, fromAnyState: true) {
        let known = Set(relaxed.map(\.source))
        steps = rest.filter { known.contains($0.source) }
        holdsFromAnyState = true
        return
      }
      kept *= 2
    }
  }

  private mutating func dropValues() {
    let differs = steps.contains { if case .differs = $0.action { true } else { false } }
    if differs { return }
    // Values that a cas ties together go together.
    var group: [Int64: Int64] = [:]
    func root(_ value: Int64) -> Int64 {
      var value = value
      while let above = group[value], above != value { value = above }
      return value
    }
    for step in steps {
      if case .compareAndSet(let expected, let new) = step.action {
        group[root(expected)] = root(new)
      }
    }
    func value(_ step: LinearizabilityStep) -> Int64 {
      switch step.action {
      case .read(let value), .write(let value), .compareAndSet(_, let value): root(value)
      default: 0
      }
    }
    var members: [Int64: [LinearizabilityStep]] = [:]
    for step in steps { members[value(step), default: []].append(step) }
    let units = members.keys.sorted().compactMap { members[$0] }
    steps = Reduction.reduce(units) { isViolated($0.flatMap { $0 }) }.flatMap { $0 }
  }

  private func isViolated(_ steps: [LinearizabilityStep], fromAnyState: Bool = false) -> Bool {
    var states = [initial]
    if fromAnyState || holdsFromAnyState {
      var known: Set<Int64> = []
      for step in steps {
        switch step.action {
        case .read(let value), .write(let value), .differs(let value): known.insert(value)
        case .compareAndSet(let expected, let new):
          known.insert(expected)
          known.insert(new)
        case .add, .addGiving: break
        }
      }
      // One more stands for all the values that nothing here speaks of.
      states = known.sorted() + [Int64.max]
    }
    let (space, model) = PreparedKey.space(steps)
    var search = RacedSearch(space, model, initial: states)
    guard case .decided(.violated, _) = search.run(steps: 400_000, maximumBytes: 64 << 20) else {
      return false
    }
    return true
  }
}
