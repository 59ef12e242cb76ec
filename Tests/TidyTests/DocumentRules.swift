/// Names of the code in ARCHITECTURE.md's way of a request, held against the sources.
enum Documents {
  static let section = "## The way of a request"

  /// The backticked names of the section, with their lines: `Module.Type.member`, `Type.member`,
  /// `Module.Type`, or one name.
  static func names(in document: SourceFile) -> [(line: Int, name: String)] {
    var result: [(line: Int, name: String)] = []
    var isInside = false
    for number in 0..<document.lineCount {
      let line = document.text(ofLine: number)
      if line.hasPrefix("## ") { isInside = line == section }
      guard isInside else { continue }
      let parts = line.split(separator: "`", omittingEmptySubsequences: false)
      for position in stride(from: 1, to: parts.count, by: 2) {
        result.append((number, String(parts[position])))
      }
    }
    return result
  }

  static func findings(_ document: SourceFile, _ index: CodeIndex) -> [Finding] {
    let names = names(in: document)
    guard !names.isEmpty else {
      return [document.finding(0, "\(section) is gone, or names nothing")]
    }
    let known = Known(index)
    return names.compactMap { line, name in
      known.holds(name)
        ? nil : document.finding(line, "`\(name)` is declared nowhere: name what there is")
    }
  }

  private struct Known {
    var modules: Set<String> = []
    /// Types by module.
    var types: [String: Set<Name>] = [:]
    /// Members by type, of whatever module.
    var members: [Name: Set<Name>] = [:]
    var all: Set<Name> = []

    init(_ index: CodeIndex) {
      for file in index.files where file.source.isSource {
        let module = file.source.module
        modules.insert(module)
        for declaration in file.declarations {
          all.insert(declaration.name)
          if declaration.kind == .type || declaration.kind == .alias {
            types[module, default: []].insert(declaration.name)
          }
          if let owner = declaration.owner {
            members[owner, default: []].insert(declaration.name)
          }
        }
      }
    }

    func holds(_ text: String) -> Bool {
      var parts = text.split(separator: ".").map(String.init)
      guard let first = parts.first else { return false }
      if modules.contains(first) {
        parts.removeFirst()
        guard let type = parts.first else { return true }
        guard types[first]?.contains(Name(type)) == true else { return false }
      } else if parts.count > 1 {
        guard types.values.contains(where: { $0.contains(Name(first)) }) else { return false }
      }
      guard parts.count > 1 else { return parts.isEmpty || all.contains(Name(parts[0])) }
      return zip(parts, parts.dropFirst()).allSatisfy { owner, member in
        members[Name(owner)]?.contains(Name(member)) == true
      }
    }
  }
}
