internal import KVBase

/// Takes forms of EDN out of bytes. What is wrong is a `ByteProblem`, never a trap; where more
/// bytes could mend it, the problem says so.
struct EDNCursor {
  let bytes: [UInt8]
  var at: Int
  let maximumDepth: Int
  /// No more bytes will come.
  let isLast: Bool

  init(_ bytes: [UInt8], from start: Int, maximumDepth: Int, isLast: Bool) {
    precondition(start <= bytes.count, "a form at \(start) of \(bytes.count) bytes")
    self.bytes = bytes
    self.at = start
    self.maximumDepth = maximumDepth
    self.isLast = isLast
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte <= 0x20 || byte == UInt8(ascii: ",") }

  /// Whether a symbol, a keyword or a number ends before this byte.
  private static func isDelimiter(_ byte: UInt8) -> Bool {
    if isSpace(byte) { return true }
    switch byte {
    case UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "["), UInt8(ascii: "]"),
      UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: "\""), UInt8(ascii: ";"):
      return true
    default: return false
    }
  }

  /// The next byte that is neither space nor within a comment; `nil` at the end.
  mutating func peek() -> UInt8? {
    while at < bytes.count {
      if bytes[at] == UInt8(ascii: ";") {
        let start = at
        while at < bytes.count, bytes[at] != UInt8(ascii: "\n") { at += 1 }
        if at == bytes.count && !isLast {
          // The rest of the comment is still to come, and must be known as one.
          at = start
          return nil
        }
      } else if Self.isSpace(bytes[at]) {
        at += 1
      } else {
        return bytes[at]
      }
    }
    return nil
  }

  private func ended(_ what: String) -> ByteProblem {
    ByteProblem(at: at, text: "the history ends within \(what)", isIncomplete: !isLast)
  }

  /// The next form. Discarded ones (`#_`) before it are walked over.
  mutating func form(depth: Int = 0) throws(ByteProblem) -> EDNForm {
    guard depth <= maximumDepth else {
      throw ByteProblem(
        at: at, text: "brackets stand within brackets more than \(maximumDepth) deep")
    }
    while true {
      guard let byte = peek() else { throw ended("a form of EDN") }
      switch byte {
      case UInt8(ascii: "{"): return .map(try pairs(depth))
      case UInt8(ascii: "["): return .sequence(try elements(UInt8(ascii: "]"), depth))
      case UInt8(ascii: "("): return .sequence(try elements(UInt8(ascii: ")"), depth))
      case UInt8(ascii: "\""): return .string(try string())
      case UInt8(ascii: "\\"): return .string(try character())
      case UInt8(ascii: "#"):
        if let form = try dispatch(depth) { return form }
      case UInt8(ascii: "}"), UInt8(ascii: "]"), UInt8(ascii: ")"):
        throw ByteProblem(
          at: at, text: "\(JSONCursor.name(byte)) stands where a form of EDN should")
      default: return try atom()
      }
    }
  }

  /// Forms up to the closing bracket; `at` is at the opening one.
  private mutating func elements(
    _ closing: UInt8, _ depth: Int
  ) throws(ByteProblem) -> [EDNForm] {
    at += 1
    var elements: [EDNForm] = []
    while true {
      guard let byte = try peekPastDiscarded(depth) else { throw ended("brackets") }
      if byte == closing {
        at += 1
        return elements
      }
      elements.append(try form(depth: depth + 1))
    }
  }

  /// A discarded form may be the last within brackets, where `form` would find no other.
  mutating func peekPastDiscarded(_ depth: Int = 0) throws(ByteProblem) -> UInt8? {
    while let byte = peek() {
      guard byte == UInt8(ascii: "#") else { return byte }
      guard at + 1 < bytes.count else { throw ended("a tag") }
      guard bytes[at + 1] == UInt8(ascii: "_") else { return byte }
      at += 2
      _ = try form(depth: depth + 1)
    }
    return nil
  }

  private mutating func pairs(_ depth: Int) throws(ByteProblem) -> [EDNPair] {
    let start = at
    let forms = try elements(UInt8(ascii: "}"), depth)
    guard forms.count.isMultiple(of: 2) else {
      throw ByteProblem(at: start, text: "a map has a key without a value")
    }
    return stride(from: 0, to: forms.count, by: 2).map {
      EDNPair(key: forms[$0], value: forms[$0 + 1])
    }
  }

  /// What begins with `#`; `nil` where it was a discarded form.
  private mutating func dispatch(_ depth: Int) throws(ByteProblem) -> EDNForm? {
    guard at + 1 < bytes.count else { throw ended("a tag") }
    switch bytes[at + 1] {
    case UInt8(ascii: "{"):
      at += 1
      return .set(try elements(UInt8(ascii: "}"), depth))
    case UInt8(ascii: "_"):
      at += 2
      _ = try form(depth: depth + 1)
      return nil
    case UInt8(ascii: "#"):
      at += 2
      return .otherNumber("##" + (try token()))
    default:
      at += 1
      let start = at
      let tag = try token()
      guard !tag.isEmpty else { throw ByteProblem(at: start, text: "a tag has no name") }
      return .tagged(tag, try form(depth: depth + 1))
    }
  }

  /// The bytes up to the next delimiter.
  private mutating func token() throws(ByteProblem) -> String {
    let start = at
    while at < bytes.count, !Self.isDelimiter(bytes[at]) { at += 1 }
    guard at < bytes.count || isLast else { throw ended("a word") }
    guard let text = String(validating: bytes[start..<at], as: UTF8.self) else {
      throw ByteProblem(at: start, text: "a word is not UTF-8")
    }
    return text
  }

  private mutating func atom() throws(ByteProblem) -> EDNForm {
    let start = at
    let first = bytes[at]
    let isSigned = first == UInt8(ascii: "-") || first == UInt8(ascii: "+")
    let word = try token()
    if (0x30...0x39).contains(first) || (isSigned && word.dropFirst().first?.isNumber == true) {
      if let number = Int64(word.last == "N" ? word.dropLast() : word[...]) {
        return .integer(number)
      }
      return .otherNumber(word)
    }
    if first == UInt8(ascii: ":") {
      guard word.utf8.count > 1 else {
        throw ByteProblem(at: start, text: "a colon stands where a keyword should")
      }
      return .keyword(String(word.dropFirst()))
    }
    switch word {
    case "nil": return .none
    case "true": return .boolean(true)
    case "false": return .boolean(false)
    case "":
      // No delimiter and no letter: can't be, and must not loop.
      throw ByteProblem(at: start, text: "\(JSONCursor.name(first)) begins no form of EDN")
    default: return .symbol(word)
    }
  }

  private mutating func character() throws(ByteProblem) -> String {
    at += 1
    guard at < bytes.count else { throw ended("a character") }
    let start = at
    at += 1
    while at < bytes.count, !Self.isDelimiter(bytes[at]) { at += 1 }
    guard at < bytes.count || isLast else { throw ended("a character") }
    guard let text = String(validating: bytes[start..<at], as: UTF8.self) else {
      throw ByteProblem(at: start, text: "a character is not UTF-8")
    }
    return text
  }

  private mutating func string() throws(ByteProblem) -> String {
    at += 1
    let start = at
    var escaped: [UInt8]?
    while at < bytes.count {
      let byte = bytes[at]
      switch byte {
      case UInt8(ascii: "\""):
        let content = escaped.map { $0[...] } ?? bytes[start..<at]
        at += 1
        guard let text = String(validating: content, as: UTF8.self) else {
          throw ByteProblem(at: start, text: "a string is not UTF-8")
        }
        return text
      case UInt8(ascii: "\\"):
        var text = escaped ?? Array(bytes[start..<at])
        text.append(contentsOf: try escape())
        escaped = text
      default:
        escaped?.append(byte)
        at += 1
      }
    }
    throw ended("a string")
  }

  private mutating func escape() throws(ByteProblem) -> [UInt8] {
    guard at + 1 < bytes.count else { throw ended("a string") }
    let start = at
    at += 2
    switch bytes[start + 1] {
    case UInt8(ascii: "n"): return [0x0A]
    case UInt8(ascii: "t"): return [0x09]
    case UInt8(ascii: "r"): return [0x0D]
    case UInt8(ascii: "b"): return [0x08]
    case UInt8(ascii: "f"): return [0x0C]
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "'"):
      return [bytes[start + 1]]
    case UInt8(ascii: "u"):
      var code: UInt32 = 0
      for _ in 0..<4 {
        guard at < bytes.count else { throw ended("a string") }
        guard let digit = JSONCursor.hexDigit(bytes[at]) else {
          throw ByteProblem(at: at, text: "an escape needs four hexadecimal digits")
        }
        code = code << 4 | UInt32(digit)
        at += 1
      }
      return Array(
        UTF8.encode(UnicodeScalar(code) ?? "\u{FFFD}") ?? UTF8.encodedReplacementCharacter)
    default: throw ByteProblem(at: start, text: "there is no such escape in a string of EDN")
    }
  }
}
