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
    problems += nemeses.compactMap(problem)
    if finalReadsFailed > 0 { problems.append("\(finalReadsFailed) of the last reads failed") }
    problems += otherProblems
    if wasInterrupted { problems.append("the load ended early: told to") }
    let name = "the run is a test"
    guard problems.isEmpty else {
      return Verdict(
        name, .invalid, method: "counting",
        text: problems.joined(separator: "; ") + ".")
    }
    let biting = faults.count(where: \.didBite)
    let text =
      "\(counts.answered) of \(counts.all) operations answered (\(Tenths.text(rate)) a second), "
      + "\(counts.refused) refused, \(counts.unknown) unknown; \(biting) of \(faults.count) faults "
      + "bit" + (wasFull ? "; the load ended early: the history was full" : "") + "."
    return Verdict(name, .passed, method: "counting", text: text)
  }

  /// What is wrong with the faults of a nemesis: fewer than half of them had an effect.
  private func problem(_ nemesis: String) -> String? {
    let tried = faults.filter { isOf(nemesis, $0) }
    let bitten = tried.count(where: \.didBite)
    if tried.isEmpty { return "\(nemesis) was never injected" }
    guard bitten * 2 < tried.count else { return nil }
    return bitten == 0
      ? "none of the \(tried.count) faults of \(nemesis) bit"
      : "only \(bitten) of the \(tried.count) faults of \(nemesis) bit"
  }

  /// A mixture stands for whatever it is made of.
  private func isOf(_ nemesis: String, _ fault: FaultRecord) -> Bool {
    nemesis == "mix" || fault.nemesis == nemesis
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
