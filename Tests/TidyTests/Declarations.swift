/// Something that a file declares.
struct Declaration: Sendable {
  enum Kind: String, Sendable {
    case function, property, type, enumCase = "case", alias = "type alias"
  }

  struct Parameter: Sendable {
    /// What the caller writes before the colon; nil for `_`.
    var label: Name?
    /// The token of the name that the body knows it by.
    var token: Int
    /// A call may leave it out.
    var isOptional: Bool
  }

  var kind: Kind
  var name: Name
  /// The index of its name among the file's tokens.
  var token: Int
  /// The type around it.
  var owner: Name?
  /// For a property: whether it has a value of its own and is not computed.
  var isStored = false
  /// For a type: the words between its name and its brace, conformances and raw type among them.
  var head: Set<Name> = []
  /// For a function.
  var parameters: [Parameter] = []
  /// The tokens of its body, where it has one.
  var body: Range<Int>?
  /// Whether something outside the sources may use it: `public`, `override`, or a name given to C.
  var isOpen = false
  /// Whether only its own file sees it.
  var isPrivate = false
  /// Whether its comment, or that of a type around it, says "For tests".
  var isForTests = false
}

/// Finds the declarations of a file by their keywords and brackets: functions everywhere, types,
/// and the properties and cases of types. What is declared with `let` in a body is the compiler's
/// to judge.
struct DeclarationParser {
  private struct Scope {
    enum Kind { case type, enumeration, requirements, body }
    var kind: Kind
    var owner: Name?
    var declaration: Int?
    var isForTests = false
    var brackets = 0
  }

  private enum Word {
    static let types: Set<Name> = [
      Name("struct"), Name("enum"), Name("class"), Name("actor"), Name("protocol"),
    ]
    static let enumeration = Name("enum")
    static let requirements = Name("protocol")
    static let classWord = Name("class")
    static let extensionWord = Name("extension")
    static let function = Name("func")
    static let properties: Set<Name> = [Name("var"), Name("let")]
    static let caseWord = Name("case")
    static let alias = Name("typealias")
    static let all: Set<Name> = types.union(properties).union([
      extensionWord, function, caseWord, alias,
    ])
    /// What may stand before a declaration's keyword.
    static let modifiers: Set<Name> = [
      Name("public"), Name("package"), Name("internal"), Name("private"), Name("fileprivate"),
      Name("static"), Name("class"), Name("final"), Name("mutating"), Name("nonisolated"),
      Name("isolated"), Name("override"), Name("open"), Name("lazy"), Name("weak"), Name("unowned"),
      Name("indirect"), Name("set"), Name("unsafe"), Name("borrowing"), Name("consuming"),
      Name("prefix"), Name("postfix"), Name("infix"), Name("convenience"), Name("required"),
      Name("inlinable"), Name("usableFromInline"), Name("discardableResult"), Name("inline"),
      Name("always"), Name("never"), Name("concurrent"), Name("safe"), Name("frozen"),
      Name("Sendable"), Name("MainActor"), Name("c"), Name("_cdecl"), Name("main"),
      Name("@"), Name("("), Name(")"),
    ]
    static let closed: Set<Name> = [Name("private"), Name("fileprivate")]
    static let open: Set<Name> = [
      Name("public"), Name("override"), Name("open"), Name("c"), Name("_cdecl"), Name("main"),
    ]
  }

  private enum Mark {
    static let brace = Name("{")
    static let braceEnd = Name("}")
    static let round = Name("(")
    static let roundEnd = Name(")")
    static let square = Name("[")
    static let squareEnd = Name("]")
    static let less = Name("<")
    static let greater = Name(">")
    static let minus = Name("-")
    static let dot = Name(".")
    static let comma = Name(",")
    static let colon = Name(":")
    static let equals = Name("=")
    static let at = Name("@")
    static let underscore = Name("_")
  }

  private let file: SourceFile
  private let tokens: [Token]
  private var scopes: [Scope] = []
  private var pending: Scope?
  private var brackets = 0
  private(set) var found: [Declaration] = []
  /// The words in the heads of extensions, by type.
  private(set) var extended: [Name: Set<Name>] = [:]

  init(_ file: SourceFile, _ tokens: [Token]) {
    self.file = file
    self.tokens = tokens
    parse()
  }

  private func name(_ at: Int) -> Name? { at < tokens.count ? tokens[at].name : nil }

