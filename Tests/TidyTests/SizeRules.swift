/// How long files, functions and lines may be.
enum Sizes {
  static let lineLength = 100
  static let functionLines = 70
  static let fileLines = 400
  static let fileLinesEver = 600

  /// Files that may pass `fileLines`, each with its reason. Never past `fileLinesEver`.
  static let longFiles: [String: String] = [
    "Sources/KVNodeCore/RaftGroup/RaftGroup.swift":
      "every input of an engine in one place; what each means is decided by its parts"
  ]

  static func findings(_ file: SourceFile) -> [Finding] {
    lineFindings(file) + fileFindings(file) + functionFindings(file)
  }

  static func lineFindings(_ file: SourceFile) -> [Finding] {
    guard !file.path.hasSuffix(".md"), !file.path.hasPrefix("Tests/Golden/") else { return [] }
    var result: [Finding] = []
    for number in 0..<file.lineCount where file.range(ofLine: number).count > lineLength {
      // Characters are counted only where there are enough bytes for too many of them.
      let count = file.text(ofLine: number).count
      guard count > lineLength else { continue }
      result.append(file.finding(number, "\(count) characters: at most \(lineLength)"))
    }
    return result
  }

  static func fileFindings(_ file: SourceFile) -> [Finding] {
    guard file.isSwift else { return [] }
    // The last line ends with a newline, and nothing follows it.
    let count = file.lineCount - (file.range(ofLine: file.lineCount - 1).isEmpty ? 1 : 0)
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
    var result: [Finding] = []
    for function in FunctionScanner.functions(in: file) where function.lineCount > functionLines {
      result.append(
        file.finding(
          function.firstLine,
          "\(function.name) has \(function.lineCount) lines: at most \(functionLines)"))
    }
    return result
  }
}

/// Finds where functions and initialisers begin and end, by their braces.
enum FunctionScanner {
  struct Function {
    var name: String
    var firstLine: Int
    var lineCount: Int
  }

  static func functions(in file: SourceFile) -> [Function] {
    let text = file.code
    var result: [Function] = []
    for at in ["func ", "init", "deinit {"].flatMap({ text.offsets(of: $0) }).sorted() {
      guard let name = declaration(text, at), let body = bodyStart(text, at) else { continue }
      let first = file.line(at: at)
      result.append(
        Function(
          name: name, firstLine: first,
          lineCount: file.line(at: closing(text, body)) - first + 1))
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
    func starts(_ word: String) -> Bool { text[at...].prefix(8).starts(with: word.utf8) }
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
