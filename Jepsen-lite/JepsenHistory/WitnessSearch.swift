/// An exact search over few operations, some of which may be left out: Wing and Gong's, with Lowe's
/// memory. What may be left out may have an end here, unlike an unknown outcome in a history.
struct WitnessSearch {
  struct Item {
    var step: LinearizabilityStep
    /// `nil`: never.
    var end: UInt64?
    var mayBeLeftOut: Bool
  }

  private struct Configuration: Hashable {
    var low: UInt64 = 0
    var high: UInt64 = 0
    var state: Int64

    func contains(_ position: Int) -> Bool {
      position < 64 ? low & (1 << UInt64(position)) != 0 : high & (1 << UInt64(position - 64)) != 0
    }

    mutating func insert(_ position: Int) {
      if position < 64 { low |= 1 << UInt64(position) } else { high |= 1 << UInt64(position - 64) }
    }
  }

  static let maximumItems = 128

  private let items: [Item]
  private var failed: Set<Configuration> = []
  private var isGivenUp = false
  private let maximumConfigurations: Int

  /// Whether some order explains the operations; `nil` where there are too many of them or of the
  /// ways to go.
  static func isLinearizable(
    _ items: [Item], initial: Int64, maximumConfigurations: Int = 100_000
  ) -> Bool? {
    guard items.count <= maximumItems else { return nil }
    var search = WitnessSearch(
      items.sorted { $0.step.start < $1.step.start }, maximumConfigurations)
    let isFound = search.go(Configuration(state: initial), latestStart: 0)
    return search.isGivenUp ? nil : isFound
  }

  private init(_ items: [Item], _ maximumConfigurations: Int) {
    self.items = items
    self.maximumConfigurations = maximumConfigurations
  }

  /// `latestStart`: of what stands already; follows from `now`.
  private mutating func go(_ now: Configuration, latestStart: UInt64) -> Bool {
    if isGivenUp || failed.contains(now) { return false }
    var horizon = UInt64.max
    var isOpen = false
    for (position, item) in items.enumerated() where !item.mayBeLeftOut && !now.contains(position) {
      horizon = min(horizon, item.end ?? .max)
      isOpen = true
    }
    if !isOpen { return true }
    for (position, item) in items.enumerated() where !now.contains(position) {
      if item.step.start > horizon { break }
      guard let state = item.step.next(after: now.state) else { continue }
      // What may be left out is worth a step only where it changes something.
      if item.mayBeLeftOut && (state == now.state || latestStart > item.end ?? .max) { continue }
      var next = now
      next.insert(position)
      next.state = state
      if go(next, latestStart: max(latestStart, item.step.start)) { return true }
    }
    failed.insert(now)
    if failed.count > maximumConfigurations { isGivenUp = true }
    return false
  }
}