  private mutating func parse() {
    var at = 0
    while at < tokens.count {
      let word = tokens[at].name
      if word.isWord {
        if Word.all.contains(word), at == 0 || tokens[at - 1].name != Mark.dot {
          at = declaration(word, at)
        } else {
          at += 1
        }
        continue
      }
      switch word {
      case Mark.brace: open()
      case Mark.braceEnd: close(at)
      case Mark.round, Mark.square: brackets += 1
      case Mark.roundEnd, Mark.squareEnd: brackets -= 1
      default: break
      }
      at += 1
    }
  }

  private mutating func open() {
    var scope =
      pending
      ?? Scope(
        kind: .body, owner: scopes.last?.owner, isForTests: scopes.last?.isForTests ?? false)
    pending = nil
    scope.brackets = brackets
    brackets = 0
    scopes.append(scope)
  }

  private mutating func close(_ at: Int) {
    guard let scope = scopes.popLast() else { return }
    brackets = scope.brackets
    if let declaration = scope.declaration, let body = found[declaration].body {
      found[declaration].body = body.lowerBound..<at
    }
  }

  /// Records what the keyword at `at` declares, and answers where to go on.
  private mutating func declaration(_ word: Name, _ at: Int) -> Int {
    if word == Word.extensionWord { return extensionHead(at) }
    if Word.types.contains(word) { return type(word, at) }
    if word == Word.function { return function(at) }
    let holdsMembers = scopes.last.map { $0.kind != .body } ?? true
    guard holdsMembers, brackets == 0 else { return at + 1 }
    if Word.properties.contains(word) {
      if let next = name(at + 1), next.isWord {
        let index = add(.property, at + 1, keyword: at)
        found[index].isStored = !isComputed(at + 1)
      }
      return at + 2
    }
    if word == Word.alias {
      add(.alias, at + 1, keyword: at)
      return at + 2
    }
    if word == Word.caseWord, scopes.last?.kind == .enumeration { return cases(at) }
    return at + 1
  }

  /// Whether accessors follow the name and type of a property, and no value before them.
  private func isComputed(_ start: Int) -> Bool {
    var at = start + 1
    while let next = name(at), next != Mark.equals, !Word.all.contains(next) {
      if next == Mark.brace {
        return name(at + 1) != Name("didSet") && name(at + 1) != Name("willSet")
      }
      if next == Mark.braceEnd { return false }
      at += 1
    }
    return false
  }

  @discardableResult
  private mutating func add(_ kind: Declaration.Kind, _ token: Int, keyword: Int) -> Int {
    var declaration = Declaration(
      kind: kind, name: tokens[token].name, token: token, owner: scopes.last?.owner)
    var first = keyword
    while first > 0, Word.modifiers.contains(tokens[first - 1].name),
      tokens[first - 1].name != Mark.roundEnd || holdsModifier(before: first - 1)
    {
      first -= 1
      if Word.open.contains(tokens[first].name) { declaration.isOpen = true }
      if Word.closed.contains(tokens[first].name), tokens[first + 1].name != Mark.round {
        declaration.isPrivate = true
      }
    }
    declaration.isForTests =
      (scopes.last?.isForTests ?? false) || commentSaysForTests(before: Int(tokens[first].start))
    found.append(declaration)
    return found.count - 1
  }

  /// Whether a closing bracket ends `private(set)`, `@inline(always)` or the like, and not the end
  /// of the declaration before.
  private func holdsModifier(before bracket: Int) -> Bool {
    bracket >= 3 && tokens[bracket - 2].name == Mark.round
      && Word.modifiers.contains(tokens[bracket - 3].name)
  }

  private func commentSaysForTests(before offset: Int) -> Bool {
    var line = file.line(at: offset) - 1
    while line >= 0 {
      let range = file.range(ofLine: line)
      let text = file.bytes[range].drop { $0 == 32 }
      guard text.starts(with: "//".utf8) else { return false }
      if Array(text).offsets(of: "For tests").isEmpty == false { return true }
      line -= 1
    }
    return false
  }

  private mutating func type(_ word: Name, _ at: Int) -> Int {
    guard let next = name(at + 1), next.isWord,
      word != Word.classWord || !(Word.all.contains(next) || next == Name("subscript")),
      let after = name(at + 2),
      [Mark.brace, Mark.colon, Mark.less, Name("where")].contains(after), brackets == 0
    else { return at + 1 }
    let index = add(.type, at + 1, keyword: at)
    found[index].body = at + 2..<at + 2
    found[index].head = head(from: at + 2)
    let kind: Scope.Kind =
      switch word {
      case Word.enumeration: .enumeration
      case Word.requirements: .requirements
      default: .type
      }
    pending = Scope(
      kind: kind, owner: next, declaration: index, isForTests: found[index].isForTests)
    return at + 2
  }

