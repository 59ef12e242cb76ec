internal import Glibc
internal import KVBase

/// Ranks by Zipf's law with exponent 0.99, by the method of Gray et al., "Quickly Generating
/// Billion-Record Synthetic Databases" (1994), spread over the keys so that hot ones are not
/// neighbours.
struct Zipfian: Sendable {
  private let count: Double
  private let zeta: Double
  private let alpha: Double
  private let eta: Double
  private let modulus: UInt64
  private let stride: UInt64
  private static let theta = 0.99

  init(count: Int) {
    self.count = Double(count)
    var sum = 0.0
    for rank in 1...count { sum += 1 / pow(Double(rank), Self.theta) }
    zeta = sum
    alpha = 1 / (1 - Self.theta)
    let zetaOfTwo = 1 + 1 / pow(2, Self.theta)
    eta = (1 - pow(2 / Double(count), 1 - Self.theta)) / (1 - zetaOfTwo / sum)
    modulus = UInt64(count)
    var stride: UInt64 = 2_654_435_761 % modulus
    while stride < 2 || Self.divisor(stride, modulus) != 1, stride < modulus { stride += 1 }
    self.stride = stride
  }

  func next(_ random: inout SeededRandom) -> Int {
    let u = Double(random.next() >> 11) / Double(UInt64(1) << 53)
    let scaled = u * zeta
    var rank = 0.0
    if scaled < 1 {
      rank = 0
    } else if scaled < 1 + pow(0.5, Self.theta) {
      rank = 1
    } else {
      rank = count * pow(eta * u - eta + 1, alpha)
    }
    let bounded = min(UInt64(max(0, rank)), modulus - 1)
    return Int(bounded.multipliedReportingOverflow(by: stride).partialValue % modulus)
  }

  private static func divisor(_ a: UInt64, _ b: UInt64) -> UInt64 {
    b == 0 ? a : divisor(b, a % b)
  }
}
