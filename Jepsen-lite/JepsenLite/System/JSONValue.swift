/// A value of JSON, as systems under test answer. Numbers are integers; one with a fraction or an
/// exponent is kept as text.
enum JSONValue: Hashable, Sendable {
  case null
  case bool(Bool)
  case integer(Int)
  case text(String)
  case list([JSONValue])
  case object([String: JSONValue])

  private static let deepest = 64

  /// `nil`: not JSON.
  init?(_ bytes: some Collection<UInt8>) {
    var parser = Parser(rest: Array(bytes)[...])
    guard let value = parser.value(depth: 0) else { return nil }
    parser.skipSpace()
    guard parser.rest.isEmpty else { return nil }
    self = value
  }

  subscript(name: String) -> JSONValue? {
    if case .object(let fields) = self { fields[name] } else { nil }
  }

  var text: String? {
    if case .text(let text) = self { text } else { nil }
  }

  /// An integer, or a text that is one: 64-bit numbers are often sent as text.
  var integer: Int? {
    switch self {
    case .integer(let number): number
    case .text(let text): Int(text)
    default: nil
    }
  }

  var list: [JSONValue]? {
    if case .list(let elements) = self { elements } else { nil }
  }

  private struct Parser {
    var rest: ArraySlice<UInt8>

    mutating func skipSpace() {
      while let byte = rest.first, byte == 32 || (9...13).contains(byte) { rest.removeFirst() }
    }

    private mutating func take(_ byte: Character) -> Bool {
      guard let wanted = byte.asciiValue, rest.first == wanted else { return false }
      rest.removeFirst()
      return true
    }

    private mutating func take(word: String) -> Bool {
      guard rest.starts(with: word.utf8) else { return false }
      rest.removeFirst(word.utf8.count)
      return true
    }

    mutating func value(depth: Int) -> JSONValue? {
      guard depth < JSONValue.deepest else { return nil }
      skipSpace()
      switch rest.first {
      case UInt8(ascii: "{"): return object(depth: depth)
      case UInt8(ascii: "["): return list(depth: depth)
      case UInt8(ascii: "\""): return text().map { .text($0) }
      case UInt8(ascii: "t"): return take(word: "true") ? .bool(true) : nil
      case UInt8(ascii: "f"): return take(word: "false") ? .bool(false) : nil
      case UInt8(ascii: "n"): return take(word: "null") ? .null : nil
      default: return number()
      }
    }

    private mutating func number() -> JSONValue? {
      let digits = rest.prefix {
        (48...57).contains($0) || "+-.eE".utf8.contains($0)
      }
      guard !digits.isEmpty else { return nil }
      rest.removeFirst(digits.count)
      let text = String(decoding: digits, as: UTF8.self)
      return Int(text).map { .integer($0) } ?? .text(text)
    }

    private mutating func object(depth: Int) -> JSONValue? {
      _ = take("{")
      var fields: [String: JSONValue] = [:]
      skipSpace()
      if take("}") { return .object(fields) }
      while true {
        skipSpace()
        guard let name = text() else { return nil }
        skipSpace()
        guard take(":"), let field = value(depth: depth + 1) else { return nil }
        fields[name] = field
        skipSpace()
        if take("}") { return .object(fields) }
        guard take(",") else { return nil }
      }
    }

    private mutating func list(depth: Int) -> JSONValue? {
      _ = take("[")
      var elements: [JSONValue] = []
      skipSpace()
      if take("]") { return .list(elements) }
      while true {
        guard let element = value(depth: depth + 1) else { return nil }
        elements.append(element)
        skipSpace()
        if take("]") { return .list(elements) }
        guard take(",") else { return nil }
      }
    }

    private mutating func text() -> String? {
      guard take("\"") else { return nil }
      var bytes: [UInt8] = []
      while let byte = rest.popFirst() {
        switch byte {
        case UInt8(ascii: "\""): return String(decoding: bytes, as: UTF8.self)
        case UInt8(ascii: "\\"):
          guard let escaped = escape() else { return nil }
          bytes += Array(String(escaped).utf8)
        default: bytes.append(byte)
        }
      }
      return nil
    }

    private mutating func escape() -> Character? {
      switch rest.popFirst() {
      case UInt8(ascii: "n"): return "\n"
      case UInt8(ascii: "t"): return "\t"
      case UInt8(ascii: "r"): return "\r"
      case UInt8(ascii: "b"): return "\u{8}"
      case UInt8(ascii: "f"): return "\u{c}"
      case UInt8(ascii: "u"):
        let digits = String(decoding: rest.prefix(4), as: UTF8.self)
        rest = rest.dropFirst(4)
        // Half of a surrogate pair becomes the sign for what can't be shown.
        return UInt32(digits, radix: 16).map { Character(Unicode.Scalar($0) ?? "\u{fffd}") }
      case let byte?: return Character(Unicode.Scalar(byte))
      case nil: return nil
      }
    }
  }
}
