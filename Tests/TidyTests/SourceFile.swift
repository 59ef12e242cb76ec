import Foundation

/// A text file of the repository, by its path from the root. Rules work on bytes: in a debug build
/// they are many times cheaper than characters.
struct SourceFile: Sendable {
  let path: String
  let bytes: [UInt8]
  /// The bytes with comments and the insides of strings blanked: what the compiler sees. As long as
  /// `bytes`.
  let code: [UInt8]
  /// Where each line begins.
  private let lineStarts: [Int]

  init(path: String, text: String) { self.init(path: path, bytes: Array(text.utf8)) }

  init(path: String, bytes: [UInt8]) {
    self.path = path
    self.bytes = bytes
    code = path.hasSuffix(".swift") ? CodeOnly.blanked(bytes) : bytes
    var starts = [0]
    for at in bytes.offsets(of: "\n") { starts.append(at + 1) }
    lineStarts = starts
  }

  var isSwift: Bool { path.hasSuffix(".swift") }
  var isSource: Bool { isSwift && (path.hasPrefix("Sources/") || path.hasPrefix("Jepsen-lite/")) }

  /// The module that the file belongs to: the folder below `Sources`, `Jepsen-lite` or `Tests`.
  var module: String {
    let parts = path.split(separator: "/")
    return parts.count > 1 ? String(parts[1]) : ""
  }

  var name: String { String(path.split(separator: "/").last ?? "") }

  /// How many lines there are; after a last newline stands one more, which is empty.
  var lineCount: Int { lineStarts.count }

  /// The line that holds the byte at `offset`.
  func line(at offset: Int) -> Int {
    var low = 0
    var high = lineStarts.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if lineStarts[middle] <= offset { low = middle } else { high = middle }
    }
    return low
  }

  /// The bytes of a line, without its newline.
  func range(ofLine number: Int) -> Range<Int> {
    let end = number + 1 < lineStarts.count ? lineStarts[number + 1] - 1 : bytes.count
    return lineStarts[number]..<end
  }

  func text(ofLine number: Int) -> String {
    String(decoding: bytes[range(ofLine: number)], as: UTF8.self)
  }

  func code(ofLine number: Int) -> String {
    String(decoding: code[range(ofLine: number)], as: UTF8.self)
  }

  func finding(_ line: Int, _ what: String) -> Finding {
    Finding(path: path, line: line + 1, what: what)
  }
}

extension [UInt8] {
  /// Where `word` stands, from left to right and without overlaps. Searched by the C library, which
  /// is as fast in a debug build: a text has no byte 0.
  func offsets(of word: String) -> [Int] {
    unsafe (self + [0]).withUnsafeBytes { bytes in
      unsafe word.withCString { wanted in
        guard let base = bytes.baseAddress else { return [] }
        let text = unsafe base.assumingMemoryBound(to: CChar.self)
        var found: [Int] = []
        var at = 0
        while let hit = unsafe strstr(text + at, wanted) {
          let offset = unsafe text.distance(to: hit)
          found.append(offset)
          at = offset + word.utf8.count
        }
        return found
      }
    }
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
  static let root: URL = URL(filePath: #filePath).resolvingSymlinksInPath()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// What is written by hand and belongs to the repository. Each file is read once.
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
      guard let bytes = try? Data(contentsOf: url), String(validating: bytes, as: UTF8.self) != nil
      else { return nil }
      return SourceFile(path: path, bytes: Array(bytes))
    }
  }()

  static let index = CodeIndex(files)
}
