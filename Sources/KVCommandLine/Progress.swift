/// How far a long command is, on standard error: a bar on a terminal, else nothing until the end.
package struct Progress: Sendable {
  private let name: String
  private let isTerminal: Bool
  private let clock = ContinuousClock()
  private let began: ContinuousClock.Instant
  private var shownAt: ContinuousClock.Instant
  private var hasShown = false

  package init(_ name: String) {
    self.init(name, isTerminal: Console.isErrorTerminal)
  }

  init(_ name: String, isTerminal: Bool) {
    self.name = name
    self.isTerminal = isTerminal
    began = clock.now
    shownAt = began
  }

  package var seconds: Double {
    let (seconds, attoseconds) = (clock.now - began).components
    return Double(seconds) + Double(attoseconds) / 1e18
  }

  /// Less time after an update, the next one is left out.
  private static let interval = Duration.milliseconds(100)

  /// `share`: 0 to 1, where it is known.
  package mutating func update(count: Int, share: Double?) {
    guard isTerminal else { return }
    let now = clock.now
    guard now - shownAt >= Self.interval else { return }
    shownAt = now
    hasShown = true
    Console.show("\r" + Self.bar(name, count: count, share: share, seconds: seconds) + "\u{1B}[K")
  }

  /// Takes the bar away.
  package mutating func clear() {
    if hasShown { Console.show("\r\u{1B}[K") }
    hasShown = false
  }

  /// `import  [#####     ]  48 %  120,000 records, 23,104/s`
  static func bar(_ name: String, count: Int, share: Double?, seconds: Double) -> String {
    let rate = seconds > 0 ? Int(Double(count) / seconds) : 0
    let figures = "\(Measure.records(count)), \(Measure.grouped(rate))/s"
    guard let share else { return "\(name)  \(figures)" }
    let bounded = min(1, max(0, share))
    let filled = Int(bounded * 20)
    let bar =
      String(repeating: "#", count: filled) + String(repeating: " ", count: 20 - filled)
    return "\(name)  [\(bar)]  \(Int(bounded * 100)) %  \(figures)"
  }
}
