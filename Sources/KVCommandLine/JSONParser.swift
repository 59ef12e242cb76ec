/// Why a text is not JSON.
package struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
  package var description: String
  init(_ what: String, at offset: Int) { description = "\(what) at column \(offset + 1)" }
}

extension JSON {
  /// The value that `text` is. Nesting is bounded, so that no input exhausts the stack.
  package init(parsing text: some Sequence<UInt8>) throws(JSONError) {
    var parser = JSONParser(bytes: Array(text))
    self = try parser.whole()
  }
}

private struct JSONParser {
  let bytes: [UInt8]
  var at = 0
  static let depthLimit = 64

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func whole() throws(JSONError) -> JSON {
    let value = try value(depth: 0)
    skipSpace()
    guard at == bytes.count else { throw JSONError("something behind the value", at: at) }
    return value
  }

  private mutating func skipSpace() {
    while at < bytes.count, [32, 9, 10, 13].contains(bytes[at]) { at += 1 }
  }

  private func peek() -> UInt8? { at < bytes.count ? bytes[at] : nil }

  private mutating func value(depth: Int) throws(JSONError) -> JSON {
    guard depth < Self.depthLimit else { throw JSONError("nested too deeply", at: at) }
    skipSpace()
    switch peek() {
    case UInt8(ascii: "{"): return try object(depth)
    case UInt8(ascii: "["): return try array(depth)
    case UInt8(ascii: "\""): return .text(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case nil: throw JSONError("the end of the line instead of a value", at: at)
    default: return try number()
    }
  }

  private mutating func word(_ word: String, _ value: JSON) throws(JSONError) -> JSON {
    guard bytes[at...].starts(with: word.utf8) else { throw JSONError("no JSON value", at: at) }
    at += word.utf8.count
    return value
  }

  private mutating func number() throws(JSONError) -> JSON {
    let start = at
    while let byte = peek(), "+-.0123456789eE".utf8.contains(byte) { at += 1 }
    let text = String(decoding: bytes[start..<at], as: UTF8.self)
    if let integer = Int64(text), text.first != "+" { return .integer(integer) }
    if let unsigned = UInt64(text), text.first != "+" { return .unsigned(unsigned) }
    guard let number = Double(text), number.isFinite, text.first != "+", text.first != "." else {
      throw JSONError("no JSON value", at: start)
    }
    return .number(number)
  }

  private mutating func array(_ depth: Int) throws(JSONError) -> JSON {
    at += 1
    var values: [JSON] = []
    skipSpace()
    if peek() == UInt8(ascii: "]") {
      at += 1
      return .array([])
    }
    while true {
      values.append(try value(depth: depth + 1))
      if try isLast(UInt8(ascii: "]")) { return .array(values) }
    }
  }

  private mutating func object(_ depth: Int) throws(JSONError) -> JSON {
    at += 1
    var members: [JSON.Member] = []
    skipSpace()
    if peek() == UInt8(ascii: "}") {
      at += 1
      return .object([] as [JSON.Member])
    }
    while true {
      skipSpace()
      guard peek() == UInt8(ascii: "\"") else { throw JSONError("no name of a member", at: at) }
      let name = try string()
      skipSpace()
      guard peek() == UInt8(ascii: ":") else { throw JSONError("no ':'", at: at) }
      at += 1
      members.append(JSON.Member(name, try value(depth: depth + 1)))
      if try isLast(UInt8(ascii: "}")) { return .object(members) }
    }
  }

  private mutating func isLast(_ end: UInt8) throws(JSONError) -> Bool {
    skipSpace()
    let byte = peek()
    guard byte == end || byte == UInt8(ascii: ",") else {
      throw JSONError("neither ',' nor '\(Character(UnicodeScalar(end)))'", at: at)
    }
    at += 1
    return byte == end
  }

  private mutating func string() throws(JSONError) -> String {
    let start = at
    at += 1
    var out: [UInt8] = []
    while let byte = peek() {
      at += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let text = String(validating: out, as: UTF8.self) else {
          throw JSONError("text that is not UTF-8", at: start)
        }
        return text
      case UInt8(ascii: "\\"): try escape(into: &out)
      case 0..<32: throw JSONError("a control character in a text", at: at - 1)
      default: out.append(byte)
      }
    }
    throw JSONError("a text without an end", at: start)
  }

  private mutating func escape(into out: inout [UInt8]) throws(JSONError) {
    guard let byte = peek() else { throw JSONError("a text without an end", at: at) }
    at += 1
    switch byte {
    case UInt8(ascii: "n"): out.append(10)
    case UInt8(ascii: "r"): out.append(13)
    case UInt8(ascii: "t"): out.append(9)
    case UInt8(ascii: "b"): out.append(8)
    case UInt8(ascii: "f"): out.append(12)
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): out.append(byte)
    case UInt8(ascii: "u"):
      var scalar = try hexadecimal()
      if (0xD800..<0xDC00).contains(scalar) {
        guard peek() == UInt8(ascii: "\\"), at + 1 < bytes.count, bytes[at + 1] == UInt8(ascii: "u")
        else { throw JSONError("half a surrogate pair", at: at) }
        at += 2
        let low = try hexadecimal()
        guard (0xDC00..<0xE000).contains(low) else {
          throw JSONError("half a surrogate pair", at: at)
        }
        scalar = 0x10000 + (scalar - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let character = UnicodeScalar(scalar) else {
        throw JSONError("half a surrogate pair", at: at)
      }
      out += String(Character(character)).utf8
    default: throw JSONError("an unknown escape", at: at - 1)
    }
  }

  private mutating func hexadecimal() throws(JSONError) -> UInt32 {
    guard at + 4 <= bytes.count,
      let value = UInt32(String(decoding: bytes[at..<at + 4], as: UTF8.self), radix: 16)
    else { throw JSONError("no four hexadecimal digits", at: at) }
    at += 4
    return value
  }
}
