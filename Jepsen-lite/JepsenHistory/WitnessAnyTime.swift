extension LinearizabilityChecker.Bounds {
  /// For one of the many checks that a witness takes.
  var ofPart: Self { Self(maximumSteps: 200_000, seconds: nil, bytes: min(bytes, 64 << 20)) }
}

/// Reduces a violation of a list or a set.
///
/// To drop a read is to know less. A dropped append or add, also one that was refused, is one that
/// may have happened once at any time. Only those of elements that are read matter.
struct AnyTimeWitness {
  private let history: [HistoryOperation]
  private let positions: [Int]
  private let update: HistoryOperation.Kind
  private let bounds: LinearizabilityChecker.Bounds

  init(
    _ history: [HistoryOperation], _ positions: [Int], update: HistoryOperation.Kind,
    _ bounds: LinearizabilityChecker.Bounds
  ) {
    self.history = history
    self.positions = positions
    self.update = update
    self.bounds = bounds
  }

  /// `outcome`, its witness reduced where it is a violation.
  func reduce(
    _ outcome: ModelOutcome, decide: ([HistoryOperation]) -> ModelOutcome
  ) -> ModelOutcome {
    guard case .violated(var finding, let method) = outcome, !finding.isReduced else {
      return outcome
    }
    let deadline = Deadline(bounds.seconds.map { _ in 3 })
    let updates = updatesByElement()
    var reducer = WitnessReducer(maximumWork: 3_000_000)
    let shown = Array(Set(finding.operations)).sorted()
    let found = reducer.reduce(shown, firstSize: shown.count) { kept in
      if deadline.isOver { return nil }
      if update == .append, kept.count == 1, isExplainedAlone(kept[0], updates) { return false }
      return switch decide(part(kept, updates)) {
      case .violated: true
      case .fine: false
      case .undecided, .invalid: nil
      }
    }
    if let found { finding.operations = found.positions }
    if finding.explanation.isEmpty || finding.operations.count < shown.count {
      finding.explanation = [finding.text]
    }
    finding.explanation.append(
      "This holds whenever else anything else was \(update == .append ? "appended" : "added").")
    finding.explanation.append(
      SearchedWords.necessity(finding.operations.count, found?.isIrreducible ?? false))
    return .violated(finding, method: method)
  }

  /// A list alone can be any order of what was appended.
  private func isExplainedAlone(_ position: Int, _ updates: [HistoryValue: [Int]]) -> Bool {
    guard history[position].kind == .read else { return true }
    var counts: [HistoryValue: Int] = [:]
    for element in history[position].elements ?? [] {
      counts[element, default: 0] += 1
      if counts[element] ?? 0 > updates[element]?.count ?? 0 { return false }
    }
    return true
  }

  private func updatesByElement() -> [HistoryValue: [Int]] {
    var updates: [HistoryValue: [Int]] = [:]
    for position in positions where history[position].kind == update {
      if let element = history[position].value { updates[element, default: []].append(position) }
    }
    return updates
  }

  private func part(_ kept: [Int], _ updates: [HistoryValue: [Int]]) -> [HistoryOperation] {
    /// By element: how often it is in the read that has it most often.
    var read: [HistoryValue: Int] = [:]
    var order: [HistoryValue] = []
    for position in kept where history[position].kind == .read {
      var counts: [HistoryValue: Int] = [:]
      for element in history[position].elements ?? [] {
        let count = counts[element, default: 0] + 1
        counts[element] = count
        let known = read[element]
        if known == nil { order.append(element) }
        if known ?? 0 < count { read[element] = count }
      }
    }
    var part = kept.map { history[$0] }
    let isKept = Set(kept)
    for element in order {
      var left = read[element] ?? 0
      for position in updates[element] ?? [] where left > 0 && !isKept.contains(position) {
        var optional = history[position]
        optional.startNanoseconds = 0
        optional.endNanoseconds = nil
        optional.outcome = .unknown
        part.append(optional)
        left -= 1
      }
    }
    return part
  }
}
