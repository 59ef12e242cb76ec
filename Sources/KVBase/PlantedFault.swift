#if PlantedFaults
  /// A known mistake that is built in on purpose, so that the checks show that they catch it
  /// (trait `PlantedFaults`; never in a release build).
  package enum PlantedFault: String, Sendable, CaseIterable {
    /// A vote is answered before it is durable.
    case voteBeforePersist
    /// A leader counts itself for an entry that its own log does not hold durably.
    case countLeaderBeforeDurable
    /// A leader commits entries of an earlier term by counting replicas (Raft paper §5.4.2).
    case commitOldTermByCounting
    /// A leader answers reads from its lease after the lease ran out.
    case leaseReadAfterLease
    /// A snapshot leaves the sessions out, so that a retry takes effect twice.
    case forgetSessionsInSnapshot
  }
#endif
