/// Runs the two searches for a model whose keys are few.
enum SearchedOutcome {
  /// `finding` is asked what to say of a violation, given the position in `input` where the search
  /// got stuck.
  static func decide<Model: SearchModel>(
    _ input: [SearchSpace.Input], _ model: Model, initial: [Int64],
    _ bounds: LinearizabilityChecker.Bounds, _ deadline: Deadline,
    finding: (_ stuckAt: Int) -> ModelFinding
  ) -> ModelOutcome {
    var search = RacedSearch(SearchSpace(input, model: model), model, initial: initial)
    var slice = KeyDecision.firstSlice
    while true {
      let decision = search.run(
        steps: min(slice, bounds.maximumSteps - search.work), maximumBytes: bounds.bytes)
      switch decision {
      case .decided(.linearizable, let method): return .fine(method: method)
      case .decided(.violated(let stuckAt), let method):
        return .violated(finding(stuckAt), method: method)
      case .decided(.outOfMemory, _), .outOfMemory:
        return .undecided("the memory allowed was used up")
      case nil: break
      }
      if deadline.isOver { return .undecided("the time allowed was used up") }
      if search.work >= bounds.maximumSteps {
        return .undecided("\(search.work) steps were not enough")
      }
      slice = min(slice * 2, KeyDecision.largestSlice)
    }
  }

  /// What a reduced violation says, or one that could not be reduced. `positions` are those of
  /// `input` in the history.
  static func finding<Model: SearchModel>(
    _ found: OwnTimeWitness<Model>.Reduced, of positions: [Int], in history: [HistoryOperation],
    stuckAt: Int, because conclusion: String, isReduced: Bool = false
  ) -> ModelFinding {
    let operations = found.positions.map { history[positions[$0]] }.sorted {
      ($0.startNanoseconds, $0.process) < ($1.startNanoseconds, $1.process)
    }
    return ModelFinding(
      text: "no order explains \(history[positions[stuckAt]].mention)",
      operations: found.positions.map { positions[$0] },
      explanation: SearchedWords.facts(operations) + [conclusion]
        + SearchedWords.claim(
          isFromAnyState: found.isFromAnyState, count: operations.count, found.isIrreducible),
      isReduced: isReduced)
  }
}
