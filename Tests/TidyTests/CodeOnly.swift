/// Blanks comments and the insides of string literals, and keeps the lines where they are. What an
/// interpolation holds is code and stays.
struct CodeOnly {
  private let text: [UInt8]
  private var at = 0
  private var out: [UInt8] = []

  private static let quote = UInt8(ascii: "\"")
  private static let newline = UInt8(ascii: "\n")

  static func lines(of text: String) -> [String] {
    var scanner = CodeOnly(text: Array(text.utf8))
    scanner.out.reserveCapacity(scanner.text.count)
    scanner.scanCode(untilClosing: false)
    return String(decoding: scanner.out, as: UTF8.self)
      .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }

  private init(text: [UInt8]) { self.text = text }

  private func starts(_ word: String, at offset: Int) -> Bool {
    offset < text.count && text[offset] == word.utf8.first
      && text[offset...].starts(with: word.utf8)
  }

  private mutating func copy(_ count: Int = 1) {
    for _ in 0..<count where at < text.count {
      out.append(text[at])
      at += 1
    }
  }

  private mutating func blank(_ count: Int = 1) {
    for _ in 0..<count where at < text.count {
      out.append(text[at] == Self.newline ? Self.newline : UInt8(ascii: " "))
      at += 1
    }
  }

  /// Code up to the end, or up to the bracket that closes an interpolation.
  private mutating func scanCode(untilClosing: Bool) {
    var depth = 0
    while at < text.count {
      if starts("//", at: at) {
        while at < text.count, text[at] != Self.newline { blank() }
      } else if starts("/*", at: at) {
        scanBlockComment()
      } else if let hashes = stringOpening() {
        scanString(hashes: hashes)
      } else {
        if text[at] == UInt8(ascii: "(") { depth += 1 }
        if text[at] == UInt8(ascii: ")") {
          if depth == 0, untilClosing { return }
          depth -= 1
        }
        copy()
      }
    }
  }

  private mutating func scanBlockComment() {
    var depth = 0
    repeat {
      if starts("/*", at: at) {
        depth += 1
        blank(2)
      } else if starts("*/", at: at) {
        depth -= 1
        blank(2)
      } else {
        blank()
      }
    } while depth > 0 && at < text.count
  }

  /// How many `#` stand before a quote that opens here.
  private func stringOpening() -> Int? {
    var offset = at
    while offset < text.count, text[offset] == UInt8(ascii: "#") { offset += 1 }
    return offset < text.count && text[offset] == Self.quote ? offset - at : nil
  }

  private mutating func scanString(hashes: Int) {
    copy(hashes)
    let quotes = starts("\"\"\"", at: at) ? 3 : 1
    copy(quotes)
    while at < text.count {
      if text[at] == UInt8(ascii: "\\"), hasHashes(hashes, at: at + 1) {
        blank(1 + hashes)
        if at < text.count, text[at] == UInt8(ascii: "(") {
          copy()
          scanCode(untilClosing: true)
          copy()
        } else {
          blank()
        }
      } else if closes(quotes: quotes, hashes: hashes) {
        copy(quotes + hashes)
        return
      } else if quotes == 1, text[at] == Self.newline {
        return
      } else {
        blank()
      }
    }
  }

  private func hasHashes(_ count: Int, at offset: Int) -> Bool {
    offset + count <= text.count
      && (0..<count).allSatisfy { text[offset + $0] == UInt8(ascii: "#") }
  }

  private func closes(quotes: Int, hashes: Int) -> Bool {
    (quotes == 3 ? starts("\"\"\"", at: at) : text[at] == Self.quote)
      && hasHashes(hashes, at: at + quotes)
  }
}
