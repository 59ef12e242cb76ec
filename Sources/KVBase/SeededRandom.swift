/// A small, fast generator whose whole state is its seed: xoshiro256** by Blackman and Vigna,
/// seeded through SplitMix64. The same seed gives the same sequence on every machine.
@frozen
@usableFromInline
package struct SeededRandom: RandomNumberGenerator, Sendable {
  @usableFromInline var a: UInt64
  @usableFromInline var b: UInt64
  @usableFromInline var c: UInt64
  @usableFromInline var d: UInt64

  @inlinable
  package init(seed: UInt64) {
    var state = seed
    func splitMix() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
    a = splitMix()
    b = splitMix()
    c = splitMix()
    d = splitMix()
  }

  @inlinable
  package mutating func next() -> UInt64 {
    let scaled = b &* 5
    let result = ((scaled << 7) | (scaled >> 57)) &* 9
    let t = b << 17
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= t
    d = (d << 45) | (d >> 19)
    return result
  }

  /// A number in `0..<bound`. `bound` must be positive.
  @inlinable
  package mutating func below(_ bound: UInt64) -> UInt64 {
    precondition(bound > 0, "below(\(bound)): the bound must be positive")
    return next().multipliedFullWidth(by: bound).high
  }

  /// True with probability `numerator` / `denominator`.
  @inlinable
  package mutating func chance(_ numerator: UInt64, in denominator: UInt64) -> Bool {
    below(denominator) < numerator
  }

  /// A length of time in `low...high`.
  @inlinable
  package mutating func amount(from low: TimeAmount, to high: TimeAmount) -> TimeAmount {
    precondition(low <= high, "amount(from: \(low), to: \(high))")
    return TimeAmount(
      nanoseconds: low.nanoseconds + below(high.nanoseconds - low.nanoseconds + 1))
  }

  /// A generator of its own, independent of what this one gives later.
  @inlinable
  package mutating func fork() -> SeededRandom { SeededRandom(seed: next()) }
}
