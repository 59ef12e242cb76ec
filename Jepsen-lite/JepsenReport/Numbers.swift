/// Numbers as people read them. No locale: a report is the same everywhere.
enum Numbers {
  /// `12,345`.
  static func grouped(_ number: Int) -> String {
    var digits = Array(String(number.magnitude))
    var position = digits.count - 3
    while position > 0 {
      digits.insert(",", at: position)
      position -= 3
    }
    return (number < 0 ? "-" : "") + String(digits)
  }

  /// With so many digits after the point.
  static func decimal(_ number: Double, _ digits: Int = 1) -> String {
    guard number.isFinite else { return "–" }
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let scaled = (number.magnitude * scale).rounded()
    guard scaled < 9e15 else { return "\(number)" }
    let whole = Int(scaled)
    let sign = number < 0 && whole > 0 ? "-" : ""
    guard digits > 0 else { return sign + grouped(whole) }
    let unit = Int(scale)
    let remaining = String(whole % unit)
    return sign + grouped(whole / unit) + "."
      + String(repeating: "0", count: digits - remaining.count) + remaining
  }

  static func percent(_ share: Double) -> String {
    share >= 0.9995 && share < 1 ? "99.9 %" : decimal(share * 100, 1) + " %"
  }

  static func seconds(_ nanoseconds: UInt64, _ digits: Int = 1) -> String {
    decimal(Double(nanoseconds) / 1e9, digits) + " s"
  }

  /// In the unit that fits: `850 µs`, `12.3 ms`, `4.5 s`.
  static func duration(_ nanoseconds: UInt64) -> String {
    switch nanoseconds {
    case ..<1_000_000: decimal(Double(nanoseconds) / 1e3, 0) + " µs"
    case ..<100_000_000: decimal(Double(nanoseconds) / 1e6, 1) + " ms"
    case ..<1_000_000_000: decimal(Double(nanoseconds) / 1e6, 0) + " ms"
    default: decimal(Double(nanoseconds) / 1e9, 1) + " s"
    }
  }

  /// A round step that makes about `count` marks up to `high`.
  static func step(upTo high: Double, count: Int) -> Double {
    guard high > 0 else { return 1 }
    let rough = high / Double(max(1, count))
    var unit = 1.0
    while unit * 10 <= rough { unit *= 10 }
    while unit > rough { unit /= 10 }
    for factor in [1.0, 2, 5, 10] where unit * factor >= rough { return unit * factor }
    return unit * 10
  }
}
