/// The log of a run's events: always as a hash, and as text where asked for.
package struct Trace {
  package private(set) var hash: UInt64 = 0xcbf2_9ce4_8422_2325
  package private(set) var count: UInt64 = 0
  package private(set) var lines: [String] = []
  package let keepsText: Bool

  package init(keepsText: Bool) {
    self.keepsText = keepsText
  }

  /// Folds an event into the hash; `text` is formed only where it is kept.
  mutating func record(
    _ time: UInt64, _ a: UInt64, _ b: UInt64 = 0, _ c: UInt64 = 0,
    _ text: @autoclosure () -> String
  ) {
    count += 1
    fold(time)
    fold(a)
    fold(b)
    fold(c)
    if keepsText { lines.append(Self.stamp(time) + " " + text()) }
  }

  private mutating func fold(_ value: UInt64) {
    let mixed = (hash ^ value).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
    hash = mixed.low ^ mixed.high &+ 0x2545_F491_4F6C_DD1D
  }

  /// Seconds with six decimals.
  package static func stamp(_ time: UInt64) -> String {
    let micros = String(time / 1_000 % 1_000_000)
    return "\(time / 1_000_000_000)." + String(repeating: "0", count: 6 - micros.count) + micros
  }
}
