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
