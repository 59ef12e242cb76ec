/// Parts of the history of one register or counter, for a violation that a search has found.
struct StepParts {
  let witness: OwnTimeWitness<StepModel>
  private let steps: [LinearizabilityStep]
  /// So many different answers are tried for what an operation could have found.
  private static let manyAnswers = 16

  init(_ key: PreparedKey, _ bounds: LinearizabilityChecker.Bounds) {
    steps = key.steps
    var numbers: [LinearizabilityStep.Action: Int32] = [:]
    var actions: [LinearizabilityStep.Action] = []
    let input = key.steps.map { step in
      let action = numbers[step.action] ?? Int32(actions.count)
      if numbers[step.action] == nil {
        numbers[step.action] = action
        actions.append(step.action)
      }
      return SearchSpace.Input(action: action, start: step.start, end: step.end)
    }
    // One that may be left out has a number of its own: it can't stand for one that may not.
    var dropped: [Int32?] = []
    for action in actions {
      let weaker: LinearizabilityStep.Action
      switch action {
      case .read, .differs:
        dropped.append(nil)
        continue
      case .write(let value), .compareAndSet(_, let value): weaker = .write(value)
      case .add(let delta), .addGiving(let delta, _): weaker = .add(delta)
      }
      dropped.append(Int32(actions.count))
      actions.append(weaker)
    }
    let isCounter = key.isCounter
    let model = StepModel(actions, isCounter: isCounter)
    witness = OwnTimeWitness(
      input: input, model: model, initial: [key.initial], dropped: dropped,
      freeStarts: {
        isCounter ? Self.sums(before: $0, model) : Self.states(of: $0, model)
      },
      bounds: .init(bounds), seeds: { isCounter ? Self.seeds(input, model, stuckAt: $0) : [] },
      isSurelyViolated: {
        isCounter
          && CounterBounds.isBroken(
            in: $0, model, initial: $1 ? nil : key.initial)
      },
      modelOf: { _ in model })
  }

  /// The operation where the search got stuck and one before it that found a sum, with the adds
  /// that surely lie between.
  private static func seeds(
    _ input: [SearchSpace.Input], _ model: StepModel, stuckAt: Int
  ) -> [[Int]] {
    let start = input[stuckAt].start
    let nearest = input.indices.filter {
      model.needed(by: Int(input[$0].action)) != nil && input[$0].end ?? .max < start
    }.sorted { input[$0].end ?? 0 > input[$1].end ?? 0 }.prefix(64)
    return nearest.map { early in
      let from = input[early].end ?? .max
      let between = input.indices.filter {
        input[$0].start > from && input[$0].end ?? .max < start
          && !model.isObservation(Int(input[$0].action))
      }
      return Array(Set([early, stuckAt] + between)).sorted()
    }
  }

  /// All values that the part speaks of, and one more for all others.
  private static func states(of part: [SearchSpace.Input], _ model: StepModel) -> [Int64] {
    var known: Set<Int64> = []
    for input in part {
      let action = Int(input.action)
      for state in [model.needed(by: action), model.excluded(by: action)] {
        if let state { known.insert(state) }
      }
    }
    return known.sorted() + [Int64.max]
  }

  /// What the first to end of those that found a sum found, less any of the adds that may have
  /// come before it.
  private static func sums(before part: [SearchSpace.Input], _ model: StepModel) -> [Int64]? {
    var first: SearchSpace.Input?
    for input in part where !input.isOptional && model.needed(by: Int(input.action)) != nil {
      if let end = input.end, end < first?.end ?? .max { first = input }
    }
    guard let first, let found = model.needed(by: Int(first.action)) else { return [0] }
    var sums: Set<Int64> = [found]
    for input in part where input.start <= first.end ?? 0 {
      switch model.actions[Int(input.action)] {
      case .add(let delta), .addGiving(let delta, _): sums.formUnion(sums.map { $0 &- delta })
      default: continue
      }
      if sums.count > 4096 { return nil }
    }
    return sums.sorted()
  }

  /// What is said to be violated where nothing could be left out within the bounds.
  func unreduced(_ proof: [Int]?, horizon: UInt64) -> OwnTimeWitness<StepModel>.Reduced {
    .init(
      positions: proof ?? steps.indices.filter { steps[$0].start <= horizon }, isIrreducible: false,
      isFromAnyState: false)
  }

  // MARK: In words

