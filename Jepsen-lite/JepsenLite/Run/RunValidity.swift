internal import JepsenHistory

/// Whether a run was a test at all: what did nothing, or saw nothing, proves nothing.
struct RunValidity {
  var counts: RecordedCounts
  var seconds: Double
  var leastRate: Double
  /// Nemeses that were asked for; `none` is not among them.
  var nemeses: [String]
  var faults: [FaultRecord]
  var finalReadsFailed: Int
  /// The harness was told to end before the load had lasted as long as asked for.
  var wasInterrupted: Bool
  /// The load ended before its time, since more than so many operations can't be judged.
  var wasFull: Bool
  var otherProblems: [String]
  /// What clients did while the load lasted.
  var history: [HistoryOperation] = []
  /// What the workload does.
  var kinds: [HistoryOperation.Kind] = []

  /// Of all operations, so many in a hundred must have a definite outcome.
  static let leastDefinitePercent = 50

  var verdict: Verdict {
    var problems: [String] = []
    let rate = seconds > 0 ? Double(counts.answered) / seconds : 0
    if rate < leastRate {
      problems.append(
        "\(Tenths.text(rate)) operations were answered a second, and "
          + "\(Tenths.text(leastRate)) are the least"
      )
    }
    if counts.all > 0, (counts.all - counts.unknown) * 100 < counts.all * Self.leastDefinitePercent
    {
      problems.append("\(counts.unknown) of \(counts.all) operations ended unknown")
    }
    problems += kindProblems
    problems += faultProblems
    if finalReadsFailed > 0 { problems.append("\(finalReadsFailed) of the last reads failed") }
    problems += otherProblems
    if wasInterrupted { problems.append("the load ended early: told to") }
    let name = "the run is a test"
    guard problems.isEmpty else {
      return Verdict(
        name, .invalid, method: "counting",
        text: problems.joined(separator: "; ") + "." + missedText)
    }
    let biting = faults.count(where: \.didBite)
    let text =
      "\(counts.answered) of \(counts.all) operations answered (\(Tenths.text(rate)) a second), "
      + "\(counts.refused) refused, \(counts.unknown) unknown; \(biting) of \(faults.count) faults "
      + "bit" + (wasFull ? "; the load ended early: the history was full" : "") + "."
      + missedText
    return Verdict(name, .passed, method: "counting", text: text)
  }

  // MARK: Kinds of operations

  /// Reads alone can make up the rate: what changes nothing proves nothing, either.
  private var kindProblems: [String] {
    guard !kinds.isEmpty else { return [] }
    var minimums = OutcomeMinimums()
    minimums.definiteShare = 0
    minimums.answered = 0
    minimums.okPerKind = 10
    minimums.okSharePerKind = 0.01
    minimums.kinds = kinds
    let verdict = OutcomeCounts.verdict(history, minimums)
    return verdict.status == .invalid ? [verdict.text] : []
  }

  // MARK: Faults

  /// Of so many faults of one kind, how many may have missed.
  static func allowedMisses(of tried: Int) -> Int { max(1, tried / 4) }

  /// What is wrong with the faults, kind by kind: one that was never injected, never had an effect,
  /// or too often had none. A mixture is judged as a whole, and each kind that it was made of; a
  /// kind that came up once may have missed.
  private var faultProblems: [String] {
    var problems: [String] = []
    for nemesis in nemeses {
      let isMixture = nemesis == NemesisCatalog.mix.name
      let tried = isMixture ? faults : faults.filter { $0.nemesis == nemesis }
      if tried.isEmpty { problems.append("\(nemesis) was never injected") }
      if let problem = Self.problem(nemesis, tried) { problems.append(problem) }
      guard isMixture else { continue }
      var kinds: [String] = []
      for fault in faults where !kinds.contains(fault.nemesis) { kinds.append(fault.nemesis) }
      for kind in kinds where !nemeses.contains(kind) {
        let ofKind = faults.filter { $0.nemesis == kind }
        guard ofKind.count > 1, let problem = Self.problem(kind, ofKind) else { continue }
        problems.append(problem)
      }
    }
    return problems
  }

  private static func problem(_ name: String, _ tried: [FaultRecord]) -> String? {
    let bitten = tried.count(where: \.didBite)
    if bitten == 0 {
      return tried.isEmpty ? nil : "none of the \(tried.count) faults of \(name) bit"
    }
    guard tried.count - bitten > allowedMisses(of: tried.count) else { return nil }
    return "only \(bitten) of the \(tried.count) faults of \(name) bit"
  }

  /// Each fault that had no effect that could be shown, in a sentence; empty where there is none.
  private var missedText: String {
    let missed = faults.filter { !$0.didBite }
    guard !missed.isEmpty else { return "" }
    return " Missed: "
      + missed.map { fault in
        "\(fault.nemesis) at \(Tenths.text(Double(fault.startNanoseconds) / 1e9)) s "
          + "(\(fault.what): \(fault.proof))"
      }.joined(separator: "; ") + "."
  }

  // MARK: Ends of nodes

  /// A node that ended by itself. One that trapped found itself broken, and one that went on after
  /// its sync had failed has promised what it can't keep: findings about the system. One that
  /// stopped for another reason makes the run no test of what was to be tested.
  static func verdict(ofEnds ends: [NodeFinding]) -> Verdict? {
    guard !ends.isEmpty else { return nil }
    return Verdict(
      "nodes end only by faults", ends.contains(where: \.isViolation) ? .violated : .invalid,
      method: "watching processes", text: ends.map(\.text).joined(separator: "; ") + ".")
  }
}
