internal import JepsenHistory

/// The run in at most 80 columns.
struct TextReport {
  private static let columns = 80
  private let run: RunRecord

  init(_ run: RunRecord) { self.run = run }

  var text: String {
    let analysis = RunAnalysis(run)
    let total = analysis.total
    var out = "\(run.workload) under \(run.nemeses.joined(separator: ", ")): "
    out += run.status.rawValue.uppercased() + "\n"
    out += Self.wrapped(
      "\(run.system), \(run.nodes) nodes, \(run.clients) clients, seed \(run.seed)", by: 2)
    out += Self.wrapped(
      "\(Numbers.grouped(total.ok)) operations answered in "
        + "\(Numbers.decimal(analysis.seconds, 0)) s (\(Numbers.decimal(analysis.rate, 0))/s), "
        + "\(Numbers.grouped(total.unknown)) unknown, \(Numbers.grouped(total.refused)) refused; "
        + "median \(Numbers.duration(total.median)), 99 % within \(Numbers.duration(total.high))",
      by: 2)
    for verdict in run.verdicts {
      out += "\n\(verdict.status.rawValue.uppercased()): \(verdict.name) (\(verdict.method))\n"
      out += Self.wrapped(verdict.text, by: 2)
      guard let witness = verdict.witness else { continue }
      out += "  The witness, on \(witness.key):\n"
      for (number, sentence) in witness.explanation.enumerated() {
        out += Self.wrapped("\(number + 1). \(sentence)", by: 4)
      }
    }
    out += faults(analysis)
    out += "\nAgain:\n" + Self.wrapped(run.command, by: 2)
    return out
  }

  private func faults(_ analysis: RunAnalysis) -> String {
    guard !run.faults.isEmpty else { return "\nNothing was injected.\n" }
    var out = "\nFaults: \(run.faults.count { $0.didBite }) of \(run.faults.count) bit\n"
    for (fault, effect) in zip(run.faults, analysis.effects) {
      out +=
        "  \(Numbers.seconds(fault.startNanoseconds))–\(Numbers.seconds(fault.endNanoseconds))"
        + "  \(fault.nemesis)\(fault.didBite ? "" : " (DID NOT BITE)")\n"
      out += Self.wrapped(fault.what, by: 6)
      if !fault.reason.isEmpty { out += Self.wrapped("chosen: \(fault.reason)", by: 6) }
      out += Self.wrapped("proof: \(fault.proof)", by: 6)
      out += Self.wrapped(
        "answered \(effect.availability.map(Numbers.percent) ?? "–"), longest gap "
          + "\(Numbers.duration(effect.longestGapNanoseconds)), recovered "
          + (effect.recoveryNanoseconds.map {
            $0 < 100_000_000 ? "at once" : "after \(Numbers.seconds($0))"
          } ?? "not seen"), by: 6)
    }
    return out
  }

  static func wrapped(_ text: String, by indent: Int) -> String {
    let margin = String(repeating: " ", count: indent)
    var out = ""
    var line = margin
    var isEmpty = true
    for word in text.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
      if !isEmpty, line.count + 1 + word.count > columns {
        out += line + "\n"
        line = margin
        isEmpty = true
      }
      line += (isEmpty ? "" : " ") + word
      isEmpty = false
    }
    return out + line + "\n"
  }
}
