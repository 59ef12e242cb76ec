internal import Glibc

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

  /// Makes the folder, or empties one that an earlier run has made. Throws a sentence where it
  /// belongs to somebody else.
  init(_ path: String, command: String) throws(SystemProblem) {
    self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    if Scratch.exists(self.path) {
      let names = Self.names(in: self.path)
      guard names.isEmpty || names.contains(Self.mark) else {
        throw SystemProblem(
          "\(self.path) is not empty, and not of an earlier run: choose another --out")
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

  func write(_ name: String, _ text: String) -> Bool {
    let descriptor = unsafe open(file(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = unsafe rest.withUnsafeBytes {
        unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)
      }
      guard count > 0 else { return false }
      rest = rest.dropFirst(count)
    }
    return true
  }

  /// With the folders above it.
  private static func make(_ path: String) -> Bool {
    if Scratch.exists(path) { return true }
    if let slash = path.lastIndex(of: "/"), slash > path.startIndex, !make(String(path[..<slash])) {
      return false
    }
    return Scratch.makeDirectory(path)
  }

  private static func names(in path: String) -> [String] {
    guard let folder = unsafe opendir(path) else { return [] }
    defer { unsafe closedir(folder) }
    var names: [String] = []
    while let entry = unsafe readdir(folder) {
      let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) {
        unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }
}
