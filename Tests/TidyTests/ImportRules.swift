/// Imports of the project's own modules that a file does not use, and dependencies in
/// `Package.swift` that no file of the target imports.
///
/// A file uses a module where it names a type, a function or a value that the module declares, or
/// a member of one of its types: that, too, needs the import. Types are not known here, so a member
/// of the same name that another module declares counts as well.
enum Imports {
  struct Names {
    /// Types, functions and values of the module itself.
    var global: Set<Name> = []
    var members: [Name: [Declaration]] = [:]
  }

  static func names(_ index: CodeIndex) -> [String: Names] {
    var result: [String: Names] = [:]
    for file in index.files where file.source.isSource {
      for declaration in file.declarations where !declaration.isPrivate {
        if declaration.owner == nil || declaration.kind == .type || declaration.kind == .alias {
          result[file.source.module, default: Names()].global.insert(declaration.name)
        } else {
          result[file.source.module, default: Names()].members[declaration.name, default: []]
            .append(
              declaration)
        }
      }
    }
    return result
  }

  private static let dot = Name(".")

  static func findings(_ index: CodeIndex) -> [Finding] {
    let names = names(index)
    var result: [Finding] = []
    for file in index.files {
      for (line, module) in Layers.imports(of: file.source) {
        guard let declared = names[module] else { continue }
        guard !file.tokens.indices.contains(where: { uses(declared, file.tokens, $0) }) else {
          continue
        }
        result.append(
          file.source.finding(line, "imports \(module) and names nothing of it: remove the import"))
      }
    }
    return result
  }

  private static func uses(_ declared: Names, _ tokens: [Token], _ at: Int) -> Bool {
    let name = tokens[at].name
    guard name.isWord else { return false }
    if declared.global.contains(name) { return true }
    guard at > 0, tokens[at - 1].name == dot, let members = declared.members[name] else {
      return false
    }
    return members.contains { member in
      member.kind != .function || Call(tokens, at).fits(member)
    }
  }

  // Package.swift.

  /// What a target of `Package.swift` depends on.
  struct Target {
    var name: String
    var line: Int
    var dependencies: [String] = []
    var path: String?
  }

  /// Libraries that a target needs at run time only, each with its reason.
  static let withoutImport: [String: Set<String>] = [:]

  static func manifestFindings(
    _ manifest: SourceFile, _ files: [SourceFile]
  ) -> [Finding] {
    let targets = targets(of: manifest)
    let libraries = Set(targets.map(\.name)).subtracting(executables(of: manifest))
    var imported: [String: Set<String>] = [:]
    for file in files where file.isSwift {
      for (_, module) in Layers.imports(of: file) {
        imported[file.module, default: []].insert(module)
      }
    }
    var result: [Finding] = []
    for target in targets {
      let folder = target.path?.split(separator: "/").last.map(String.init) ?? target.name
      guard let names = imported[folder] else { continue }
      for dependency in target.dependencies
      where libraries.contains(dependency) && !names.contains(dependency) {
        guard withoutImport[target.name]?.contains(dependency) != true else { continue }
        result.append(
          manifest.finding(
            target.line,
            "\(target.name) depends on \(dependency), and no file of it imports that: name what"
              + " is imported"))
      }
    }
    return result
  }

  private static let heads = [
    "library(", "tool(", "tests(", ".target(", ".executableTarget(", ".testTarget(",
    ".systemLibrary(",
  ]

  /// The targets, by the strings of each: the first is the name, one behind `path:` the folder.
  static func targets(of manifest: SourceFile) -> [Target] {
    var result: [Target] = []
    for (line, arguments) in targetTexts(of: manifest) {
      let parts = arguments.split(separator: "\"", omittingEmptySubsequences: false)
      guard parts.count > 1 else { continue }
      var target = Target(name: String(parts[1]), line: line)
      var position = 3
      while position < parts.count {
        let before = parts[position - 1]
        if before.hasSuffix("path: ") {
          target.path = String(parts[position])
        } else if before.contains("pkgConfig") || before.contains("apt(") {
          break
        } else {
          target.dependencies.append(String(parts[position]))
        }
        position += 2
      }
      result.append(target)
    }
    return result
  }

  private static func executables(of manifest: SourceFile) -> Set<String> {
    Set(
      targetTexts(of: manifest, heads: ["tool(", ".executableTarget("]).compactMap { _, arguments in
        arguments.split(separator: "\"", omittingEmptySubsequences: false).dropFirst().first
          .map(String.init)
      })
  }

  /// Line and text of each target's arguments, up to the bracket that closes them.
  private static func targetTexts(
    of manifest: SourceFile, heads: [String] = heads
  ) -> [(Int, String)] {
    var result: [(Int, String)] = []
    for head in heads {
      for at in manifest.code.offsets(of: head) {
        // `func library(_ name: …` is no target.
        let line = manifest.line(at: at)
        let before = manifest.code[manifest.range(ofLine: line).lowerBound..<at]
        guard before.allSatisfy({ $0 == UInt8(ascii: " ") }) else { continue }
        var depth = 0
        var end = at
        while end < manifest.code.count {
          if manifest.code[end] == UInt8(ascii: "(") { depth += 1 }
          if manifest.code[end] == UInt8(ascii: ")") {
            depth -= 1
            if depth == 0 { break }
          }
          end += 1
        }
        result.append((line, String(decoding: manifest.bytes[at..<end], as: UTF8.self)))
      }
    }
    return result
  }
}
