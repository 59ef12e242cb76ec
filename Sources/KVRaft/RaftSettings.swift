package import KVBase

/// Times and sizes of a replica. All replicas of a group must have the same lease length and drift
/// bound.
package struct RaftSettings: Sendable {
  /// A follower that hears of no leader for a random time in [this, 2 × this) asks for pre-votes;
  /// a leader that hears of no majority for this long steps down (check-quorum).
  package var electionTimeout: TimeAmount = .milliseconds(300)
  package var heartbeatInterval: TimeAmount = .milliseconds(30)
  /// How long after a round was sent its confirmation by a majority lets the leader serve lease
  /// reads. Below the election time-out.
  package var leaseLength: TimeAmount = .milliseconds(100)
  /// How far clocks may run apart during a lease; voters wait that much longer.
  package var leaseDriftBound: TimeAmount = .milliseconds(10)
  package var appendBytes: Int = Limits.appendBytes
  package var inflightBytes: Int = Limits.inflightBytes
  package var tailBytes: Int = Limits.logTailBytes
  package var uncommittedBytes: Int = Limits.uncommittedBytes

  package init() {}
}

/// What a replica starts from: what its log held, and what its state had applied.
package struct RaftRecovery: Sendable {
  package var hardState: HardState
  /// The entry before the first one kept in the log.
  package var baseIndex: LogIndex
  package var baseTerm: Term
  package var lastIndex: LogIndex
  package var termRuns: [TermRun]
  /// The configuration in force at `baseIndex`, then those of the entries kept.
  package var configurations: [IndexedConfiguration]
  /// Applied by the state machine; at least `baseIndex`, at most `lastIndex`.
  package var appliedIndex: LogIndex
  /// The log time of the applied state. Entries behind it may be stamped later, which a new leader
  /// can't know: a state's log time is the maximum of what it was and the entry's.
  package var logTimeMilliseconds: UInt64

  package init(
    hardState: HardState, baseIndex: LogIndex, baseTerm: Term, lastIndex: LogIndex,
    termRuns: [TermRun], configurations: [IndexedConfiguration], appliedIndex: LogIndex,
    logTimeMilliseconds: UInt64 = 0
  ) {
    self.hardState = hardState
    self.baseIndex = baseIndex
    self.baseTerm = baseTerm
    self.lastIndex = lastIndex
    self.termRuns = termRuns
    self.configurations = configurations
    self.appliedIndex = appliedIndex
    self.logTimeMilliseconds = logTimeMilliseconds
  }
}
