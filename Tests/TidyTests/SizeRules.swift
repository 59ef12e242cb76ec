/// How long files, functions and lines may be.
enum Sizes {
  static let lineLength = 100
  static let functionLines = 70
  static let fileLines = 400
  static let fileLinesEver = 600

  /// Files that may pass `fileLines`, each with its reason. Never past `fileLinesEver`.
  static let longFiles: [String: String] = [:]

  static func findings(_ file: SourceFile) -> [Finding] {
    lineFindings(file) + fileFindings(file) + functionFindings(file)
  }

  static func lineFindings(_ file: SourceFile) -> [Finding] {
    guard !file.path.hasSuffix(".md") else { return [] }
    return file.lines.enumerated().compactMap { number, line in
      line.count > lineLength
        ? file.finding(number, "\(line.count) characters: at most \(lineLength)") : nil
    }
  }

  static func fileFindings(_ file: SourceFile) -> [Finding] {
    guard file.isSwift else { return [] }
    // The last line ends with a newline, after which nothing stands.
    let count = file.lines.count - (file.lines.last?.isEmpty == true ? 1 : 0)
    if count > fileLinesEver {
      return [file.finding(count - 1, "\(count) lines: split the file, \(fileLinesEver) at most")]
    }
    if count > fileLines, longFiles[file.path] == nil {
      return [
        file.finding(
          count - 1, "\(count) lines: look for the second idea, or say why in Sizes.longFiles")
      ]
    }
    return []
  }

  static func functionFindings(_ file: SourceFile) -> [Finding] {
    guard file.isSwift else { return [] }
    return FunctionScanner.functions(in: file.code).compactMap { function in
      function.lineCount > functionLines
        ? file.finding(
          function.firstLine,
          "\(function.name) has \(function.lineCount) lines: at most \(functionLines)") : nil
    }
  }
}

/// Finds where functions and initialisers begin and end, by their braces.
enum FunctionScanner {
  struct Function {
    var name: String
    var firstLine: Int
    var lineCount: Int
  }

  static func functions(in code: [String]) -> [Function] {
    let text = Array(code.joined(separator: "\n").utf8)
    var result: [Function] = []
    var line = 0
    var at = 0
    while at < text.count {
      if text[at] == UInt8(ascii: "\n") { line += 1 }
      if let name = declaration(text, at), let body = bodyStart(text, at) {
        let end = closing(text, body)
        let lines = text[at..<end].count { $0 == UInt8(ascii: "\n") } + 1
        result.append(Function(name: name, firstLine: line, lineCount: lines))
      }
      at += 1
    }
    return result
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "_") || (48...57).contains(byte) || (65...90).contains(byte)
      || (97...122).contains(byte) || byte >= 128
  }

  /// The name of the function or initialiser declared at this offset.
  private static func declaration(_ text: [UInt8], _ at: Int) -> String? {
    guard at == 0 || !(isWord(text[at - 1]) || text[at - 1] == UInt8(ascii: ".")) else {
      return nil
    }
    func starts(_ word: String) -> Bool { text[at...].starts(with: word.utf8) }
    if starts("init(") || starts("init?(") || starts("init<") { return "init" }
    if starts("deinit {") { return "deinit" }
    guard starts("func ") else { return nil }
    let name = text[(at + 5)...].prefix { $0 != UInt8(ascii: "(") && $0 != UInt8(ascii: "<") }
    return String(decoding: name, as: UTF8.self)
  }

  /// The offset of the brace that opens the body; nil for a requirement of a protocol.
  private static func bodyStart(_ text: [UInt8], _ start: Int) -> Int? {
    var depth = 0
    var at = start
    while at < text.count {
      switch text[at] {
      case UInt8(ascii: "("), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: ")"), UInt8(ascii: "]"): depth -= 1
      case UInt8(ascii: "{") where depth == 0: return at
      case UInt8(ascii: "}") where depth <= 0: return nil
      case UInt8(ascii: "\n") where depth == 0 && !goesOn(text, at): return nil
      default: break
      }
      if depth < 0 { return nil }
      at += 1
    }
    return nil
  }

  /// Whether a signature goes on after the end of a line.
  private static func goesOn(_ text: [UInt8], _ newline: Int) -> Bool {
    let after = text[newline...].drop { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: " ") }
    if ["{", "->", "throws", "async", "where"].contains(where: { after.starts(with: $0.utf8) }) {
      return true
    }
    let before = text[..<newline].last { $0 != UInt8(ascii: " ") }
    return before == UInt8(ascii: ",") || before == UInt8(ascii: ">")
      || before == UInt8(ascii: "&") || before == UInt8(ascii: ":")
      || before == UInt8(ascii: "=")
  }

  private static func closing(_ text: [UInt8], _ brace: Int) -> Int {
    var depth = 0
    for at in brace..<text.count {
      if text[at] == UInt8(ascii: "{") { depth += 1 }
      if text[at] == UInt8(ascii: "}") {
        depth -= 1
        if depth == 0 { return at }
      }
    }
    return text.count
  }
}
