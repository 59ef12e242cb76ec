/// A core never iterates a `Dictionary` or a `Set`: their order differs from run to run, and with
/// it the run of a seed.
///
/// Finds names that a file, or another of the same type (`Type.swift`, `Type+More.swift`), declares
/// as dictionaries or sets, and then where they are iterated. Sorting first is fine.
enum Iteration {
  static func findings(_ files: [SourceFile]) -> [Finding] {
    let cores = files.filter { Banned.isCore($0) || $0.path.hasPrefix("Sources/KVSimulator/") }
    var names: [String: Set<String>] = [:]
    for file in cores {
      names[family(file), default: []].formUnion(unorderedNames(file))
    }
    return cores.flatMap { findings($0, names: names[family($0)] ?? []) }
  }

  private static func family(_ file: SourceFile) -> String {
    let stem = file.name.split(separator: ".")[0].split(separator: "+")[0]
    return "\(file.module)/\(stem)"
  }

  /// Names declared with a type or a first value that is a dictionary or a set.
  static func unorderedNames(_ file: SourceFile) -> Set<String> {
    let declaration =
      /\b(?:var|let)\s+(\w+)\s*(?::\s*|=\s*)(?:\[\w[\w.]*\s*:|Set\b|Dictionary\b)/
    var names: Set<String> = []
    for number in lines(of: file, having: ["var ", "let "]) {
      for match in file.code(ofLine: number).matches(of: declaration) {
        names.insert(String(match.1))
      }
    }
    return names
  }

  /// What shows the order to its caller.
  private static let ordered: Set<String> = [
    "map", "compactMap", "flatMap", "forEach", "filter", "reduce", "first", "enumerated",
    "popFirst", "randomElement", "joined",
  ]

  private static func findings(_ file: SourceFile, names: Set<String>) -> [Finding] {
    guard !names.isEmpty else { return [] }
    let loop = /\bfor\s+.+\s+in\s+(?:self\.)?(\w+)(?:\.(?:keys|values|indices))?\s*(?:\{|where\b|$)/
    let call = /\b(\w+)(?:\.(?:keys|values))?\.(\w+)\b/
    var result: [Finding] = []
    for number in lines(of: file, having: Array(names)) {
      let line = file.code(ofLine: number)
      let calls = line.matches(of: call).filter { ordered.contains(String($0.2)) }
      let iterated = line.matches(of: loop).map(\.1) + calls.map(\.1)
      for name in iterated where names.contains(String(name)) {
        result.append(
          file.finding(
            number,
            "iterates \(name), whose order differs from run to run: sort first, or use an"
              + " array"))
      }
    }
    return result
  }

  /// The lines that have one of the words: expressions are matched on those only.
  private static func lines(of file: SourceFile, having words: [String]) -> [Int] {
    Set(words.flatMap { file.code.offsets(of: $0) }.map { file.line(at: $0) }).sorted()
  }
}
