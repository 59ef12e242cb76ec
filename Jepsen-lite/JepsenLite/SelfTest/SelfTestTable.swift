/// The result of a self-test: every fault and every way, then the controls.
struct SelfTestTable: Sendable {
  struct Row: Hashable, Sendable {
    /// `nil`: a control.
    var fault: SelfTestFault?
    var way: SelfTestWay
    var finding: SelfTestRunner.Finding

    var result: String {
      switch finding.outcome {
      case .violated: fault == nil ? "VIOLATED" : "caught"
      case .passed: fault == nil ? "passed" : "MISSED"
      case .nothing: fault == nil ? "NO RESULT" : "no result"
      }
    }

    var by: String {
      switch finding.outcome {
      case .nothing(let why): why
      case .violated: finding.text + (finding.tries > 1 ? " (run \(finding.tries))" : "")
      case .passed: finding.tries > 1 ? "\(finding.tries) runs" : ""
      }
    }
  }

  var rows: [Row] = []

  /// Faults that no way has caught.
  var missed: [String] {
    var names: [String] = []
    for fault in rows.compactMap(\.fault) where !names.contains(fault.name) {
      let isCaught = rows.contains {
        $0.fault?.name == fault.name && $0.finding.outcome == .violated
      }
      if !isCaught { names.append(fault.name) }
    }
    return names
  }

  var failedControls: [String] {
    rows.filter { $0.fault == nil && $0.finding.outcome != .passed }.map(\.way.text)
  }

  var isGood: Bool { missed.isEmpty && failedControls.isEmpty && !rows.isEmpty }

  /// One sentence.
  var conclusion: String {
    let faults = Set(rows.compactMap(\.fault?.name)).count
    let controls = rows.count { $0.fault == nil }
    var text = "\(faults - missed.count) of \(faults) planted faults caught"
    if !missed.isEmpty { text += " (missed: \(missed.joined(separator: ", ")))" }
    text += "; \(controls - failedControls.count) of \(controls) controls passed"
    if !failedControls.isEmpty { text += " (not: \(failedControls.joined(separator: "; ")))" }
    return text
  }

  // MARK: Text

  private static let widths = (fault: 25, way: 30, result: 10, seconds: 7)
  static let lineLength = 100

  /// At most 100 columns; what does not fit is cut.
  static func line(_ row: Row) -> String {
    var line = pad(row.fault?.name ?? "(no fault)", widths.fault)
    line += pad(row.way.text, widths.way)
    line += pad(row.result, widths.result)
    line += pad(left: Tenths.text(row.finding.seconds), widths.seconds) + "  "
    line += row.by
    guard line.count > lineLength else { return trimmed(line) }
    return trimmed(String(line.prefix(lineLength - 1))) + "…"
  }

  static var header: String {
    pad("fault", widths.fault) + pad("way", widths.way) + pad("result", widths.result)
      + pad(left: "seconds", widths.seconds) + "  by"
  }

  private static func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }

  private static func pad(left text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  private static func trimmed(_ text: String) -> String {
    String(text.reversed().drop { $0 == " " }.reversed())
  }

  // MARK: Markdown

  var markdown: [String] {
    var lines = [
      "| planted fault | what is wrong | way | result | seconds | by |",
      "| --- | --- | --- | --- | ---: | --- |",
    ]
    var previous: String?
    for row in rows {
      let isSame = row.fault?.name == previous && previous != nil
      previous = row.fault?.name
      let name = isSame ? "" : row.fault.map { "`\($0.name)`" } ?? "none"
      let text = isSame ? "" : row.fault?.text ?? "the same without a fault"
      lines.append(
        "| \(name) | \(text) | \(row.way.text) | \(row.result) | "
          + "\(Tenths.text(row.finding.seconds)) | \(Self.escaped(row.by)) |")
    }
    return lines
  }

  private static func escaped(_ text: String) -> String {
    String(text.flatMap { $0 == "|" ? Array("\\|") : [$0] })
  }
}
