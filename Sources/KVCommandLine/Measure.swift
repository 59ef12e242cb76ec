/// Lengths of time and numbers of bytes, as people write and read them.
package enum Measure {
  /// `500ms`, `2s`, `1.5s`, `1m`, `1h`, `250us`, or `2` for 2 seconds.
  package static func duration(_ text: String) -> Duration? {
    let (number, unit) = split(text)
    guard let value = Double(number), value.isFinite, value >= 0 else { return nil }
    let nanoseconds: Double? =
      switch unit {
      case "us", "µs": value * 1e3
      case "ms": value * 1e6
      case "s", "": value * 1e9
      case "m": value * 60e9
      case "h": value * 3600e9
      default: nil
      }
    guard let nanoseconds, nanoseconds <= 1e18 else { return nil }
    return .nanoseconds(Int64(nanoseconds))
  }

  /// `4096`, `64KiB`, `1GB`.
  package static func bytes(_ text: String) -> Int? {
    let (number, unit) = split(text)
    guard let value = Int(number), value >= 0 else { return nil }
    let factor: Int? =
      switch unit.lowercased() {
      case "", "b": 1
      case "k", "kib": 1 << 10
      case "m", "mib": 1 << 20
      case "g", "gib": 1 << 30
      case "kb": 1_000
      case "mb": 1_000_000
      case "gb": 1_000_000_000
      default: nil
      }
    guard let factor else { return nil }
    let (product, overflow) = value.multipliedReportingOverflow(by: factor)
    return overflow ? nil : product
  }

  private static func split(_ text: String) -> (number: String, unit: String) {
    let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    return (String(number), String(text.dropFirst(number.count)))
  }

  /// `512 B`, `3.4 MiB`.
  package static func show(bytes: UInt64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"]
    var value = Double(bytes)
    var unit = 0
    while value >= 1024, unit < units.count - 1 {
      value /= 1024
      unit += 1
    }
    return unit == 0 ? "\(bytes) B" : "\(decimal(value)) \(units[unit])"
  }

  /// `512`, `3.4K`, `12M`: for columns.
  package static func short(bytes: UInt64) -> String {
    let parts = show(bytes: bytes).split(separator: " ")
    guard parts.count == 2, parts[1] != "B" else { return "\(bytes)" }
    return "\(parts[0])\(parts[1].prefix(1))"
  }

  /// `12s`, `3m20s`, `5h10m`, `3d4h`: for columns.
  package static func short(milliseconds: UInt64) -> String {
    String(show(milliseconds: milliseconds).filter { $0 != " " })
  }

  /// `340 ms`, `12 s`, `3 m 20 s`, `5 h 10 m`, `3 d 4 h`.
  package static func show(milliseconds: UInt64) -> String {
    let seconds = milliseconds / 1000
    switch seconds {
    case 0: return "\(milliseconds) ms"
    case 1..<60: return "\(seconds) s"
    case 60..<3600: return "\(seconds / 60) m \(seconds % 60) s"
    case 3600..<86_400: return "\(seconds / 3600) h \(seconds / 60 % 60) m"
    default: return "\(seconds / 86_400) d \(seconds / 3600 % 24) h"
    }
  }

  /// With one digit after the point, without where there are three before it.
  package static func decimal(_ value: Double) -> String {
    if value >= 99.95 { return "\(Int(value.rounded()))" }
    let tenths = Int((value * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
  }

  /// `1 record`, `1,234 records`.
  package static func records(_ count: Int) -> String {
    "\(grouped(count)) record\(count == 1 ? "" : "s")"
  }

  /// `1,234,567`.
  package static func grouped(_ number: some BinaryInteger) -> String {
    var digits = Array(String(number.magnitude))
    var at = digits.count - 3
    while at > 0 {
      digits.insert(",", at: at)
      at -= 3
    }
    return (number < 0 ? "-" : "") + String(digits)
  }
}
