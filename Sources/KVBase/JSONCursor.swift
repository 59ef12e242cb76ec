/// Why a text is not the JSON that was expected.
@usableFromInline
package struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The offset of the byte that is wrong; nil where it is no single one.
  package let offset: Int?
  package let text: String

  @usableFromInline
  package init(at offset: Int?, text: String) {
    self.offset = offset
    self.text = text
  }

  @usableFromInline
  package var description: String {
    offset.map { "\(text) at column \($0 + 1)" } ?? text
  }
}

/// Reads JSON (RFC 8259) from a range of bytes: the project's one lexer. `JSON` makes a tree with
/// it, and histories are read with it without one. What is wrong is a `JSONError`, never a trap,
/// and nesting is bounded, so that no input exhausts the stack.
@usableFromInline
package struct JSONCursor {
  @usableFromInline package let bytes: [UInt8]
  @usableFromInline package var at: Int
  @usableFromInline package let end: Int
  /// How many collections may stand around one, so that no input exhausts the stack.
  @usableFromInline let maximumDepth: Int
  @usableFromInline var depth = 0

  package init(_ bytes: [UInt8], from start: Int, to end: Int, maximumDepth: Int) {
    precondition(
      start >= 0 && start <= end && end <= bytes.count, "\(start)..<\(end) of \(bytes.count) bytes")
    self.bytes = bytes
    self.at = start
    self.end = end
    self.maximumDepth = maximumDepth
  }

  // MARK: Tokens

  /// The next byte that is not space; nil at the end.
  @inlinable
  package mutating func peek() -> UInt8? {
    while at < end {
      let byte = bytes[at]
      guard byte == 0x20 || byte == 0x09 || byte == 0x0D || byte == 0x0A else { return byte }
      at += 1
    }
    return nil
  }

  /// Steps over the byte where it comes next.
  @inlinable
  package mutating func skip(_ byte: UInt8) -> Bool {
    guard peek() == byte else { return false }
    at += 1
    return true
  }

  @inlinable
  package mutating func expect(_ byte: UInt8, _ what: String) throws(JSONError) {
    guard peek() == byte else { throw unexpected(what) }
    at += 1
  }

  /// `null`, `true` or `false` in full.
  @inlinable
  package mutating func word(_ word: StaticString) throws(JSONError) {
    let length = word.utf8CodeUnitCount
    guard at + length <= end else { throw unexpected("a value of JSON") }
    for offset in 0..<length {
      guard unsafe bytes[at + offset] == word.utf8Start[offset] else {
        throw unexpected("a value of JSON")
      }
    }
    at += length
  }

  // MARK: Arrays and objects

  /// An array: `element` reads each of its elements.
  @inlinable
  package mutating func array(
    _ element: (inout JSONCursor) throws(JSONError) -> Void
  ) throws(JSONError) {
    try enter(UInt8(ascii: "["), "an array of JSON")
    if !skip(UInt8(ascii: "]")) {
      while true {
        try element(&self)
        if skip(UInt8(ascii: "]")) { break }
        try expect(UInt8(ascii: ","), "a comma or ]")
      }
    }
    depth -= 1
  }

  /// An object: `member` reads each name, with `name()` or in a way of its own up to `colon()`,
  /// and the value.
  @inlinable
  package mutating func object(
    _ member: (inout JSONCursor) throws(JSONError) -> Void
  ) throws(JSONError) {
    try enter(UInt8(ascii: "{"), "an object of JSON")
    if !skip(UInt8(ascii: "}")) {
      while true {
        try member(&self)
        if skip(UInt8(ascii: "}")) { break }
        try expect(UInt8(ascii: ","), "a comma or }")
      }
    }
    depth -= 1
  }

  @inlinable
  package mutating func name() throws(JSONError) -> String {
    let name = try string("the name of a field")
    try colon()
    return name
  }

  @inlinable
  package mutating func colon() throws(JSONError) { try expect(UInt8(ascii: ":"), "a colon") }

  @inlinable
  mutating func enter(_ bracket: UInt8, _ what: String) throws(JSONError) {
    guard peek() == bracket else { throw unexpected(what) }
    guard depth <= maximumDepth else {
      throw JSONError(
        at: at, text: "brackets stand within brackets more than \(maximumDepth) deep")
    }
    depth += 1
    at += 1
  }

  /// Steps over any value.
  package mutating func skipValue() throws(JSONError) {
    switch peek() {
    case UInt8(ascii: "\""): _ = try string("a string")
    case UInt8(ascii: "n"): try word("null")
    case UInt8(ascii: "t"): try word("true")
    case UInt8(ascii: "f"): try word("false")
    case UInt8(ascii: "["):
      try array { (cursor) throws(JSONError) in try cursor.skipValue() }
    case UInt8(ascii: "{"):
      try object { (cursor) throws(JSONError) in
        _ = try cursor.name()
        try cursor.skipValue()
      }
    case _ where isAtNumber(): _ = try number()
    default: throw unexpected("a value of JSON")
    }
  }

  /// The end of the text: nothing but space follows.
  package mutating func finish(_ what: String) throws(JSONError) {
    guard peek() == nil else { throw unexpected(what) }
  }

  // MARK: What is wrong

  @usableFromInline
  package func unexpected(_ expected: String) -> JSONError {
    guard at < end else {
      return JSONError(at: at, text: "the line ends where \(expected) should stand")
    }
    return JSONError(at: at, text: "\(JSONCursor.name(bytes[at])) stands where \(expected) should")
  }

  /// A byte for a message.
  package static func name(_ byte: UInt8) -> String {
    guard byte > 0x20 && byte < 0x7F else { return "byte \(byte)" }
    return String(UnicodeScalar(byte))
  }
}
