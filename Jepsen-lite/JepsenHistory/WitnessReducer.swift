/// Reduces operations that were found violated to few, none of which can be dropped.
///
/// What dropping means is up to the caller's test, which must answer whether what is left is
/// violated by itself, given that the rest is not known.
struct WitnessReducer {
  struct Reduction: Sendable {
    /// By rising position.
    var positions: [Int]
    /// Each one was dropped alone, and the rest was seen to be explainable. Else the bound was
    /// reached, or the test could not tell.
    var isIrreducible: Bool
    var checks: Int
  }

  /// The most operations that all tests together may look at.
  var maximumWork = 20_000_000
  var maximumChecks = 20_000

  private var work = 0
  private var checks = 0

  init(maximumWork: Int = 20_000_000, maximumChecks: Int = 20_000) {
    self.maximumWork = maximumWork
    self.maximumChecks = maximumChecks
  }

  /// Looks for a violated beginning of `candidates`, which stand in the order of suspicion, and
  /// drops from it what can be dropped: first large pieces, at last one by one. `nil` where not
  /// even all of them are seen to be violated.
  mutating func reduce(
    _ candidates: [Int], firstSize: Int = 16, isViolated: ([Int]) -> Bool?
  ) -> Reduction? {
    work = 0
    checks = 0
    var size = min(max(1, firstSize), candidates.count)
    while true {
      guard size > 0, hasBudget else { return nil }
      let beginning = candidates[..<size].sorted()
      if test(beginning, isViolated) == true { return shrink(beginning, isViolated) }
      if size == candidates.count { return nil }
      size = min(size * 4, candidates.count)
    }
  }

  /// Drops from `kept`, which is violated, all of `units` that can be dropped: the whole, else
  /// each half. What could not be dropped once can't be later, as less is left then. False where a
  /// test could not tell, or the bound was reached.
  mutating func drop(
    _ units: ArraySlice<Int>, from kept: inout [Int], isKnownNeeded: Bool = false,
    isViolated: ([Int]) -> Bool?
  ) -> Bool {
    guard !units.isEmpty else { return true }
    guard hasBudget else { return false }
    if isKnownNeeded && units.count == 1 { return true }
    if !isKnownNeeded {
      let dropped = Set(units)
      let remaining = kept.filter { !dropped.contains($0) }
      let answer = remaining.isEmpty ? false : test(remaining, isViolated)
      if answer == true {
        kept = remaining
        return true
      }
      if units.count == 1 { return answer == false }
    }
    let middle = units.startIndex + units.count / 2
    let before = kept.count
    let isSure = drop(units[middle...], from: &kept, isViolated: isViolated)
    // Where all of one half went, something of the other is needed.
    let isGone = isSure && before - kept.count == units.endIndex - middle
    return drop(
      units[..<middle], from: &kept, isKnownNeeded: isGone && isSure, isViolated: isViolated)
      && isSure
  }

  private var hasBudget: Bool { checks < maximumChecks && work < maximumWork }

  private mutating func test(_ positions: [Int], _ isViolated: ([Int]) -> Bool?) -> Bool? {
    checks += 1
    work += positions.count
    return isViolated(positions)
  }

  private mutating func shrink(_ violated: [Int], _ isViolated: ([Int]) -> Bool?) -> Reduction {
    var kept = violated
    var size = max(1, kept.count / 2)
    while true {
      var hasDropped = false
      var isSure = true
      // From the end: what came later depends on what came earlier more often than not.
      var end = kept.count
      while end > 0 {
        guard hasBudget else {
          return Reduction(positions: kept, isIrreducible: false, checks: checks)
        }
        let start = max(0, end - size)
        let remaining = Array(kept[..<start] + kept[end...])
        switch remaining.isEmpty ? false : test(remaining, isViolated) {
        case true?:
          kept = remaining
          hasDropped = true
        case false?: break
        case nil: isSure = false
        }
        end = start
      }
      if size == 1 && !hasDropped {
        return Reduction(positions: kept, isIrreducible: isSure, checks: checks)
      }
      if size > 1 { size = max(1, min(size / 2, kept.count / 2)) }
    }
  }
}
