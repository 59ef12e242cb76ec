/// Bytes as text: hexadecimal and base64.
package enum Encodings {
  /// Two lower-case digits a byte.
  package static func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var out: [UInt8] = []
    out.reserveCapacity(bytes.count * 2)
    for byte in bytes {
      out.append(digits[Int(byte >> 4)])
      out.append(digits[Int(byte & 15)])
    }
    return String(decoding: out, as: UTF8.self)
  }

  /// 16 digits, zeros in front.
  package static func hexadecimal(_ number: UInt64) -> String {
    hexadecimal((0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) })
  }

  /// The bytes of pairs of digits; `nil` where it is none.
  package static func bytes(hexadecimal text: String) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count % 2 == 0 else { return nil }
    var out: [UInt8] = []
    for i in stride(from: 0, to: digits.count, by: 2) {
      guard let high = value(of: digits[i]), let low = value(of: digits[i + 1]) else { return nil }
      out.append(high << 4 | low)
    }
    return out
  }

  private static func value(of digit: UInt8) -> UInt8? {
    switch digit {
    case 48...57: digit - 48
    case 65...70: digit - 55
    case 97...102: digit - 87
    default: nil
    }
  }

  private static let alphabet = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  /// RFC 4648, with padding.
  package static func base64(_ bytes: [UInt8]) -> String {
    var out: [UInt8] = []
    out.reserveCapacity((bytes.count + 2) / 3 * 4)
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let count = min(3, bytes.count - start)
      var group: UInt32 = 0
      for i in 0..<3 { group = group << 8 | (i < count ? UInt32(bytes[start + i]) : 0) }
      for i in 0..<4 {
        out.append(
          i <= count ? alphabet[Int(group >> UInt32(18 - 6 * i) & 63)] : UInt8(ascii: "="))
      }
    }
    return String(decoding: out, as: UTF8.self)
  }

  /// RFC 4648; `nil` where it is none, or not written as `base64` would.
  package static func bytes(base64 text: String) -> [UInt8]? {
    let symbols = Array(text.utf8)
    guard symbols.count % 4 == 0 else { return nil }
    var out: [UInt8] = []
    for start in stride(from: 0, to: symbols.count, by: 4) {
      var group: UInt32 = 0
      var padding = 0
      for i in 0..<4 {
        let symbol = symbols[start + i]
        if symbol == UInt8(ascii: "=") {
          guard start + 4 == symbols.count, i >= 2 else { return nil }
          padding += 1
          group <<= 6
        } else {
          guard padding == 0, let value = alphabet.firstIndex(of: symbol) else { return nil }
          group = group << 6 | UInt32(value)
        }
      }
      out.append(UInt8(group >> 16 & 255))
      if padding < 2 { out.append(UInt8(group >> 8 & 255)) }
      if padding < 1 { out.append(UInt8(group & 255)) }
    }
    return out
  }
}
