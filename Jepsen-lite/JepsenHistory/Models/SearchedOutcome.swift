/// Runs the two searches for a model whose keys are few.
enum SearchedOutcome {
  /// `sources` are the places in the history of `input`.
  static func decide<Model: SearchModel>(
    _ history: [HistoryOperation], _ sources: [Int], _ input: [SearchSpace.Input], _ model: Model,
    initial: [Int64], _ bounds: LinearizabilityChecker.Bounds, _ deadline: Deadline
  ) -> ModelOutcome {
    var search = RacedSearch(SearchSpace(input, model: model), model, initial: initial)
    var slice = KeyDecision.firstSlice
    while true {
      let decision = search.run(
        steps: min(slice, bounds.maximumSteps - search.work), maximumBytes: bounds.bytes)
      switch decision {
      case .decided(.linearizable, let method): return .fine(method: method)
      case .decided(.violated(let stuckAt), let method):
        let kept = reduce(input, model, initial, stuckAt, deadline)
        return .violated(
          "no order explains \(history[sources[stuckAt]].jsonLine)", kept.map { sources[$0] },
          method: method)
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

  /// Drops what began too late, and observations that are not needed: an order of all is an order
  /// of the others. Updates stay, since what is left may show their effects. When the time is over,
  /// the rest stays as it is.
  private static func reduce<Model: SearchModel>(
    _ input: [SearchSpace.Input], _ model: Model, _ initial: [Int64], _ stuckAt: Int,
    _ deadline: Deadline
  ) -> [Int] {
    let horizon = input[stuckAt].end ?? UInt64.max
    let begun = input.indices.filter { input[$0].start <= horizon }
    let updates = begun.filter { !model.isObservation(Int(input[$0].action)) }
    let observations = begun.filter { model.isObservation(Int(input[$0].action)) }
    let kept = Reduction.reduce(observations, tries: 200) { left in
      if deadline.isOver { return false }
      let part = (updates + left).map { input[$0] }
      var search = RacedSearch(SearchSpace(part, model: model), model, initial: initial)
      guard case .decided(.violated, _) = search.run(steps: 200_000, maximumBytes: 64 << 20) else {
        return false
      }
      return true
    }
    return (updates + kept).sorted()
  }
}
