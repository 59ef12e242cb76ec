/// A JSON value, written on one line. Objects keep the order of their members. Every JSON text that
/// is written gets its strings from here.
package enum JSON: Hashable, Sendable {
  case null
  case bool(Bool)
  case integer(Int64)
  case unsigned(UInt64)
  case number(Double)
  case text(String)
  case array([JSON])
  case object([Member])

  package struct Member: Hashable, Sendable {
    package var name: String
    package var value: JSON
    package init(_ name: String, _ value: JSON) {
      self.name = name
      self.value = value
    }
  }

  package static func object(_ members: KeyValuePairs<String, JSON>) -> JSON {
    .object(members.map { Member($0.key, $0.value) })
  }

  package subscript(name: String) -> JSON? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name == name }?.value
  }

  package var line: String {
    var out: [UInt8] = []
    write(into: &out)
    return String(decoding: out, as: UTF8.self)
  }

  package func write(into out: inout [UInt8]) {
    switch self {
    case .null: out += "null".utf8
    case .bool(let value): out += (value ? "true" : "false").utf8
    case .integer(let value): out += String(value).utf8
    case .unsigned(let value): out += String(value).utf8
    case .number(let value): out += (value.isFinite ? String(value) : "null").utf8
    case .text(let text): Self.write(text, into: &out)
    case .array(let values):
      out.append(UInt8(ascii: "["))
      for (index, value) in values.enumerated() {
        if index > 0 { out.append(UInt8(ascii: ",")) }
        value.write(into: &out)
      }
      out.append(UInt8(ascii: "]"))
    case .object(let members):
      out.append(UInt8(ascii: "{"))
      for (index, member) in members.enumerated() {
        if index > 0 { out.append(UInt8(ascii: ",")) }
        Self.write(member.name, into: &out)
        out.append(UInt8(ascii: ":"))
        member.value.write(into: &out)
      }
      out.append(UInt8(ascii: "}"))
    }
  }

  // MARK: Texts

  /// A text as JSON, with its quotes.
  package static func quoted(_ text: String) -> String {
    if !text.utf8.contains(where: mustEscape) { return "\"" + text + "\"" }
    var out: [UInt8] = []
    write(text, into: &out)
    return String(decoding: out, as: UTF8.self)
  }

  private static func mustEscape(_ byte: UInt8) -> Bool {
    byte < 32 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 127
  }

  private static func write(_ text: String, into out: inout [UInt8]) {
    let digits = Array("0123456789abcdef".utf8)
    out.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""): out += "\\\"".utf8
      case UInt8(ascii: "\\"): out += "\\\\".utf8
      case UInt8(ascii: "\n"): out += "\\n".utf8
      case UInt8(ascii: "\r"): out += "\\r".utf8
      case UInt8(ascii: "\t"): out += "\\t".utf8
      case 0..<32, 127:
        out += "\\u00".utf8
        out.append(digits[Int(byte >> 4)])
        out.append(digits[Int(byte & 15)])
      default: out.append(byte)
      }
    }
    out.append(UInt8(ascii: "\""))
  }
}

extension JSON {
  /// How deep arrays and objects may stand in each other; deeper ones are refused.
  private static let maximumDepth = 64

  /// The value that `text` is.
  package init(parsing text: some Sequence<UInt8>) throws(JSONError) {
    let bytes = Array(text)
    var cursor = JSONCursor(bytes, from: 0, to: bytes.count, maximumDepth: Self.maximumDepth)
    self = try Self.value(&cursor)
    try cursor.finish("the end of the text")
  }

  private static func value(_ cursor: inout JSONCursor) throws(JSONError) -> JSON {
    switch cursor.peek() {
    case UInt8(ascii: "{"):
      var members: [Member] = []
      try cursor.object { (cursor) throws(JSONError) in
        let name = try cursor.name()
        members.append(Member(name, try value(&cursor)))
      }
      return .object(members)
    case UInt8(ascii: "["):
      var values: [JSON] = []
      try cursor.array { (cursor) throws(JSONError) in values.append(try value(&cursor)) }
      return .array(values)
    case UInt8(ascii: "\""): return .text(try cursor.string("a string"))
    case UInt8(ascii: "t"):
      try cursor.word("true")
      return .bool(true)
    case UInt8(ascii: "f"):
      try cursor.word("false")
      return .bool(false)
    case UInt8(ascii: "n"):
      try cursor.word("null")
      return .null
    case _ where cursor.isAtNumber(): return try number(&cursor)
    default: throw cursor.unexpected("a value of JSON")
    }
  }

  private static func number(_ cursor: inout JSONCursor) throws(JSONError) -> JSON {
    let (range, isWhole) = try cursor.number()
    let text = String(decoding: cursor.bytes[range], as: UTF8.self)
    if isWhole, let integer = Int64(text) { return .integer(integer) }
    if isWhole, let unsigned = UInt64(text) { return .unsigned(unsigned) }
    guard let number = Double(text), number.isFinite else {
      throw JSONError(at: range.lowerBound, text: "a number is too large")
    }
    return .number(number)
  }
}
