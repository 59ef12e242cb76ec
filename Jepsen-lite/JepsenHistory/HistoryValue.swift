/// A value in a history. What was absent is `nil` around it.
package enum HistoryValue: Hashable, Sendable {
  case text(String)
  case integer(Int64)
  /// What a read of a list or a set found, or the keys that a scan found.
  case list([HistoryValue])
  /// Accounts and their balances, or the fields of a transfer; by rising name.
  case map([Field])

  package struct Field: Hashable, Sendable {
    package var name: String
    package var value: HistoryValue

    package init(_ name: String, _ value: HistoryValue) {
      self.name = name
      self.value = value
    }

    package static func == (one: Field, other: Field) -> Bool {
      one.name.hasSameBytes(as: other.name) && one.value == other.value
    }
  }

  /// Texts are the same where their bytes are. (Swift's own comparison takes different bytes for the
  /// same text where they are one text to a reader, as an accent written in two ways. A store does
  /// not.)
  package static func == (one: HistoryValue, other: HistoryValue) -> Bool {
    switch (one, other) {
    case (.text(let one), .text(let other)): one.hasSameBytes(as: other)
    case (.integer(let one), .integer(let other)): one == other
    case (.list(let one), .list(let other)): one == other
    case (.map(let one), .map(let other)): one == other
    default: false
    }
  }

  /// The text of a `.text`.
  package var text: String? {
    if case .text(let text) = self { text } else { nil }
  }

  /// An integer, or a text that is one.
  package var integer: Int64? {
    switch self {
    case .integer(let number): number
    case .text(let text): Int64(text)
    case .list, .map: nil
    }
  }
}

extension HistoryValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
  package init(stringLiteral text: String) { self = .text(text) }
  package init(integerLiteral number: Int64) { self = .integer(number) }
}

extension String {
  /// Equal texts of equal bytes. What is not equal to Swift has other bytes, too.
  func hasSameBytes(as other: String) -> Bool {
    self == other && utf8.elementsEqual(other.utf8)
  }
}

/// A name that is another where its bytes are, to look things up by.
struct ExactText: Hashable, Comparable {
  let text: String

  init(_ text: String) { self.text = text }

  static func == (one: ExactText, other: ExactText) -> Bool {
    one.text.hasSameBytes(as: other.text)
  }

  static func < (one: ExactText, other: ExactText) -> Bool {
    one.text.utf8.lexicographicallyPrecedes(other.text.utf8)
  }
}
