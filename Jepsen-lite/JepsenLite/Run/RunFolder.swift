/// The folder that receives all of a run.
struct RunFolder: Sendable {
  let path: String

  /// Says that the folder is of a run, and which.
  private static let mark = "run.txt"
  private static let files = [
    "history.jsonl", "report.html", "report.txt", "summary.json", "junit.xml", "row.md",
    "faults.jsonl",
  ]

  private static let prefixes = ["node-", "faults-", "before-flips-"]

  /// Makes the folder, or empties one that an earlier run has made where it is to be replaced.
  /// Throws a sentence where it belongs to somebody else.
  init(_ path: String, command: String, replacing: Bool = false) throws(SystemProblem) {
    self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    if Scratch.exists(self.path) {
      let names = Scratch.names(in: self.path)
      guard names.isEmpty || names.contains(Self.mark) else {
        throw SystemProblem(
          "\(self.path) is not empty, and not of an earlier run: choose another --out")
      }
      guard names.isEmpty || replacing else {
        throw SystemProblem(
          "\(self.path) holds an earlier run: choose another --out, or replace it with --force")
      }
      for name in names
      where Self.files.contains(name) || Self.prefixes.contains(where: name.hasPrefix) {
        Scratch.remove("\(self.path)/\(name)")
      }
    }
    guard Self.make(self.path), write(Self.mark, command + "\n") else {
      throw SystemProblem("the folder \(self.path) can't be written")
    }
  }

  func file(_ name: String) -> String { "\(path)/\(name)" }

  func write(_ name: String, _ text: String) -> Bool { Scratch.write(text, to: file(name)) }

  /// With the folders above it.
  private static func make(_ path: String) -> Bool {
    if Scratch.exists(path) { return true }
    if let slash = path.lastIndex(of: "/"), slash > path.startIndex, !make(String(path[..<slash])) {
      return false
    }
    return Scratch.makeDirectory(path)
  }
}
