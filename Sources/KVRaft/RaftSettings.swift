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
  /// Entry bytes kept in memory beside the tail while they are durable and not applied.
  package var unappliedTailBytes: Int = Limits.uncommittedBytes

  package init() {}

  /// The settings of one of so many groups of a node: what each keeps in memory adds up to the
  /// node's share.
  package func shared(by groups: Int) -> RaftSettings {
    var settings = self
    let groups = max(1, groups)
    settings.tailBytes = min(tailBytes, max(Limits.leastTailBytes, Limits.nodeTailBytes / groups))
    settings.unappliedTailBytes = min(
      unappliedTailBytes, max(Limits.leastTailBytes, Limits.nodeUncommittedBytes / groups))
    return settings
  }
}

/// What a replica starts from: what its log held, and what its state had applied.
package struct RaftRecovery: Sendable {
  let hardState: HardState
  let outline: LogOutline
  let appliedIndex: LogIndex
  let logTimeMilliseconds: UInt64

  /// `appliedIndex` is the last entry that the state machine has applied: of `outline`, or its
  /// base.
  ///
  /// `logTimeMilliseconds` is the log time of the applied state. Entries after it may be stamped
  /// later, which a new leader can't know: a state's log time is the maximum of what it was and the
  /// entry's.
  package init(
    hardState: HardState, outline: LogOutline, appliedIndex: LogIndex,
    logTimeMilliseconds: UInt64 = 0
  ) {
    precondition(
      appliedIndex >= outline.baseIndex && appliedIndex <= outline.lastIndex,
      "applied \(appliedIndex), log \(outline.baseIndex)...\(outline.lastIndex)")
    self.hardState = hardState
    self.outline = outline
    self.appliedIndex = appliedIndex
    self.logTimeMilliseconds = logTimeMilliseconds
  }

  /// `termRuns` are those of the entries after `baseIndex`; `configurations` the one in force
  /// there, then those of the entries.
  package init(
    hardState: HardState, baseIndex: LogIndex, baseTerm: Term, lastIndex: LogIndex,
    termRuns: [TermRun], configurations: [IndexedConfiguration], appliedIndex: LogIndex,
    logTimeMilliseconds: UInt64 = 0
  ) {
    guard
      let outline = LogOutline(
        baseIndex: baseIndex, baseTerm: baseTerm, lastIndex: lastIndex, termRuns: termRuns,
        configurations: configurations)
    else {
      preconditionFailure(
        "a log \(baseIndex)...\(lastIndex) with terms \(termRuns) after \(baseTerm) and "
          + "configurations \(configurations)")
    }
    self.init(
      hardState: hardState, outline: outline, appliedIndex: appliedIndex,
      logTimeMilliseconds: logTimeMilliseconds)
  }
}
