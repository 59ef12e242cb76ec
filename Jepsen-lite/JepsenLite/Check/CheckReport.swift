internal import JepsenHistory
internal import KVBase
internal import KVCommandLine

/// What `check` found, for people or for programs.
struct CheckReport {
  var file: String
  var recorded: RecordedHistory
  var readNanoseconds: UInt64
  var model: LinearizabilityChecker.Model
  var isModelGiven: Bool
  var verdict: Verdict
  var decisionNanoseconds: UInt64

  private static let columns = 80

  private var counts: OutcomeCounts { OutcomeCounts(recorded.operations) }
  private var keys: Int { Set(recorded.operations.map(\.key)).count }
  private var processes: Int { Set(recorded.operations.map(\.process)).count }

  var text: String {
    let counts = counts
    let form = recorded.format == .json ? "JSON lines" : "EDN"
    var lines = WitnessPicture.wrapped(
      "\(CheckInput.name(file)): \(Measure.grouped(counts.total)) operations on"
        + " \(Measure.grouped(keys)) \(keys == 1 ? "key" : "keys") by \(Measure.grouped(processes))"
        + " \(processes == 1 ? "process" : "processes"); \(Measure.grouped(recorded.bytes)) bytes"
        + " of \(form) read in \(Self.seconds(readNanoseconds)) s",
      columns: Self.columns)
    var outcomes =
      "\(Measure.grouped(counts.ok)) ok, \(Measure.grouped(counts.mismatched)) found another value,"
      + " \(Measure.grouped(counts.refused)) refused, \(Measure.grouped(counts.unknown)) unknown"
    if recorded.skippedEvents > 0 {
      outcomes += "; \(Measure.grouped(recorded.skippedEvents)) events (nemesis) left out"
    }
    lines += WitnessPicture.wrapped(outcomes, columns: Self.columns, indent: "  ")
    lines.append("  model: \(model.rawValue)" + (isModelGiven ? "" : " (seen from the operations)"))
    lines.append("")
    let decided =
      switch verdict.status {
      case .invalid: ""
      case .unknown: ", given up after \(Self.seconds(decisionNanoseconds)) s"
      case .passed, .violated:
        ", decided in \(Self.seconds(decisionNanoseconds)) s by \(verdict.method)"
      }
    lines += WitnessPicture.wrapped(
      "\(verdict.status.rawValue.uppercased()): \(verdict.name)\(decided)",
      columns: Self.columns)
    lines += WitnessPicture.wrapped(verdict.text, columns: Self.columns, indent: "  ")
    if let witness = verdict.witness {
      let count = witness.operations.count
      lines.append("")
      let key = witness.key.isEmpty ? "\"\"" : witness.key
      lines += WitnessPicture.wrapped(
        "Witness: \(count) \(count == 1 ? "operation" : "operations") on key \(key)",
        columns: Self.columns)
      lines.append("")
      lines.append(WitnessPicture.text(witness, columns: Self.columns))
    }
    return Self.harmless(lines.joined(separator: "\n"))
  }

  /// What a key or a value holds is data, and tells the terminal nothing.
  private static func harmless(_ text: String) -> String {
    func isControl(_ scalar: UnicodeScalar) -> Bool {
      scalar.properties.generalCategory == .control && scalar != "\n"
    }
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    var shown = String.UnicodeScalarView()
    for scalar in text.unicodeScalars { shown.append(isControl(scalar) ? "\u{FFFD}" : scalar) }
    return String(shown)
  }

  var json: String {
    let counts = counts
    var fields: [(String, String)] = [
      ("file", JSON.quoted(file)),
      ("format", JSON.quoted(recorded.format.rawValue)),
      ("bytes", "\(recorded.bytes)"),
      ("operations", "\(counts.total)"),
      ("keys", "\(keys)"),
      ("processes", "\(processes)"),
      ("ok", "\(counts.ok)"),
      ("mismatched", "\(counts.mismatched)"),
      ("refused", "\(counts.refused)"),
      ("unknown", "\(counts.unknown)"),
      ("skipped_events", "\(recorded.skippedEvents)"),
      ("read_seconds", Self.seconds(readNanoseconds)),
      ("model", JSON.quoted(model.rawValue)),
      ("check", JSON.quoted(verdict.name)),
      ("verdict", JSON.quoted(verdict.status.rawValue)),
      ("method", JSON.quoted(verdict.method)),
      ("decision_seconds", Self.seconds(decisionNanoseconds)),
      ("text", JSON.quoted(verdict.text)),
    ]
    fields.append(("witness", verdict.witness.map(Self.json) ?? "null"))
    return "{" + fields.map { "\(JSON.quoted($0.0)):\($0.1)" }.joined(separator: ",") + "}"
  }

  private static func json(_ witness: Witness) -> String {
    let operations = witness.operations.map(\.jsonLine).joined(separator: ",")
    let sentences = witness.explanation.map(JSON.quoted).joined(separator: ",")
    return "{\"key\":\(JSON.quoted(witness.key)),\"operations\":[\(operations)],"
      + "\"explanation\":[\(sentences)]}"
  }

  /// Seconds with three digits after the point.
  private static func seconds(_ nanoseconds: UInt64) -> String {
    let milliseconds = String(nanoseconds / 1_000_000 % 1000)
    return "\(nanoseconds / 1_000_000_000)."
      + String(repeating: "0", count: 3 - milliseconds.count) + milliseconds
  }
}
