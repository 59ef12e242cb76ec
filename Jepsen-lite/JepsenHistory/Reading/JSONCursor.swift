/// Takes values of JSON (RFC 8259) out of one line of bytes. Trusts nothing: what is wrong is a
/// `ByteProblem`, never a trap.
struct JSONCursor {
  let bytes: [UInt8]
  var at: Int
  /// Where the line ends.
  let end: Int
  let maximumDepth: Int

  init(_ bytes: [UInt8], from start: Int, to end: Int, maximumDepth: Int) {
    precondition(
      start <= end && end <= bytes.count, "a line at \(start)..<\(end) of \(bytes.count) bytes")
    self.bytes = bytes
    self.at = start
    self.end = end
    self.maximumDepth = maximumDepth
  }

  /// The next byte that is not space; `nil` at the end of the line.
  mutating func peek() -> UInt8? {
    while at < end {
      let byte = bytes[at]
      guard byte == 0x20 || byte == 0x09 || byte == 0x0D || byte == 0x0A else { return byte }
      at += 1
    }
    return nil
  }

  mutating func expect(_ byte: UInt8, _ what: String) throws(ByteProblem) {
    guard peek() == byte else { throw unexpected(what) }
    at += 1
  }

  /// Takes the byte where it comes next.
  mutating func take(_ byte: UInt8) -> Bool {
    guard peek() == byte else { return false }
    at += 1
    return true
  }

  func unexpected(_ wanted: String) -> ByteProblem {
    guard at < end else {
      return ByteProblem(at: at, text: "the line ends where \(wanted) should stand")
    }
    return ByteProblem(at: at, text: "\(JSONCursor.name(bytes[at])) stands where \(wanted) should")
  }

  static func name(_ byte: UInt8) -> String {
    guard byte > 0x20 && byte < 0x7F else { return "byte \(byte)" }
    return String(UnicodeScalar(byte))
  }

  /// A string: its text.
  mutating func string(_ what: String) throws(ByteProblem) -> String {
    try expect(UInt8(ascii: "\""), what)
    let start = at
    while at < end {
      let byte = bytes[at]
      if byte == UInt8(ascii: "\"") {
        defer { at += 1 }
        return try text(bytes[start..<at], from: start)
      }
      if byte == UInt8(ascii: "\\") { return try escapedString(from: start) }
      guard byte >= 0x20 else { throw unexpected("a character of a string") }
      at += 1
    }
    throw ByteProblem(at: at, text: "the line ends within a string")
  }

  private func text(_ slice: ArraySlice<UInt8>, from start: Int) throws(ByteProblem) -> String {
    guard let text = String(validating: slice, as: UTF8.self) else {
      throw ByteProblem(at: start, text: "a string is not UTF-8")
    }
    return text
  }

  private mutating func escapedString(from start: Int) throws(ByteProblem) -> String {
    var out = Array(bytes[start..<at])
    while at < end {
      let byte = bytes[at]
      at += 1
      switch byte {
      case UInt8(ascii: "\""): return try text(out[...], from: start)
      case UInt8(ascii: "\\"):
        let scalar = try escape()
        out.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
      case 0..<0x20:
        at -= 1
        throw unexpected("a character of a string")
      default: out.append(byte)
      }
    }
    throw ByteProblem(at: at, text: "the line ends within a string")
  }

  private mutating func escape() throws(ByteProblem) -> UnicodeScalar {
    guard at < end else { throw ByteProblem(at: at, text: "the line ends within a string") }
    at += 1
    switch bytes[at - 1] {
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "/"): return "/"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): return try unicodeEscape()
    default: throw ByteProblem(at: at - 1, text: "there is no such escape in a string of JSON")
    }
  }

  private mutating func unicodeEscape() throws(ByteProblem) -> UnicodeScalar {
    let start = at
    let first = try fourDigits()
    if let scalar = UnicodeScalar(first) { return scalar }
    if first < 0xDC00, at + 1 < end, bytes[at] == UInt8(ascii: "\\"),
      bytes[at + 1] == UInt8(ascii: "u")
    {
      at += 2
      let second = try fourDigits()
      if (0xDC00..<0xE000).contains(second),
        let scalar = UnicodeScalar(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
      {
        return scalar
      }
    }
    throw ByteProblem(at: start, text: "half of a surrogate pair stands alone")
  }

  private mutating func fourDigits() throws(ByteProblem) -> UInt32 {
    var number: UInt32 = 0
    for _ in 0..<4 {
      guard at < end, let digit = Self.hexDigit(bytes[at]) else {
        throw unexpected("one of four hexadecimal digits")
      }
      number = number << 4 | UInt32(digit)
      at += 1
    }
    return number
  }

  static func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
  }

  struct Number {
    var isNegative: Bool
    var magnitude: UInt64

    var signed: Int64? {
      isNegative ? Int64(exactly: -Int128(magnitude)) : Int64(exactly: magnitude)
    }
  }

  /// An integer. Fractions and exponents are refused: times and values are whole.
  mutating func integer(_ what: String) throws(ByteProblem) -> Number {
    guard let first = peek() else { throw unexpected(what) }
    let start = at
    let isNegative = first == UInt8(ascii: "-")
    if isNegative { at += 1 }
    let digits = at
    var number: UInt64 = 0
    while at < end, bytes[at] >= 0x30, bytes[at] <= 0x39 {
      let (product, overflow) = number.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(UInt64(bytes[at] - 0x30))
      guard !overflow, !carry else {
        throw ByteProblem(at: start, text: "a number is beyond 64 bits")
      }
      number = sum
      at += 1
    }
    guard at > digits, at - digits == 1 || bytes[digits] != 0x30 else { throw unexpected(what) }
    if at < end, [UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E")].contains(bytes[at]) {
      throw ByteProblem(
        at: start,
        text: "a number with a fraction or exponent stands where \(what)"
          + " should")
    }
    return Number(isNegative: isNegative, magnitude: number)
  }

  /// `null`, `true` or `false` in full.
  mutating func word(_ word: String) throws(ByteProblem) {
    let length = word.utf8.count
    guard at + length <= end, bytes[at..<at + length].elementsEqual(word.utf8) else {
      throw unexpected("a value of JSON")
    }
    at += length
  }

  /// Whether a number comes next.
  mutating func isAtNumber() -> Bool {
    guard let byte = peek() else { return false }
    return byte == UInt8(ascii: "-") || (0x30...0x39).contains(byte)
  }
}
