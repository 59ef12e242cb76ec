/// Lists in which elements repeat.
///
/// All lists that were read begin the longest one, so a state is how much of that there is so far:
/// an append is possible where its element comes next, or anything once all of it is there.
struct ListSearch: SearchModel {
  private enum Action {
    /// The positions at which the element comes next stand in `longest`; -1: in none of them.
    case append(Int)
    case read(Int64)
  }

  private var actions: [Action] = []
  private var longest: [Int] = []
  /// So much of `longest` is known.
  private var limit = Int.max

  func next(_ action: Int, after state: Int64) -> Int64? {
    switch actions[action] {
    case .append(let element):
      if state >= limit {
        Int64(limit) + 1
      } else {
        longest[Int(state)] == element ? state + 1 : nil
      }
    case .read(let count): count == state ? state : nil
    }
  }

  func isObservation(_ action: Int) -> Bool {
    if case .read = actions[action] { true } else { false }
  }

  func produced(by action: Int) -> Int64? { nil }

  func needed(by action: Int) -> Int64? {
    if case .read(let count) = actions[action] { count } else { nil }
  }

  func observesAny(_ action: Int) -> Bool { false }
  func commutes(_ action: Int) -> Bool { false }

  static func decide(
    _ history: [HistoryOperation], _ positions: [Int], longest: [HistoryValue],
    _ bounds: LinearizabilityChecker.Bounds, _ deadline: Deadline
  ) -> ModelOutcome {
    var model = ListSearch()
    var elements: [HistoryValue: Int] = [:]
    for element in longest {
      let number = elements[element] ?? elements.count
      elements[element] = number
      model.longest.append(number)
    }
    model.actions = (0..<elements.count).map { .append($0) } + [.append(-1)]
    var actionOfCount: [Int: Int32] = [:]
    var sources: [Int] = []
    var input: [SearchSpace.Input] = []
    for position in positions where history[position].mayHaveHappened {
      let action: Int32
      if history[position].kind == .append, let element = history[position].value {
        action = Int32(elements[element] ?? elements.count)
      } else if let found = history[position].elements, history[position].outcome == .ok {
        action = actionOfCount[found.count] ?? Int32(model.actions.count)
        if actionOfCount[found.count] == nil {
          actionOfCount[found.count] = action
          model.actions.append(.read(Int64(found.count)))
        }
      } else {
        continue
      }
      sources.append(position)
      input.append(
        SearchSpace.Input(
          action: action, start: history[position].startNanoseconds, end: history[position].knownEnd
        ))
    }
    model.limit = model.longest.count
    return SearchedOutcome.decide(input, model, initial: [0], bounds, deadline) {
      model.finding(history, sources, input, stuckAt: $0, bounds)
    }
  }

  // MARK: Witness

  private func finding(
    _ history: [HistoryOperation], _ sources: [Int], _ input: [SearchSpace.Input], stuckAt: Int,
    _ bounds: LinearizabilityChecker.Bounds
  ) -> ModelFinding {
    var model = self
    // An append that may be left out has a number of its own.
    var dropped: [Int32?] = []
    for action in actions {
      if case .append = action {
        dropped.append(Int32(model.actions.count))
        model.actions.append(action)
      } else {
        dropped.append(nil)
      }
    }
    let horizon = input[stuckAt].end ?? .max
    let begun = input.indices.filter { input[$0].end ?? .max <= horizon }
    let later = later(input, begun)
    let witness = OwnTimeWitness(
      input: input, model: model, initial: [0], dropped: dropped,
      freeStarts: { model.starts($0) }, bounds: .init(bounds),
      seeds: { _ in model.seeds(input, begun, later) }, modelOf: { model.knowing($0) })
    let found =
      witness.reduce(stuckAt: stuckAt)
      ?? .init(
        positions: Array(Set(begun + later)).sorted(), isIrreducible: false, isFromAnyState: false)
    return SearchedOutcome.finding(
      found, of: sources, in: history, stuckAt: stuckAt,
      because: "The reads say in which order the elements came, and no order of these that "
        + "respects their times has that one.", isReduced: true)
  }

  private func count(_ input: SearchSpace.Input) -> Int? {
    needed(by: Int(input.action)).map { Int($0) }
  }

  /// Reads that tell more of the order than those that had begun: the one that tells least, and
  /// the one that tells most.
  private func later(_ input: [SearchSpace.Input], _ begun: [Int]) -> [Int] {
    let most = begun.reduce(0) { max($0, count(input[$1]) ?? 0) }
    let more = input.indices.filter { count(input[$0]) ?? 0 > most }
      .sorted { count(input[$0]) ?? 0 < count(input[$1]) ?? 0 }
    guard let first = more.first, let last = more.last else { return [] }
    return first == last ? [first] : [first, last]
  }

  /// The last to begin, in growing number, each with a read that tells the order.
  private func seeds(
    _ input: [SearchSpace.Input], _ begun: [Int], _ later: [Int]
  ) -> [[Int]] {
    let sorted = begun.sorted { input[$0].start < input[$1].start }
    var seeds: [[Int]] = []
    var size = 8
    while size < min(sorted.count * 2, 20_000) {
      for more in later.isEmpty ? [[]] : later.map({ [$0] }) {
        seeds.append(Array(Set(sorted.suffix(size) + more)).sorted())
      }
      size *= 2
    }
    return seeds
  }

  /// The states from which the first read to end can be reached.
  private func starts(_ part: [SearchSpace.Input]) -> [Int64]? {
    var first: SearchSpace.Input?
    for input in part where count(input) != nil {
      if let end = input.end, end < first?.end ?? .max { first = input }
    }
    guard let first, let found = count(first) else { return [Int64(limit) + 1] }
    let appends = part.reduce(0) {
      count($1) == nil && $1.start <= first.end ?? 0 ? $0 + 1 : $0
    }
    return (max(0, found - appends)...found).map { Int64($0) }
  }

  /// Of the order, only what a read of the part found.
  private func knowing(_ part: [SearchSpace.Input]) -> ListSearch {
    var model = self
    model.limit = part.reduce(0) { max($0, count($1) ?? 0) }
    return model
  }
}
