/// Strings and numbers.
extension JSONCursor {
  @inlinable
  package mutating func string(_ what: String) throws(JSONError) -> String {
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
    throw JSONError(at: at, text: "the line ends within a string")
  }

  @usableFromInline
  func text(_ slice: ArraySlice<UInt8>, from start: Int) throws(JSONError) -> String {
    guard let text = String(validating: slice, as: UTF8.self) else {
      throw JSONError(at: start, text: "a string is not UTF-8")
    }
    return text
  }

  @usableFromInline
  mutating func escapedString(from start: Int) throws(JSONError) -> String {
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
    throw JSONError(at: at, text: "the line ends within a string")
  }

  private mutating func escape() throws(JSONError) -> UnicodeScalar {
    guard at < end else { throw JSONError(at: at, text: "the line ends within a string") }
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
    default: throw JSONError(at: at - 1, text: "there is no such escape in a string of JSON")
    }
  }

  private mutating func unicodeEscape() throws(JSONError) -> UnicodeScalar {
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
    throw JSONError(at: start, text: "half of a surrogate pair stands alone")
  }

  private mutating func fourDigits() throws(JSONError) -> UInt32 {
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

  package static func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
  }

  // MARK: Numbers

  @usableFromInline
  package struct Integer {
    @usableFromInline package let isNegative: Bool
    @usableFromInline package let magnitude: UInt64

    @inlinable
    init(isNegative: Bool, magnitude: UInt64) {
      self.isNegative = isNegative
      self.magnitude = magnitude
    }

    package var signed: Int64? {
      isNegative ? Int64(exactly: -Int128(magnitude)) : Int64(exactly: magnitude)
    }
  }

  /// Whether a number comes next.
  @inlinable
  package mutating func isAtNumber() -> Bool {
    guard let byte = peek() else { return false }
    return byte == UInt8(ascii: "-") || (0x30...0x39).contains(byte)
  }

  /// An integer. Fractions and exponents are refused.
  @inlinable
  package mutating func integer(_ what: String) throws(JSONError) -> Integer {
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
        throw JSONError(at: start, text: "a number is beyond 64 bits")
      }
      number = sum
      at += 1
    }
    guard at > digits, at - digits == 1 || bytes[digits] != 0x30 else { throw unexpected(what) }
    if isAtFraction {
      throw JSONError(
        at: start, text: "a number with a fraction or exponent stands where \(what) should")
    }
    return Integer(isNegative: isNegative, magnitude: number)
  }

  @inlinable
  var isAtFraction: Bool {
    at < end
      && (bytes[at] == UInt8(ascii: ".") || bytes[at] == UInt8(ascii: "e")
        || bytes[at] == UInt8(ascii: "E"))
  }

  /// Any number: where it is in the bytes, and whether it has a fraction or an exponent.
  package mutating func number() throws(JSONError) -> (bytes: Range<Int>, isWhole: Bool) {
    guard peek() != nil else { throw unexpected("a number") }
    let start = at
    if bytes[at] == UInt8(ascii: "-") { at += 1 }
    let digits = at
    try skipDigits()
    guard at - digits == 1 || bytes[digits] != 0x30 else {
      throw JSONError(at: digits, text: "a number begins with 0")
    }
    let isWhole = !isAtFraction
    if at < end, bytes[at] == UInt8(ascii: ".") {
      at += 1
      try skipDigits()
    }
    if at < end, bytes[at] == UInt8(ascii: "e") || bytes[at] == UInt8(ascii: "E") {
      at += 1
      if at < end, bytes[at] == UInt8(ascii: "+") || bytes[at] == UInt8(ascii: "-") { at += 1 }
      try skipDigits()
    }
    return (start..<at, isWhole)
  }

  private mutating func skipDigits() throws(JSONError) {
    let start = at
    while at < end, bytes[at] >= 0x30, bytes[at] <= 0x39 { at += 1 }
    guard at > start else { throw unexpected("a digit") }
  }
}
