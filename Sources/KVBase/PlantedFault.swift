#if PlantedFaults
  /// A fault that is built in on purpose (package trait `PlantedFaults`), so that a check can prove
  /// that it would catch it. Set on one core or store at a time; never part of a release build.
  package enum PlantedFault: String, Sendable, CaseIterable {
    /// A vote is given before it is durable: after a crash the replica may vote twice in one term.
    case voteBeforePersist
    /// A leader counts an entry as its own copy before it is durable.
    case countLeaderBeforeDurable
    /// A leader commits entries of earlier terms by counting copies (Raft paper figure 8).
    case commitOldTermByCounting
    /// A leader serves lease reads although its lease has run out.
    case leaseReadAfterLease
    /// A snapshot is made without the sessions: a retry after it takes effect twice.
    case forgetSessionsInSnapshot
  }
#endif
