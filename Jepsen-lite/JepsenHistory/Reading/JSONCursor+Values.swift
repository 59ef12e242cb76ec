extension JSONCursor {
  /// A value as histories have them; `nil` for null.
  mutating func value(depth: Int = 0) throws(ByteProblem) -> HistoryValue? {
    switch peek() {
    case UInt8(ascii: "\""): return .text(try string("a string"))
    case UInt8(ascii: "n"):
      try word("null")
      return nil
    case UInt8(ascii: "t"):
      try word("true")
      return .text("true")
    case UInt8(ascii: "f"):
      try word("false")
      return .text("false")
    case UInt8(ascii: "["): return .list(try list(depth: depth + 1))
    case UInt8(ascii: "{"): return .map(try map(depth: depth + 1))
    case _ where isAtNumber():
      let start = at
      guard let number = try integer("an integer").signed else {
        throw ByteProblem(at: start, text: "a number is beyond 64 bits")
      }
      return .integer(number)
    default: throw unexpected("a value of JSON")
    }
  }

  /// An element of a list or a field of a map: never null.
  private mutating func element(depth: Int) throws(ByteProblem) -> HistoryValue {
    let start = at
    guard let value = try value(depth: depth) else {
      throw ByteProblem(at: start, text: "null stands within a list or a map")
    }
    return value
  }

  private mutating func list(depth: Int) throws(ByteProblem) -> [HistoryValue] {
    try guardDepth(depth)
    at += 1
    var elements: [HistoryValue] = []
    if take(UInt8(ascii: "]")) { return elements }
    while true {
      elements.append(try element(depth: depth))
      if take(UInt8(ascii: "]")) { return elements }
      try expect(UInt8(ascii: ","), "a comma or ]")
    }
  }

  private mutating func map(depth: Int) throws(ByteProblem) -> [HistoryValue.Field] {
    try guardDepth(depth)
    let start = at
    at += 1
    var fields: [HistoryValue.Field] = []
    if take(UInt8(ascii: "}")) { return fields }
    while true {
      let name = try string("the name of a field")
      try expect(UInt8(ascii: ":"), "a colon")
      fields.append(HistoryValue.Field(name, try element(depth: depth)))
      if take(UInt8(ascii: "}")) { break }
      try expect(UInt8(ascii: ","), "a comma or }")
    }
    guard let sorted = HistoryValue.sorted(fields) else {
      throw ByteProblem(at: start, text: "a map has a field twice")
    }
    return sorted
  }

  private func guardDepth(_ depth: Int) throws(ByteProblem) {
    guard depth <= maximumDepth else {
      throw ByteProblem(
        at: at, text: "brackets stand within brackets more than \(maximumDepth) deep")
    }
  }

  /// Walks over any value of JSON, checked as far as needed to find its end.
  mutating func skipValue(depth: Int = 0) throws(ByteProblem) {
    switch peek() {
    case UInt8(ascii: "\""): _ = try string("a string")
    case UInt8(ascii: "n"): try word("null")
    case UInt8(ascii: "t"): try word("true")
    case UInt8(ascii: "f"): try word("false")
    case UInt8(ascii: "["), UInt8(ascii: "{"): try skipCollection(depth: depth + 1)
    case _ where isAtNumber(): try skipNumber()
    default: throw unexpected("a value of JSON")
    }
  }

  private mutating func skipCollection(depth: Int) throws(ByteProblem) {
    try guardDepth(depth)
    let isMap = bytes[at] == UInt8(ascii: "{")
    let closing = isMap ? UInt8(ascii: "}") : UInt8(ascii: "]")
    at += 1
    if take(closing) { return }
    while true {
      if isMap {
        _ = try string("the name of a field")
        try expect(UInt8(ascii: ":"), "a colon")
      }
      try skipValue(depth: depth)
      if take(closing) { return }
      try expect(UInt8(ascii: ","), isMap ? "a comma or }" : "a comma or ]")
    }
  }

  private mutating func skipNumber() throws(ByteProblem) {
    if bytes[at] == UInt8(ascii: "-") { at += 1 }
    try skipDigits()
    if at < end, bytes[at] == UInt8(ascii: ".") {
      at += 1
      try skipDigits()
    }
    if at < end, bytes[at] == UInt8(ascii: "e") || bytes[at] == UInt8(ascii: "E") {
      at += 1
      if at < end, bytes[at] == UInt8(ascii: "+") || bytes[at] == UInt8(ascii: "-") { at += 1 }
      try skipDigits()
    }
  }

  private mutating func skipDigits() throws(ByteProblem) {
    let start = at
    while at < end, bytes[at] >= 0x30, bytes[at] <= 0x39 { at += 1 }
    guard at > start else { throw unexpected("a digit") }
  }
}

extension HistoryValue {
  /// Fields by rising name; `nil` where a name stands twice.
  static func sorted(_ fields: [Field]) -> [Field]? {
    let sorted = fields.sorted { ExactText($0.name) < ExactText($1.name) }
    for (first, second) in zip(sorted, sorted.dropFirst())
    where first.name.hasSameBytes(as: second.name) {
      return nil
    }
    return sorted
  }
}
