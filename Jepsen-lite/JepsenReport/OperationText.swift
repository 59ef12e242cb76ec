package import JepsenHistory

extension HistoryOperation {
  /// What was asked and what came of it, in few letters: `write 17`, `read → 12`, `cas 3 → 4: no`.
  package var brief: String {
    func shown(_ value: HistoryValue?) -> String { value?.brief ?? "nothing" }
    let isKnown = outcome == .ok
    let what: String =
      switch kind {
      case .read: isKnown ? "read → \(shown(value))" : "read"
      case .write: "write \(shown(value))"
      case .cas: "cas \(shown(expected)) → \(shown(value))"
      case .delete: "delete"
      case .add: "add \(shown(value))" + (result.map { " → \($0.brief)" } ?? "")
      case .append: "append \(shown(value))"
      case .transfer: "transfer \(shown(value))"
      case .scan: isKnown ? "scan → \(shown(value))" : "scan"
      case .generate: "generate" + (value.map { " → \($0.brief)" } ?? "")
      case .acquire: "acquire" + (result.map { " → token \($0.brief)" } ?? "")
      case .release: "release"
      }
    switch outcome {
    case .ok: return what
    case .mismatch: return what + ": no"
    case .refused: return what + ": refused"
    case .unknown: return what + " ?"
    }
  }
}

extension HistoryValue {
  package var brief: String {
    switch self {
    case .text(let text): text.count <= 24 ? text : text.prefix(22) + "…"
    case .integer(let number): String(number)
    case .list(let elements):
      elements.count <= 6
        ? "[" + elements.map(\.brief).joined(separator: " ") + "]"
        : "[\(elements.count) elements … "
          + elements.suffix(3).map(\.brief).joined(separator: " ") + "]"
    case .map(let fields):
      "{"
        + fields.prefix(6).map { "\($0.name) \($0.value.brief)" }.joined(separator: ", ")
        + (fields.count > 6 ? ", …}" : "}")
    }
  }
}
