/// Blanks comments and the insides of string literals, and leaves all other bytes where they are.
/// What an interpolation holds is code and stays.
struct CodeOnly {
  private let text: [UInt8]
  private var at = 0
  private var out: [UInt8]

  private static let quote = UInt8(ascii: "\"")
  private static let newline = UInt8(ascii: "\n")
  private static let slash = UInt8(ascii: "/")
  private static let star = UInt8(ascii: "*")
  private static let space = UInt8(ascii: " ")

  static func blanked(_ text: [UInt8]) -> [UInt8] {
    var scanner = CodeOnly(text: text)
    scanner.scanCode(untilClosing: false)
    return scanner.out
  }

  private init(text: [UInt8]) {
    self.text = text
    out = text
  }

  private func byte(_ offset: Int) -> UInt8 { offset < text.count ? text[offset] : 0 }

  private mutating func blank(_ count: Int = 1) {
    for _ in 0..<count where at < text.count {
      if text[at] != Self.newline { out[at] = Self.space }
      at += 1
    }
  }

  /// Code up to the end, or up to the bracket that closes an interpolation.
  private mutating func scanCode(untilClosing: Bool) {
    var depth = 0
    while at < text.count {
      switch text[at] {
      case Self.slash where byte(at + 1) == Self.slash:
        while at < text.count, text[at] != Self.newline {
          out[at] = Self.space
          at += 1
        }
        continue
      case Self.slash where byte(at + 1) == Self.star:
        scanBlockComment()
        continue
      case Self.quote:
        scanString(hashes: 0)
        continue
      case UInt8(ascii: "#"):
        var hashes = 1
        while byte(at + hashes) == UInt8(ascii: "#") { hashes += 1 }
        if byte(at + hashes) == Self.quote {
          scanString(hashes: hashes)
          continue
        }
      case UInt8(ascii: "("): depth += 1
      case UInt8(ascii: ")"):
        if depth == 0, untilClosing { return }
        depth -= 1
      default: break
      }
      at += 1
    }
  }

  private mutating func scanBlockComment() {
    var depth = 0
    repeat {
      if byte(at) == Self.slash, byte(at + 1) == Self.star {
        depth += 1
        blank(2)
      } else if byte(at) == Self.star, byte(at + 1) == Self.slash {
        depth -= 1
        blank(2)
      } else {
        blank()
      }
    } while depth > 0 && at < text.count
  }

  private func isTripleQuote(_ offset: Int) -> Bool {
    byte(offset) == Self.quote && byte(offset + 1) == Self.quote && byte(offset + 2) == Self.quote
  }

  private mutating func scanString(hashes: Int) {
    let isMultiline = isTripleQuote(at + hashes)
    let quotes = isMultiline ? 3 : 1
    at += hashes + quotes
    while at < text.count {
      let next = text[at]
      if next == UInt8(ascii: "\\"), hasHashes(hashes, at: at + 1) {
        blank(1 + hashes)
        if byte(at) == UInt8(ascii: "(") {
          at += 1
          scanCode(untilClosing: true)
          at += 1
        } else {
          blank()
        }
      } else if next == Self.quote, !isMultiline || isTripleQuote(at),
        hasHashes(hashes, at: at + quotes)
      {
        at += quotes + hashes
        return
      } else if !isMultiline, next == Self.newline {
        return
      } else {
        if next != Self.newline { out[at] = Self.space }
        at += 1
      }
    }
  }

  private func hasHashes(_ count: Int, at offset: Int) -> Bool {
    for hash in 0..<count where byte(offset + hash) != UInt8(ascii: "#") { return false }
    return true
  }
}
