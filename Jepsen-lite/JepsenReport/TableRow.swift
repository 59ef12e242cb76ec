internal import JepsenHistory

/// A run as one row of a Markdown table, so that many runs can be compared.
enum TableRow {
  static let head = """
    | nemesis | verdict | answered/s | faults that bit | answered during them | longest gap | \
    recovered after (median, longest) |
    | --- | --- | --- | --- | --- | --- | --- |

    """

  static func row(_ run: RunRecord) -> String {
    let analysis = RunAnalysis(run)
    let availabilities = analysis.effects.compactMap(\.availability)
    let mean = availabilities.reduce(0, +) / Double(max(1, availabilities.count))
    let gap = analysis.effects.map(\.longestGapNanoseconds).max()
    let recoveries = analysis.effects.compactMap(\.recoveryNanoseconds).sorted()
    var recovery = "–"
    if let longest = recoveries.last {
      let middle = recoveries[recoveries.count / 2]
      recovery = "\(Numbers.recovery(middle)), \(Numbers.recovery(longest))"
      let missing = analysis.effects.count - recoveries.count
      if missing > 0 { recovery += " (\(missing) not seen)" }
    }
    let cells = [
      run.nemeses.joined(separator: ", "), run.status.rawValue, Numbers.decimal(analysis.rate, 0),
      "\(run.faults.count { $0.didBite }) of \(run.faults.count)",
      availabilities.isEmpty ? "–" : Numbers.percent(mean), gap.map(Numbers.duration) ?? "–",
      recovery,
    ]
    return "| " + cells.joined(separator: " | ") + " |\n"
  }
}
