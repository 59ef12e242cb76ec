/// Numbers as sentences have them: with one digit after the point.
enum Tenths {
  static func text(_ number: Double) -> String {
    let tenths = Int((abs(number) * 10).rounded())
    return (number < 0 && tenths > 0 ? "-" : "") + "\(tenths / 10).\(tenths % 10)"
  }
}
