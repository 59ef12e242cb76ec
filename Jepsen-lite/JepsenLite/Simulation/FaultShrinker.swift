/// Looks for the fewest faults that still break a promise: delta debugging (Zeller and Hildebrandt,
/// "Simplifying and isolating failure-inducing input", 2002) over the faults of a schedule, then
/// shorter lengths for those that are left.
///
/// Leaving a fault out moves everything after it, and what needed a rare coincidence then happens
/// no more. So a schedule that is small already is tried in several variants: the same faults,
/// other chances.
struct FaultShrinker {
  /// One schedule in one variant.
  struct Schedule: Hashable, Sendable {
    var faults: FaultSelection
    var variant: UInt64 = 0
  }

  /// Variants that a schedule is tried in where one does not suffice.
  static let variants: UInt64 = 16

  /// The first of these variants in which a run with these faults breaks the same promise.
  private let fails: (FaultSelection, _ variants: [UInt64]) async -> UInt64?
  /// Whether there is time for another run.
  private let mayGoOn: (_ runs: Int) -> Bool

  private(set) var best: Schedule
  private(set) var runs = 0
  private(set) var isComplete = true
  private var seen: Set<Schedule> = []

  /// `start` is known to fail.
  init(
    _ start: FaultSelection,
    fails: @escaping (FaultSelection, _ variants: [UInt64]) async -> UInt64?,
    mayGoOn: @escaping (_ runs: Int) -> Bool
  ) {
    best = Schedule(faults: start)
    self.fails = fails
    self.mayGoOn = mayGoOn
  }

  private var kept: [FaultSelection.Kept] { best.faults.kept }

  /// `lengths` gives the length of a fault of the whole plan, by number, in milliseconds.
  mutating func shrink(lengths: (_ number: Int) -> UInt64) async {
    await dropFaults(inVariants: 1)
    await dropFaults(inVariants: Self.variants)
    await shorten(lengths)
    // A shorter fault may have taken the place of two.
    await dropFaults(inVariants: Self.variants)
  }

  private mutating func accepts(_ faults: FaultSelection, inVariants count: UInt64) async -> Bool {
    var variants = [best.variant]
    for variant in 0..<count where variant != best.variant && variants.count < Int(count) {
      variants.append(variant)
    }
    variants = variants.filter {
      seen.insert(Schedule(faults: faults, variant: $0)).inserted
    }
    guard !variants.isEmpty else { return false }
    guard mayGoOn(runs) else {
      isComplete = false
      return false
    }
    runs += variants.count
    guard let variant = await fails(faults, variants) else { return false }
    best = Schedule(faults: faults, variant: variant)
    return true
  }

  private mutating func dropFaults(inVariants variants: UInt64) async {
    if await accepts(FaultSelection(kept: []), inVariants: variants) { return }
    var parts = variants == 1 ? 2 : kept.count
    while kept.count > 1, isComplete {
      let count = kept.count
      parts = min(parts, count)
      if await dropOnePart(of: parts, inVariants: variants) {
        parts = max(parts - 1, 2)
      } else if parts == count {
        return
      } else {
        parts *= 2
      }
    }
  }

  /// Tries all but each part; of two, that is each part alone.
  private mutating func dropOnePart(of parts: Int, inVariants variants: UInt64) async -> Bool {
    let all = kept
    for part in 0..<parts {
      var remaining = all
      remaining.removeSubrange(all.count * part / parts..<all.count * (part + 1) / parts)
      if await accepts(FaultSelection(kept: remaining), inVariants: variants) { return true }
    }
    return false
  }

  /// Halves each length as long as that fails too.
  private mutating func shorten(_ lengths: (Int) -> UInt64) async {
    for position in kept.indices {
      while isComplete {
        let length = kept[position].milliseconds ?? lengths(kept[position].number)
        guard length > 40 else { break }
        var candidate = best.faults
        candidate.kept[position].milliseconds = length / 2
        if !(await accepts(candidate, inVariants: 2)) { break }
      }
    }
  }
}