  func reason(
    _ found: OwnTimeWitness<StepModel>.Reduced, _ history: [HistoryOperation]
  ) -> [String] {
    if let sums = counted(found) { return sums }
    if let last = found.positions.last(where: {
      if case .read = steps[$0].action { true } else { false }
    }), let answers = answers(to: last, found, history) {
      return answers
    }
    return ["No order of these that respects their times explains what they found."]
  }

  /// One read, or two one after the other, of a counter: what can have been added before or
  /// between.
  private func counted(_ found: OwnTimeWitness<StepModel>.Reduced) -> [String]? {
    guard !witness.model.namesStates else { return nil }
    let reads = found.positions.filter {
      witness.model.needed(by: Int(witness.input[$0].action)) != nil
    }
    .sorted { steps[$0].end ?? .max < steps[$1].end ?? .max }
    guard let late = reads.last, let end = steps[late].end, reads.count <= 2 else { return nil }
    let early = reads.count == 2 ? reads[0] : nil
    if early == nil && found.isFromAnyState { return nil }
    if let early, (steps[early].end ?? .max) >= steps[late].start { return nil }
    var low: Int64 = 0
    var high: Int64 = 0
    for (position, step) in steps.enumerated() where position != late && position != early {
      let delta: Int64
      switch step.action {
      case .add(let amount), .addGiving(let amount, _): delta = amount
      default: continue
      }
      guard step.start <= end, step.end ?? .max >= early.map({ steps[$0].start }) ?? 0 else {
        continue
      }
      let isSure =
        step.end ?? .max < steps[late].start
        && early.map { step.start > steps[$0].end ?? .max } ?? true
      if isSure || delta < 0 { low &+= delta }
      if isSure || delta > 0 { high &+= delta }
    }
    func after(_ position: Int) -> Int64 {
      let state = witness.model.needed(by: Int(witness.input[position].action)) ?? 0
      return steps[position].action.next(after: state) ?? 0
    }
    let from = early.map(after) ?? witness.initial[0]
    let to = witness.model.needed(by: Int(witness.input[late].action)) ?? 0
    guard to &- from < low || to &- from > high else { return nil }
    let amount = low == high ? "\(low)" : "at least \(low) and at most \(high)"
    return [
      early == nil
        ? "Before it \(amount) can have been added to \(from), but it found \(to)."
        : "Between these two, \(amount) can have been added, but the first left \(from), "
          + "and the second found \(to)."
    ]
  }

  /// What the last read could have found, as far as the register's values go.
  private func answers(
    to read: Int, _ found: OwnTimeWitness<StepModel>.Reduced, _ history: [HistoryOperation]
  ) -> [String]? {
    guard witness.model.namesStates, found.positions.count <= 20 else { return nil }
    var names: [Int64: HistoryValue?] = [:]
    var order: [Int64] = []
    func note(_ value: Int64, _ name: HistoryValue?) {
      if names.updateValue(name, forKey: value) == nil { order.append(value) }
    }
    for step in steps {
      let operation = history[step.source]
      switch step.action {
      case .read(let value), .write(let value):
        note(value, operation.kind == .delete ? nil : operation.value)
      case .compareAndSet(let expected, let new):
        note(expected, operation.expected)
        note(new, operation.value)
      default: continue
      }
      if order.count > Self.manyAnswers { return nil }
    }
    var possible: [String] = []
    for value in order {
      var actions = witness.model.actions
      actions.append(.read(value))
      // Only of registers: above, counters had no such sentences.
      let model = StepModel(actions, isCounter: false)
      var input = witness.input
      input[read].action = Int32(actions.count - 1)
      let other = OwnTimeWitness(
        input: input, model: model, initial: witness.initial,
        dropped: witness.dropped
          + Array(repeating: nil, count: actions.count - witness.dropped.count),
        freeStarts: { Self.states(of: $0, model) }, bounds: witness.bounds,
        modelOf: { _ in model })
      var work = 0
      let isViolated = other.isViolated(
        found.positions, Array(input.indices), isFromAnyState: found.isFromAnyState, &work)
      guard let isViolated else { return nil }
      if !isViolated { possible.append((names[value] ?? nil)?.json ?? "absent") }
    }
    guard !possible.isEmpty else { return nil }
    let who = "process \(history[steps[read].source].process)'s read"
    return [
      "Given the others, \(who) could have found \(possible.joined(separator: " or ")), "
        + "but it found \(history[steps[read].source].value?.json ?? "absent")."
    ]
  }
}
