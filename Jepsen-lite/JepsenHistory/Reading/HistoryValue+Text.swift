internal import KVBase

extension HistoryValue {
  /// A value that somebody typed: `null` (or `nil`) for absent, JSON where it begins with a
  /// quote or a bracket. A number is a number where the history has numbers, and else text.
  package static func typed(
    _ text: String, like history: [HistoryOperation]
  ) throws(HistoryProblem) -> HistoryValue? {
    if text == "null" || text == "nil" { return nil }
    if let first = text.utf8.first, Array("\"[{".utf8).contains(first) {
      let bytes = Array(text.utf8)
      var cursor = JSONCursor(
        bytes, from: 0, to: bytes.count, maximumDepth: ReadingLimits().depth)
      do throws(JSONError) {
        let value = try cursor.value()
        try cursor.finish("the end")
        return value
      } catch {
        throw HistoryProblem(line: 1, column: error.offset.map { $0 + 1 }, text: error.text)
      }
    }
    guard let number = Int64(text) else { return .text(text) }
    // A register may be compared with a number, or answer one, and never hold one that is seen.
    let hasNumbers = history.contains { operation in
      [operation.value, operation.expected, operation.result].contains { $0?.hasNumbers ?? false }
    }
    return hasNumbers ? .integer(number) : .text(text)
  }

  private var hasNumbers: Bool {
    switch self {
    case .integer: true
    case .text: false
    case .list(let elements): elements.contains { $0.hasNumbers }
    case .map(let fields): fields.contains { $0.value.hasNumbers }
    }
  }
}
