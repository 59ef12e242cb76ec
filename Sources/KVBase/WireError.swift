/// What is wrong with bytes from outside.
@usableFromInline
package enum WireError: Error, Hashable, Sendable, CustomStringConvertible {
  /// More was announced than is there.
  case truncated(needed: Int, available: Int)
  /// A length or count above its limit.
  case tooLong(what: StaticName, length: Int, limit: Int)
  /// A version, kind or value that this build does not know.
  case unknownValue(what: StaticName, value: UInt64)
  /// The checksum does not fit the bytes.
  case checksum(expected: UInt64, found: UInt64)
  /// Something after the end of a value that must be the last.
  case trailing(count: Int)
  /// Well-formed, but with no meaning.
  case invalid(StaticName)

  @usableFromInline package var description: String {
    switch self {
    case .truncated(let needed, let available):
      "truncated: \(needed) bytes needed, \(available) available"
    case .tooLong(let what, let length, let limit):
      "\(what) too long: \(length), the limit is \(limit)"
    case .unknownValue(let what, let value): "unknown \(what) \(value)"
    case .checksum(let expected, let found):
      "checksum \(String(found, radix: 16)) where \(String(expected, radix: 16)) was expected"
    case .trailing(let count): "\(count) bytes too many"
    case .invalid(let what): "invalid \(what)"
    }
  }
}

/// The name of a field, for an error; costs no allocation.
@frozen
@usableFromInline
package struct StaticName: Hashable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
  @usableFromInline let text: StaticString
  @inlinable package init(stringLiteral: StaticString) { text = stringLiteral }
  @usableFromInline package var description: String { "\(text)" }
  @usableFromInline package static func == (a: Self, b: Self) -> Bool {
    a.description == b.description
  }
  @usableFromInline package func hash(into hasher: inout Hasher) { hasher.combine(description) }
}
