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
  /// Why the load ended before its time.
  var cutShort: String?
  var otherProblems: [String]

  /// Of all operations, so many in a hundred must have a definite outcome.
  static let leastDefinitePercent = 50

  var verdict: Verdict {
    var problems: [String] = []
    var unknowns: [String] = []
    let rate = seconds > 0 ? Double(counts.answered) / seconds : 0
    if rate < leastRate {
      problems.append(
        "\(tenths(rate)) operations were answered a second, and \(tenths(leastRate)) are the least")
    }
    if counts.all > 0, (counts.all - counts.unknown) * 100 < counts.all * Self.leastDefinitePercent
    {
      problems.append("\(counts.unknown) of \(counts.all) operations ended unknown")
    }
    for nemesis in nemeses where !faults.contains(where: { $0.didBite && isOf(nemesis, $0) }) {
      let tried = faults.count { isOf(nemesis, $0) }
      problems.append(
        tried == 0
          ? "\(nemesis) was never injected" : "none of the \(tried) faults of \(nemesis) bit")
    }
    if finalReadsFailed > 0 { problems.append("\(finalReadsFailed) of the last reads failed") }
    problems += otherProblems
    if let cutShort { unknowns.append("the load ended early: \(cutShort)") }
    let name = "the run is a test"
    guard problems.isEmpty else {
      return Verdict(
        name, .invalid, method: "counting",
        text: (problems + unknowns).joined(separator: "; ") + ".")
    }
    let biting = faults.count(where: \.didBite)
    let text =
      "\(counts.answered) of \(counts.all) operations answered (\(tenths(rate)) a second), "
      + "\(counts.refused) refused, \(counts.unknown) unknown; \(biting) of \(faults.count) faults "
      + "bit" + (unknowns.isEmpty ? "" : "; " + unknowns.joined(separator: "; ")) + "."
    return Verdict(name, .passed, method: "counting", text: text)
  }

  /// A mixture stands for whatever it is made of.
  private func isOf(_ nemesis: String, _ fault: FaultRecord) -> Bool {
    nemesis == "mix" || fault.nemesis == nemesis
  }

  private func tenths(_ number: Double) -> String {
    let tenths = Int((number * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
  }

  // MARK: Ends of nodes

  /// A node that ended by itself. One that trapped found itself broken: that is a finding about the
  /// system. One that stopped for another reason makes the run no test of what was to be tested.
  static func verdict(ofEnds ends: [String]) -> Verdict? {
    guard !ends.isEmpty else { return nil }
    // SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGSEGV.
    let traps = ends.filter { end in
      [4, 5, 6, 7, 11].contains { end.contains("(signal \($0))") }
    }
    return Verdict(
      "no node ends by itself", traps.isEmpty ? .invalid : .violated, method: "watching processes",
      text: ends.joined(separator: "; ") + ".")
  }
}
