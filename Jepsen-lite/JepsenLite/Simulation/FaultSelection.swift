internal import KVSimulator

/// Which faults of a plan are carried out, by their numbers in it, and for how long: what
/// `--faults` says.
package struct FaultSelection: Hashable, Sendable {
  package struct Kept: Hashable, Sendable {
    /// From 1.
    package var number: Int
    /// Instead of the plan's own length.
    package var milliseconds: UInt64?

    package init(number: Int, milliseconds: UInt64? = nil) {
      self.number = number
      self.milliseconds = milliseconds
    }
  }

  /// By rising number.
  package var kept: [Kept]

  package init(kept: [Kept]) { self.kept = kept }

  /// `3,7:120,12` keeps three faults, the second of them for 120 ms; `none` keeps none. `nil` where
  /// it is neither.
  package init?(parsing text: String) {
    kept = []
    if text == "none" { return }
    for item in text.split(separator: ",", omittingEmptySubsequences: false) {
      let parts = item.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count <= 2, let number = Int(parts[0]), number > kept.last?.number ?? 0 else {
        return nil
      }
      var one = Kept(number: number)
      if parts.count == 2 {
        guard let milliseconds = UInt64(parts[1]), milliseconds > 0 else { return nil }
        one.milliseconds = milliseconds
      }
      kept.append(one)
    }
  }

  package var text: String {
    if kept.isEmpty { return "none" }
    return kept.map { one in
      one.milliseconds.map { "\(one.number):\($0)" } ?? "\(one.number)"
    }.joined(separator: ",")
  }

  /// What is left of `plan`; `nil` where it has no fault of such a number.
  func applied(to plan: KVSimulator.FaultPlan) -> KVSimulator.FaultPlan? {
    var faults: [PlannedFault] = []
    for one in kept {
      guard plan.faults.indices.contains(one.number - 1) else { return nil }
      var fault = plan.faults[one.number - 1]
      if let milliseconds = one.milliseconds {
        fault.lengthNanoseconds = milliseconds * 1_000_000
      }
      faults.append(fault)
    }
    return KVSimulator.FaultPlan(faults: faults)
  }
}
