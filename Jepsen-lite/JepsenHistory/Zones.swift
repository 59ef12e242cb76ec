/// The near-linear decision for registers whose values are unique.
enum RegisterZones {
  enum Decision: Hashable, Sendable {
    case linearizable
    /// Few steps that prove it.
    case violated(steps: [Int])
    case notApplicable(String)
  }

  static func decide(_ steps: [LinearizabilityStep], initial: Int64) -> Decision {
    .notApplicable("not decided by zones")
  }
}
