/// Declarations of the sources without a caller: functions that nothing calls, properties that
/// nothing reads, cases that nothing makes, types that nothing names, and parameters that a body
/// does not use. What only tests use is found too, unless its comment (or that of a type around it)
/// says "For tests".
///
/// Goes by names, since no types are known here: a name that two types declare is used by both
/// where one is. Functions of one name are told apart by their labels and by how many arguments
/// there are.
enum Callers {
  /// Names that the language or its library calls: requirements of protocols that are not ours.
  private static let calledByTheLibrary: Set<Name> = Set(
    [
      "description", "debugDescription", "errorDescription", "hash", "next", "makeIterator",
      "startIndex", "endIndex", "index", "enqueue", "unownedExecutor", "checkIsolated",
      "isIsolatingCurrentContext", "rawValue", "allCases", "main", "callAsFunction", "Element",
      "Index", "distance", "id",
    ].map { Name($0) })

  /// What stays without a caller, by file and name, each with its reason. Each must still be a
  /// finding.
  static let exceptions: [String: [String: String]] = [
    "Sources/KVPlacement/Placement+Change.swift": [
      "adding": "moves of partitions are planned with it", "removing": "as `adding`",
    ],
    "Sources/KVRaft/RaftCore.swift": [
      "proposeConfiguration": "replicas are moved by it",
      "installAbandoned": "the other end of `beginInstall`, beside `installed`",
    ],
    "Sources/KVLog/LogStore.swift": [
      "recoveredPartitions": "replicas of ap keyspaces are recovered from them"
    ],
    "Sources/KVLog/SegmentLog.swift": ["recoveredPartitions": "as that of `LogStore`"],
    "Sources/KVLink/Link.swift": ["leave": "a node that is drained parts from the others by it"],
    "Jepsen-lite/JepsenHistory/Promises/Promises+Staleness.swift": [
      "versionStaleness": "the bounds of reads in ap keyspaces are held by it"
    ],
  ]

  static func findings(_ index: CodeIndex) -> [Finding] {
    unexpected(all(index))
  }

  /// Exceptions that are none any more.
  static func staleExceptions(_ index: CodeIndex) -> [String] {
    let found = Set(all(index).map { "\($0.finding.path) \($0.name)" })
    return exceptions.flatMap { path, names in names.keys.map { "\(path) \($0)" } }
      .filter { !found.contains($0) }.sorted()
  }

  private static func unexpected(_ all: [(name: String, finding: Finding)]) -> [Finding] {
    all.compactMap { name, finding in
      exceptions[finding.path]?[name] != nil ? nil : finding
    }
  }

  private static func all(_ index: CodeIndex) -> [(name: String, finding: Finding)] {
    var result: [(name: String, finding: Finding)] = []
    for (number, file) in index.files.enumerated() where file.source.isSource {
      for declaration in file.declarations {
        guard !declaration.isOpen, !calledByTheLibrary.contains(declaration.name),
          let what = fault(of: declaration, in: number, index)
        else { continue }
        let name = file.text(of: declaration.token)
        result.append(
          (name, file.source.finding(file.line(of: declaration.token), "\(name) \(what)")))
      }
    }
    return result
  }

  /// nil where the sources use it.
  private static func fault(
    of declaration: Declaration, in file: Int, _ index: CodeIndex
  ) -> String? {
    let lacks: String
    switch declaration.kind {
    case .function: lacks = "has no caller"
    case .property:
      // Two values are compared, and one is hashed, by all that they store.
      guard !declaration.isStored || !heads(of: declaration, index, have: comparing) else {
        return nil
      }
      lacks = "is never read"
    case .enumCase:
      guard !heads(of: declaration, index, have: raw) else { return nil }
      lacks = "is never made"
    case .type, .alias: lacks = "is named nowhere"
    }
    var isUsedByTests = false
    for place in index.places[declaration.name] ?? [] {
      guard !index.declared[place.file].contains(place.token) else { continue }
      // Its own body does not keep it alive.
      if place.file == file, let body = declaration.body, body.contains(place.token) { continue }
      guard uses(declaration, index.files[place.file].tokens, place.token) else { continue }
      if index.files[place.file].source.isSource { return nil }
      isUsedByTests = true
    }
    if !isUsedByTests { return "\(lacks): remove it" }
    return declaration.isForTests
      ? nil
      : "\(lacks) but in tests: move it there, remove it, or say \"For tests\" in its comment"
  }

  private static let comparing: Set<Name> = [
    Name("Hashable"), Name("Equatable"), Name("Comparable"), Name("Codable"),
  ]
  /// Cases of these are made from a raw value, or all at once.
  private static let raw: Set<Name> = [
    Name("String"), Name("Int"), Name("UInt8"), Name("UInt16"), Name("UInt32"), Name("Int32"),
    Name("UInt64"), Name("CaseIterable"),
  ]

  private static func heads(
    of member: Declaration, _ index: CodeIndex, have words: Set<Name>
  ) -> Bool {
    guard let owner = member.owner, let head = index.heads[owner] else { return false }
    return !head.isDisjoint(with: words)
  }

  private static func uses(
    _ declaration: Declaration, _ tokens: [Token], _ at: Int
  ) -> Bool {
    switch declaration.kind {
    case .function: return Call(tokens, at).fits(declaration)
    case .property: return Usage(tokens, at).isRead
    case .enumCase: return !Usage(tokens, at).isMatched
    case .type, .alias: return at == 0 || tokens[at - 1].name != extensionWord
    }
  }

  private static let extensionWord = Name("extension")

  // Parameters.

  /// Parameters of functions that their bodies do not name. A function whose name another has too
  /// may answer to a protocol, which gives it its parameters.
  static func parameterFindings(_ index: CodeIndex) -> [Finding] {
    var count: [Name: Int] = [:]
    for file in index.files where file.source.isSource {
      for declaration in file.declarations where declaration.kind == .function {
        count[declaration.name, default: 0] += 1
      }
    }
    var all: [(name: String, finding: Finding)] = []
    for file in index.files where file.source.isSource {
      for declaration in file.declarations
      where declaration.kind == .function && !declaration.isOpen && count[declaration.name] == 1 {
        guard let body = declaration.body, file.tokens[body.upperBound - 1].name != Name("{") else {
          continue
        }
        for parameter in declaration.parameters {
          let name = file.tokens[parameter.token].name
          guard name != Name("_"), !body.contains(where: { file.tokens[$0].name == name }) else {
            continue
          }
          all.append(
            (
              file.text(of: parameter.token),
              file.source.finding(
                file.line(of: parameter.token),
                "\(file.text(of: declaration.token)) does not use its parameter"
                  + " \(file.text(of: parameter.token)): remove it")
            ))
        }
      }
    }
    return unexpected(all)
  }
}
