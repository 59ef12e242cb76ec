/// What the Swift files of the repository declare, and where each declared name stands.
struct CodeIndex: Sendable {
  struct File: Sendable {
    var source: SourceFile
    var tokens: [Token]
    var declarations: [Declaration]

    func text(of token: Int) -> String {
      let start = Int(tokens[token].start)
      let bytes = source.bytes[start..<start + Int(tokens[token].length)]
      return String(decoding: bytes, as: UTF8.self)
    }

    func line(of token: Int) -> Int { source.line(at: Int(tokens[token].start)) }
  }

  struct Place: Sendable {
    var file: Int
    var token: Int
  }

  let files: [File]
  /// Where a name that the sources declare stands, its declarations included.
  let places: [Name: [Place]]
  /// Where declarations stand: for each file, by token.
  let declared: [Set<Int>]
  /// The words in the heads of a type and of its extensions: conformances and raw types among them.
  let heads: [Name: Set<Name>]

  init(_ sources: [SourceFile]) {
    var heads: [Name: Set<Name>] = [:]
    files = sources.filter(\.isSwift).map { source in
      let tokens = Name.tokens(of: source.code)
      let parser = DeclarationParser(source, tokens)
      for (type, words) in parser.extended { heads[type, default: []].formUnion(words) }
      for type in parser.found where type.kind == .type {
        heads[type.name, default: []].formUnion(type.head)
      }
      return File(source: source, tokens: tokens, declarations: parser.found)
    }
    self.heads = heads
    var places: [Name: [Place]] = [:]
    for file in files where file.source.isSource {
      for declaration in file.declarations { places[declaration.name] = [] }
    }
    for (number, file) in files.enumerated() {
      for (at, token) in file.tokens.enumerated() where token.name.isWord {
        if let known = places.index(forKey: token.name) {
          places.values[known].append(Place(file: number, token: at))
        }
      }
    }
    self.places = places
    declared = files.map { Set($0.declarations.map(\.token)) }
  }

}
