extension KeyDecision {
  /// Few operations of a violated key that no order explains by themselves.
  func witness(
    _ key: String, _ history: [HistoryOperation], _ bounds: LinearizabilityChecker.Bounds
  ) -> Witness? {
    guard let prepared else { return nil }
    if let stuckAt { return searched(prepared, stuckAt, key, history, bounds) }
    guard let proof,
      var found = Witness.ofRegister(
        history, steps: prepared.steps, suspects: proof, initial: prepared.initial)
    else { return nil }
    found.key = key
    return found
  }

  private func searched(
    _ prepared: PreparedKey, _ stuckAt: Int, _ key: String, _ history: [HistoryOperation],
    _ bounds: LinearizabilityChecker.Bounds
  ) -> Witness {
    let parts = StepParts(prepared, bounds)
    let found =
      parts.witness.reduce(stuckAt: stuckAt)
      ?? parts.unreduced(proof, horizon: prepared.steps[stuckAt].end ?? .max)
    let kept = found.positions.sorted {
      let (one, other) = (prepared.steps[$0], prepared.steps[$1])
      return (one.start, one.source) < (other.start, other.source)
    }
    let operations = kept.map { history[prepared.steps[$0].source] }
    var sentences = SearchedWords.facts(operations)
    sentences += parts.reason(found, history)
    sentences += SearchedWords.claim(
      isFromAnyState: found.isFromAnyState, count: operations.count, found.isIrreducible)
    return Witness(key: key, operations: operations, explanation: sentences)
  }
}