  private mutating func extensionHead(_ at: Int) -> Int {
    guard scopes.isEmpty, brackets == 0, var owner = name(at + 1), owner.isWord else {
      return at + 1
    }
    var next = at + 2
    while name(next) == Mark.dot, let part = name(next + 1) {
      owner = part
      next += 2
    }
    extended[owner, default: []].formUnion(head(from: next))
    pending = Scope(
      kind: .type, owner: owner, isForTests: commentSaysForTests(before: Int(tokens[at].start)))
    return next
  }

  private func head(from start: Int) -> Set<Name> {
    var words: Set<Name> = []
    var at = start
    while let next = name(at), next != Mark.brace {
      if next.isWord { words.insert(next) }
      at += 1
    }
    return words
  }

  private mutating func function(_ at: Int) -> Int {
    guard let next = name(at + 1) else { return at + 1 }
    // An operator is used without a call.
    guard next.isWord else { return operatorHead(at) }
    let index = add(.function, at + 1, keyword: at)
    var cursor = at + 2
    if name(cursor) == Mark.less { cursor = afterAngles(cursor) }
    guard name(cursor) == Mark.round else { return cursor }
    cursor = parameters(cursor, of: index)
    awaitBody(of: index, from: cursor)
    return cursor
  }

  private mutating func operatorHead(_ at: Int) -> Int {
    var cursor = at + 1
    while let next = name(cursor), next != Mark.round { cursor += 1 }
    pending = Scope(
      kind: .body, owner: scopes.last?.owner, isForTests: scopes.last?.isForTests ?? false)
    return cursor
  }

  private mutating func awaitBody(of index: Int, from cursor: Int) {
    guard scopes.last?.kind != .requirements else { return }
    found[index].body = cursor..<cursor
    pending = Scope(
      kind: .body, owner: scopes.last?.owner, declaration: index,
      isForTests: found[index].isForTests)
  }

  private func afterAngles(_ start: Int) -> Int {
    var depth = 0
    var at = start
    while let next = name(at) {
      if next == Mark.less { depth += 1 }
      if next == Mark.greater, tokens[at - 1].name != Mark.minus { depth -= 1 }
      at += 1
      if depth == 0 { break }
    }
    return at
  }

  /// Reads the parameters of a function, and answers what follows them.
  private mutating func parameters(_ start: Int, of index: Int) -> Int {
    var depth = 0
    var angles = 0
    var at = start
    var isAtLabel = true
    while let next = name(at) {
      switch next {
      case Mark.round, Mark.square, Mark.brace: depth += 1
      case Mark.roundEnd, Mark.squareEnd, Mark.braceEnd: depth -= 1
      case Mark.less: angles += 1
      case Mark.greater where tokens[at - 1].name != Mark.minus: angles -= 1
      case Mark.comma where depth == 1 && angles == 0: isAtLabel = true
      // A default value, or any number of values.
      case Mark.equals where depth == 1 && name(at + 1) != Mark.equals,
        Mark.dot where depth == 1 && name(at + 1) == Mark.dot:
        if let last = found[index].parameters.indices.last {
          found[index].parameters[last].isOptional = true
        }
      case _ where isAtLabel && depth == 1 && next.isWord && tokens[at - 1].name != Mark.at:
        found[index].parameters.append(
          .init(
            label: next == Mark.underscore ? nil : next,
            token: name(at + 1)?.isWord == true ? at + 1 : at, isOptional: false))
        isAtLabel = false
      default: break
      }
      at += 1
      if depth == 0 { break }
    }
    return at
  }

  private mutating func cases(_ at: Int) -> Int {
    var cursor = at + 1
    while let next = name(cursor), next.isWord {
      add(.enumCase, cursor, keyword: at)
      cursor += 1
      if name(cursor) == Mark.round { cursor = afterBrackets(cursor) }
      if name(cursor) == Mark.equals { cursor = afterRawValue(cursor) }
      guard name(cursor) == Mark.comma else { break }
      cursor += 1
    }
    return cursor
  }

  private func afterBrackets(_ start: Int) -> Int {
    var depth = 0
    var at = start
    while let next = name(at) {
      if next == Mark.round { depth += 1 }
      if next == Mark.roundEnd { depth -= 1 }
      at += 1
      if depth == 0 { break }
    }
    return at
  }

  private func afterRawValue(_ start: Int) -> Int {
    let line = file.line(at: Int(tokens[start].start))
    var at = start
    while let next = name(at), next != Mark.comma, next != Mark.braceEnd,
      file.line(at: Int(tokens[at].start)) == line
    {
      at += 1
    }
    return at
  }
}
