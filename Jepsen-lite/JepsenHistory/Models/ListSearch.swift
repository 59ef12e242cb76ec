/// Lists in which elements repeat.
///
/// All lists that were read begin the longest one, so a state is how much of that there is so far:
/// an append is possible where its element comes next, or anything once all of it is there.
struct ListSearch: SearchModel {
  private enum Action {
    /// The places at which the element comes next stand in `longest`; -1: in none of them.
    case append(Int)
    case read(Int64)
  }

  private var actions: [Action] = []
  private var longest: [Int] = []

  func next(_ action: Int, after state: Int64) -> Int64? {
    switch actions[action] {
    case .append(let element):
      if state >= longest.count { Int64(longest.count) + 1 } else {
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
    _ history: [HistoryOperation], _ places: [Int], longest: [HistoryValue],
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
    for place in places where history[place].mayHaveHappened {
      let action: Int32
      if history[place].kind == .append, let element = history[place].value {
        action = Int32(elements[element] ?? elements.count)
      } else if let found = history[place].elements, history[place].outcome == .ok {
        action = actionOfCount[found.count] ?? Int32(model.actions.count)
        if actionOfCount[found.count] == nil {
          actionOfCount[found.count] = action
          model.actions.append(.read(Int64(found.count)))
        }
      } else {
        continue
      }
      sources.append(place)
      input.append(
        SearchSpace.Input(
          action: action, start: history[place].startNanoseconds, end: history[place].knownEnd))
    }
    return SearchedOutcome.decide(
      input, model, initial: [0], bounds, deadline
    ) { stuckAt in
      let horizon = input[stuckAt].end ?? .max
      let begun = input.indices.filter { input[$0].start <= horizon }
      return ModelFinding(
        text: "no order explains \(history[sources[stuckAt]].jsonLine)",
        operations: begun.map { sources[$0] }, stuckAt: sources[stuckAt])
    }
  }
}
