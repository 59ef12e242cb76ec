/// How a name is used where it stands, as far as its neighbours tell.
struct Usage {
  private let tokens: [Token]
  private let at: Int

  init(_ tokens: [Token], _ at: Int) {
    self.tokens = tokens
    self.at = at
  }

  private func name(_ offset: Int) -> Name? {
    tokens.indices.contains(at + offset) ? tokens[at + offset].name : nil
  }

  private static let colon = Name(":")
  private static let equals = Name("=")
  private static let exclamation = Name("!")
  private static let dot = Name(".")
  private static let comma = Name(",")
  private static let question = Name("?")
  private static let round = Name("(")
  private static let roundEnd = Name(")")
  private static let bindings: Set<Name> = [Name("let"), Name("var")]
  private static let matching: Set<Name> = [Name("case"), Name("catch")]
  private static let beforeValues: Set<Name> = [
    Name("case"), Name("return"), Name("in"), Name("default"),
  ]
  private static let operators: Set<Name> = Set("+-*/|&^%".map { Name(String($0)) })

  /// Whether it may be the value of a property: not a label, a new name, what is assigned to, nor
  /// the `x` of `self.x = x`.
  var isRead: Bool {
    guard let before = name(-1), let after = name(1) else { return true }
    if after == Self.colon,
      before == Self.round || before == Self.comma
        || before.isWord && !Self.beforeValues.contains(before)
    {
      return false
    }
    if after == Self.equals, name(2) != Self.equals { return false }
    if Self.operators.contains(after), name(2) == Self.equals { return false }
    if Self.bindings.contains(before) { return false }
    return !(before == Self.equals && name(-2) == name(0) && name(-3) == Self.dot)
  }

  /// Whether it stands in a pattern, or is only compared with.
  var isMatched: Bool {
    if name(-1) == Self.dot, name(-2) == Self.equals,
      name(-3) == Self.equals || name(-3) == Self.exclamation
    {
      return true
    }
    var depth = 0
    var back = -1
    while let word = name(back) {
      if Self.matching.contains(word) { return true }
      if word == Self.roundEnd {
        depth += 1
      } else if word == Self.round {
        depth -= 1
      } else if depth <= 0, !word.isWord, word != Self.dot, word != Self.comma,
        word != Self.question
      {
        return false
      }
      back -= 1
    }
    return false
  }
}

/// The arguments with which a name is called, or no call where it is only named.
struct Call {
  private var labels: [Name] = []
  private var arguments = 0
  private var isCall = false
  /// A comma may then stand between generic arguments.
  private var hasAngles = false
  private var hasTrailingClosure = false

  private static let round = Name("(")
  private static let comma = Name(",")
  private static let colon = Name(":")
  private static let less = Name("<")
  private static let brace = Name("{")
  private static let openings: Set<Name> = [round, Name("["), brace]
  private static let closings: Set<Name> = [Name(")"), Name("]"), Name("}")]

  init(_ tokens: [Token], _ name: Int) {
    var at = name + 1
    guard at < tokens.count, tokens[at].name == Self.round else { return }
    isCall = true
    var depth = 0
    var isAtStart = true
    while at < tokens.count {
      let next = tokens[at].name
      if Self.closings.contains(next) {
        depth -= 1
        if depth == 0 { break }
      }
      if depth == 1, next == Self.comma {
        isAtStart = true
      } else if depth >= 1, isAtStart {
        isAtStart = false
        arguments += 1
        if next.isWord, at + 1 < tokens.count, tokens[at + 1].name == Self.colon {
          labels.append(next)
        }
      }
      if Self.openings.contains(next) { depth += 1 }
      if next == Self.less { hasAngles = true }
      at += 1
    }
    hasTrailingClosure = at + 1 < tokens.count && tokens[at + 1].name == Self.brace
  }

  /// Whether a function with these parameters can be what is called, or named, here.
  func fits(_ declaration: Declaration) -> Bool {
    guard isCall else { return true }
    let parameters = declaration.parameters
    let known = labels.allSatisfy { label in parameters.contains { $0.label == label } }
    guard known, hasAngles || arguments <= parameters.count else { return false }
    if hasTrailingClosure { return true }
    guard hasAngles || arguments >= parameters.count(where: { !$0.isOptional }) else {
      return false
    }
    return parameters.allSatisfy { parameter in
      guard let label = parameter.label, !parameter.isOptional else { return true }
      return labels.contains(label)
    }
  }
}
