internal import KVBase

extension HistoryOperation {
  /// What was done and seen, in few words: `write 5`, `read -> absent`, `cas 1 -> 2 (outcome
  /// unknown)`.
  package var words: String {
    let answered = outcome == .ok
    var words: String
    switch kind {
    case .read: words = answered ? "read -> \(Self.short(value))" : "read"
    case .scan: words = answered ? "scan -> \(Self.short(value))" : "scan"
    case .generate: words = answered ? "id -> \(Self.short(value))" : "id"
    case .write: words = "write \(Self.short(value))"
    case .cas: words = "cas \(Self.short(expected)) -> \(Self.short(value))"
    case .delete, .release: words = kind.rawValue
    case .add, .append: words = "\(kind.rawValue) \(Self.short(value))"
    case .transfer: words = Self.transfer(value)
    case .acquire: words = "acquire"
    }
    if answered, let result { words += " -> \(Self.short(result))" }
    switch outcome {
    case .ok: break
    case .mismatch: words += " (found another)"
    case .refused: words += " (refused)"
    case .unknown: words += " (outcome unknown)"
    }
    return words
  }

  /// `process 1's read -> 3.45 (begun at 9.074881037 s)`.
  var mention: String {
    "process \(process)'s \(words) (begun at \(TimeText.text(startNanoseconds)))"
  }

  private static func short(_ value: HistoryValue?) -> String {
    guard let value else { return "absent" }
    switch value {
    case .text(let text): return cut(text)
    case .integer(let number): return String(number)
    case .list(let elements):
      // The end of a list is where it differs.
      let shown = elements.suffix(6).map { short($0) }.joined(separator: " ")
      return "[" + (elements.count > 6 ? "\(elements.count - 6) more, " : "") + shown + "]"
    case .map(let fields):
      let shown = fields.prefix(6).map { "\(cut($0.name)): \(short($0.value))" }
      let more = fields.count > 6 ? ", \(fields.count - 6) more" : ""
      return "{" + shown.joined(separator: ", ") + more + "}"
    }
  }

  private static func transfer(_ value: HistoryValue?) -> String {
    guard case .map(let fields) = value else { return "transfer \(short(value))" }
    func part(_ name: String) -> String { short(fields.first { $0.name == name }?.value) }
    return "transfer \(part("amount")) from \(part("from")) to \(part("to"))"
  }

  /// Text on one line, not too long.
  private static func cut(_ text: String) -> String {
    let quoted = JSON.quoted(text)
    let shown = quoted.utf8.count == text.utf8.count + 2 ? text : quoted
    return shown.count > 24 ? String(shown.prefix(23)) + "…" : shown
  }
}

/// Lengths of time for people.
package enum TimeText {
  /// Nanoseconds in the unit that suits `scale`, the longest time beside it.
  package static func text(_ nanoseconds: UInt64, scale: UInt64? = nil) -> String {
    let units: [(least: UInt64, name: String)] = [
      (10_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"),
    ]
    let scale = scale ?? nanoseconds
    for (least, name) in units where scale >= least {
      let unit: UInt64 = name == "s" ? 1_000_000_000 : least
      let thousandths = nanoseconds / (unit / 1000)
      let fraction = String(thousandths % 1000)
      return "\(thousandths / 1000)." + String(repeating: "0", count: 3 - fraction.count) + fraction
        + " " + name
    }
    return "\(nanoseconds) ns"
  }
}
