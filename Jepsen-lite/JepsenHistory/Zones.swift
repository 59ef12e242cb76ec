/// Decides in near-linear time whether the history of one register is linearizable, where each
/// value is written once: by the zones of Gibbons and Korach ("Testing shared memories", 1997),
/// with compare-and-sets that tie values into chains, unknown outcomes, and compare-and-sets that
/// found something else. CHECKING.md has the argument for its correctness.
///
/// `linearizable` is said only with an order in hand that was replayed against the history, and
/// `violated` only for conditions that every order must meet.
enum RegisterZones {
  enum Decision: Hashable, Sendable {
    case linearizable
    /// Positions in the given steps that contradict each other.
    case violated(steps: [Int])
    /// The zones can't tell: a search must.
    case notApplicable(String)
  }

  static func decide(_ steps: [LinearizabilityStep], initial: Int64 = 0) -> Decision {
    do throws(ZoneEnd) {
      try run(steps, initial: initial)
      return .linearizable
    } catch {
      switch error {
      case .violated(let contradiction): return .violated(steps: contradiction.positions)
      case .notApplicable(let why): return .notApplicable(why)
      }
    }
  }

  /// What contradicts what, where the history is violated.
  static func contradiction(
    _ steps: [LinearizabilityStep], initial: Int64 = 0
  ) -> ZoneContradiction? {
    do throws(ZoneEnd) {
      try run(steps, initial: initial)
      return nil
    } catch {
      if case .violated(let contradiction) = error { return contradiction }
      return nil
    }
  }

  private static func run(
    _ steps: [LinearizabilityStep], initial: Int64
  ) throws(ZoneEnd) {
    let history = try ZoneHistory(steps, initial: initial)
    let chains = try ZoneChains(history)
    let blocks = try ZoneBlocks(history, chains)
    let mismatches = try ZoneMismatches(history, chains, blocks)
    let forward = blocks.forward()
    if let (one, other) = blocks.contradiction(forward: forward) {
      throw .violated(ZoneProof(history, chains).contradiction(one, other))
    }
    let byStart = history.byStart
    for prefersAfter in mismatches.areAnyOpen ? [false, true] : [false] {
      var adjusted = blocks
      var mismatches = mismatches
      if let (position, around) = mismatches.choose(
        history, &adjusted, forward: forward, prefersAfter: prefersAfter)
      {
        throw .violated(ZoneProof(history, chains).squeezed(position, between: around))
      }
      for early in mismatches.areAnyWaiting ? ZoneSchedule.Early.allCases : [.none] {
        let schedule = ZoneSchedule(history, chains, adjusted, mismatches, early)
        if let certificate = ZoneCertificate(history, chains, schedule, byStart: byStart),
          ZoneCertificate.explains(steps, order: certificate.order, initial: initial)
        {
          return
        }
        if let stuck = schedule.stuckBlock,
          let contradiction = ZoneProof(history, chains).unfollowed(
            Int(mismatches.whoWaits[stuck]), blocks)
        {
          throw .violated(contradiction)
        }
      }
    }
    throw .notApplicable("no order was found for the mismatches")
  }
}
