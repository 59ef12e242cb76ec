internal import KVBase

/// A value of EDN, Clojure's notation for data.
indirect enum EDNForm: Hashable, Sendable {
  case none
  case boolean(Bool)
  case integer(Int64)
  /// A number that is no integer of 64 bits, as it was written.
  case otherNumber(String)
  case string(String)
  /// Without its colon.
  case keyword(String)
  case symbol(String)
  /// A list or a vector.
  case sequence([EDNForm])
  case set([EDNForm])
  case map([EDNPair])
  case tagged(String, EDNForm)

  /// The form within the tags around it.
  var untagged: EDNForm {
    if case .tagged(_, let inner) = self { inner.untagged } else { self }
  }

  var elements: [EDNForm]? {
    if case .sequence(let elements) = untagged { elements } else { nil }
  }

  /// A keyword's, a string's or a symbol's name.
  var name: String? {
    switch untagged {
    case .keyword(let name), .string(let name), .symbol(let name): name
    default: nil
    }
  }

  var integer: Int64? {
    if case .integer(let number) = untagged { number } else { nil }
  }

  var isNone: Bool { untagged == .none }

  /// For messages: shortened where it is long.
  var text: String { String(fullText.prefix(80)) }

  private var fullText: String {
    switch self {
    case .none: "nil"
    case .boolean(let value): String(value)
    case .integer(let number): String(number)
    case .otherNumber(let text), .symbol(let text): text
    case .string(let text): JSON.quoted(text)
    case .keyword(let name): ":" + name
    case .sequence(let elements): "[" + Self.joined(elements) + "]"
    case .set(let elements): "#{" + Self.joined(elements) + "}"
    case .map(let pairs): "{" + Self.joined(pairs.flatMap { [$0.key, $0.value] }) + "}"
    case .tagged(let tag, let inner): "#\(tag) \(inner.fullText)"
    }
  }

  private static func joined(_ forms: [EDNForm]) -> String {
    forms.prefix(20).map(\.text).joined(separator: " ")
  }
}

struct EDNPair: Hashable, Sendable {
  var key: EDNForm
  var value: EDNForm
}
