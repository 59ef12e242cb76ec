internal import KVBase

extension JSONCursor {
  /// A value as histories have them; nil for null.
  mutating func value() throws(JSONError) -> HistoryValue? {
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
    case UInt8(ascii: "["):
      var elements: [HistoryValue] = []
      try array { (cursor) throws(JSONError) in elements.append(try cursor.element()) }
      return .list(elements)
    case UInt8(ascii: "{"): return .map(try map())
    case _ where isAtNumber():
      let start = at
      guard let number = try integer("an integer").signed else {
        throw JSONError(at: start, text: "a number is beyond 64 bits")
      }
      return .integer(number)
    default: throw unexpected("a value of JSON")
    }
  }

  /// An element of a list or a field of a map: never null.
  private mutating func element() throws(JSONError) -> HistoryValue {
    let start = at
    guard let value = try value() else {
      throw JSONError(at: start, text: "null stands within a list or a map")
    }
    return value
  }

  private mutating func map() throws(JSONError) -> [HistoryValue.Field] {
    let start = at
    var fields: [HistoryValue.Field] = []
    try object { (cursor) throws(JSONError) in
      let name = try cursor.name()
      fields.append(HistoryValue.Field(name, try cursor.element()))
    }
    guard let sorted = HistoryValue.sorted(fields) else {
      throw JSONError(at: start, text: "a map has a field twice")
    }
    return sorted
  }
}

extension HistoryValue {
  /// Fields by rising name; nil where a name stands twice.
  static func sorted(_ fields: [Field]) -> [Field]? {
    let sorted = fields.sorted { ExactText($0.name) < ExactText($1.name) }
    for (first, second) in zip(sorted, sorted.dropFirst())
    where first.name.hasSameBytes(as: second.name) {
      return nil
    }
    return sorted
  }
}
