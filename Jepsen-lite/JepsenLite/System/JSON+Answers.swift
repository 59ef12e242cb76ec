internal import KVBase

/// How answers of systems under test are looked at.
extension JSON {
  var text: String? {
    if case .text(let text) = self { text } else { nil }
  }

  /// An integer, or a text that is one: 64-bit numbers are often sent as text.
  var integer: Int? {
    switch self {
    case .integer(let number): Int(exactly: number)
    case .text(let text): Int(text)
    default: nil
    }
  }

  var list: [JSON]? {
    if case .array(let elements) = self { elements } else { nil }
  }
}
