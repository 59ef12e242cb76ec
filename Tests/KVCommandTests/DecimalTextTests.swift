import KVBase
import KVCommand
import Testing

@Suite struct DecimalTextTests {
  @Test func decimalText() {
    let valid: [(Bytes, Int64)] = [
      ("0", 0), ("7", 7), ("-1", -1), ("9223372036854775807", .max),
      ("-9223372036854775808", .min), ("1000000000000000000", 1_000_000_000_000_000_000),
    ]
    for (text, value) in valid {
      #expect(DecimalText.parse(text) == value)
      #expect(DecimalText.bytes(value) == text)
    }
    let invalid: [Bytes] = [
      "", "-", "+1", "-0", "00", "01", "-01", " 1", "1 ", "1a", "9223372036854775808",
      "-9223372036854775809", "99999999999999999999", "18446744073709551616", "١",
      "000000000000000000001", "1.0", "\u{0}",
    ]
    for text in invalid { #expect(DecimalText.parse(text) == nil, "\(text)") }
    var random = SeededRandom(seed: 2)
    for _ in 0..<2_000 {
      let value = Int64(bitPattern: random.next()) >> random.below(64)
      #expect(DecimalText.parse(Bytes("\(value)")) == value)
    }
  }
}
