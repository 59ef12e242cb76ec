package import KVBase

/// A counter's value: the shortest decimal text of a 64-bit integer, as Redis keeps one. Neither a
/// plus sign nor spaces nor leading zeros are accepted.
package enum DecimalText {
  package static func parse(_ text: Bytes) -> Int64? {
    guard !text.isEmpty, text.count <= 20 else { return nil }
    let isNegative = text[0] == UInt8(ascii: "-")
    let start = isNegative ? 1 : 0
    guard start < text.count else { return nil }
    if text[start] == UInt8(ascii: "0") { return text.count == 1 ? 0 : nil }
    var value: Int64 = 0
    for i in start..<text.count {
      let digit = Int64(text[i]) - 48
      guard digit >= 0, digit <= 9 else { return nil }
      // Downwards, since the lowest integer has no positive counterpart.
      let (product, tooLarge) = value.multipliedReportingOverflow(by: 10)
      let (difference, tooLow) = product.subtractingReportingOverflow(digit)
      guard !tooLarge, !tooLow else { return nil }
      value = difference
    }
    if isNegative { return value }
    return value == .min ? nil : -value
  }

  package static func bytes(_ value: Int64) -> Bytes { Bytes(String(value)) }
}
