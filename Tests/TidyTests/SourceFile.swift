import Foundation

/// A text file of the repository, by its path from the root.
struct SourceFile {
  let path: String
  let text: String
  let lines: [Substring]
  /// The lines with comments and the insides of strings blanked: what the compiler sees.
  let code: [String]

  init(path: String, text: String) {
    self.path = path
    self.text = text
    lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    code = path.hasSuffix(".swift") ? CodeOnly.lines(of: text) : lines.map(String.init)
  }

  var isSwift: Bool { path.hasSuffix(".swift") }
  var isSource: Bool { isSwift && (path.hasPrefix("Sources/") || path.hasPrefix("Jepsen-lite/")) }

  /// The module that the file belongs to: the folder below `Sources`, `Jepsen-lite` or `Tests`.
  var module: String {
    let parts = path.split(separator: "/")
    return parts.count > 1 ? String(parts[1]) : ""
  }

  var name: String { String(path.split(separator: "/").last ?? "") }

  func finding(_ line: Int, _ what: String) -> Finding {
    Finding(path: path, line: line + 1, what: what)
  }
}

/// Something to mend, and how.
struct Finding: Hashable, CustomStringConvertible {
  var path: String
  var line: Int
  var what: String

  var description: String { "\(path):\(line): \(what)" }
}

enum Repository {
  /// The folder that holds `Package.swift`, found from where this file was compiled.
  static let root: URL = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// What is written by hand and belongs to the repository.
  static let files: [SourceFile] = {
    var found: [String] = []
    for folder in ["Sources", "Tests", "Jepsen-lite", "deploy", ".ci"] {
      let base = root.appending(path: folder).path
      for path in FileManager.default.enumerator(atPath: base)?.compactMap({ $0 as? String }) ?? []
      {
        found.append("\(folder)/\(path)")
      }
    }
    for path in (try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? []
    where path.hasSuffix(".md") || path == "Package.swift" {
      found.append(path)
    }
    return found.sorted().compactMap { path in
      guard !path.split(separator: "/").contains(where: { $0.hasPrefix(".build") }) else {
        return nil
      }
      let url = root.appending(path: path)
      guard let text = try? String(contentsOf: url, encoding: .utf8) else { return nil }
      return SourceFile(path: path, text: text)
    }
  }()
}
