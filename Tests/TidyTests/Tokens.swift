/// A word, or one byte of punctuation, of a file's code.
struct Token: Sendable {
  /// A word's hash, or the byte itself: words are compared as numbers.
  var name: Name
  var start: Int32
  var length: Int32
}

/// A word of code as a number: FNV-1a over its bytes, never below 256. Single bytes of punctuation
/// are their own.
struct Name: Hashable, Sendable {
  let value: UInt64

  private static let basis: UInt64 = 0xcbf2_9ce4_8422_2325

  fileprivate init(hash: UInt64) { value = hash | 256 }

  init(_ text: StaticString) { self.init(String(describing: text)) }

  init(_ text: String) {
    var hash = Name.basis
    for byte in text.utf8 { hash = Name.add(byte, hash) }
    if let only = text.utf8.first, text.utf8.count == 1, !Name.isWord(only) {
      value = UInt64(only)
    } else {
      value = hash | 256
    }
  }

  var isWord: Bool { value >= 256 }

  fileprivate static func add(_ byte: UInt8, _ hash: UInt64) -> UInt64 {
    (hash ^ UInt64(byte)) &* 0x100_0000_01b3
  }

  private static let words: [Bool] = (0...255).map { byte in
    byte == 95 || (48...57).contains(byte) || (65...90).contains(byte)
      || (97...122).contains(byte) || byte >= 128
  }

  static func isWord(_ byte: UInt8) -> Bool { words[Int(byte)] }

  /// The words and punctuation of blanked code. Backticks around a word are left out.
  static func tokens(of code: [UInt8]) -> [Token] {
    let isWord = words
    var result: [Token] = []
    result.reserveCapacity(code.count / 4)
    var at = 0
    while at < code.count {
      let byte = code[at]
      if byte == 32 || byte == 10 || byte == 96 {
        at += 1
      } else if isWord[Int(byte)] {
        let start = at
        var hash = basis
        while at < code.count, isWord[Int(code[at])] {
          hash = (hash ^ UInt64(code[at])) &* 0x100_0000_01b3
          at += 1
        }
        result.append(
          Token(name: Name(hash: hash), start: Int32(start), length: Int32(at - start)))
      } else {
        result.append(Token(name: Name(byte: byte), start: Int32(at), length: 1))
        at += 1
      }
    }
    return result
  }

  private init(byte: UInt8) { value = UInt64(byte) }
}
