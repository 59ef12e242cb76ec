/// Latencies in buckets whose width is 1/64 of their value: 1.6 % of error, constant memory.
package struct Histogram: Sendable {
  /// Up to 63, one bucket a value; above, 64 a power of two.
  private static let octaves = 58
  private var counts = [UInt64](repeating: 0, count: 64 * (octaves + 1))
  package private(set) var count: UInt64 = 0
  package private(set) var maximum: UInt64 = 0

  package init() {}

  package mutating func record(_ value: UInt64) {
    counts[Self.bucket(of: value)] += 1
    count += 1
    if value > maximum { maximum = value }
  }

  package mutating func merge(_ other: Histogram) {
    for index in counts.indices { counts[index] += other.counts[index] }
    count += other.count
    maximum = max(maximum, other.maximum)
  }

  /// The value below or at which this share of all lies; 0 where there are none.
  package func quantile(_ share: Double) -> UInt64 {
    guard count > 0 else { return 0 }
    let rank = UInt64((Double(count) * share).rounded(.up))
    var seen: UInt64 = 0
    for index in counts.indices {
      seen += counts[index]
      if seen >= max(1, rank) { return min(maximum, Self.upperEdge(of: index)) }
    }
    return maximum
  }

  static func bucket(of value: UInt64) -> Int {
    guard value >= 64 else { return Int(value) }
    let exponent = 63 - value.leadingZeroBitCount
    let mantissa = Int(value >> UInt64(exponent - 6)) & 63
    return (exponent - 5) * 64 + mantissa
  }

  static func upperEdge(of bucket: Int) -> UInt64 {
    guard bucket >= 64 else { return UInt64(bucket) }
    let exponent = bucket / 64 + 5
    let mantissa = UInt64(bucket % 64)
    let width = UInt64(1) << UInt64(exponent - 6)
    return ((64 + mantissa) << UInt64(exponent - 6)) + (width - 1)
  }
}
