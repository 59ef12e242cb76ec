package import KVBase
package import KVCommand

/// Committed and locally durable entries, for a group's state: contiguous, the first one directly
/// after the last that was applied.
package struct ApplyRequest: Sendable {
  package var group: GroupID
  package var generation: Generation
  package var entries: [LogEntry]
  /// What was read for its first entries, where they were parked.
  package var records = LookedUpRecords()

  package init(group: GroupID, generation: Generation, entries: [LogEntry]) {
    self.group = group
    self.generation = generation
    self.entries = entries
  }
}

package struct ApplyResult: Sendable {
  package var group: GroupID
  package var generation: Generation
  /// The last entry applied, and its term.
  package var index: LogIndex
  package var term: Term
  /// One for each entry, in order; `.done` for what is no command.
  package var results: [CommandResult]
  /// The chained hash of all entries applied so far (see `GroupStatus.digest`).
  package var digest: UInt64
  /// Meta group: the state after this batch, where the batch changed it.
  package var meta: ClusterMap?
  /// All keyspaces dropped in this group, where the batch dropped one.
  package var droppedKeyspaces: KeyspaceIDSet?
  /// False: more entries of the request are applied later, and answered then.
  package var isWhole: Bool
  /// Of the group, with these entries.
  package var logTimeMilliseconds: UInt64

  package init(
    group: GroupID, generation: Generation, index: LogIndex, term: Term, results: [CommandResult],
    digest: UInt64, meta: ClusterMap?, droppedKeyspaces: KeyspaceIDSet? = nil,
    isWhole: Bool = true, logTimeMilliseconds: UInt64 = 0
  ) {
    self.isWhole = isWhole
    self.group = group
    self.generation = generation
    self.index = index
    self.term = term
    self.results = results
    self.digest = digest
    self.meta = meta
    self.droppedKeyspaces = droppedKeyspaces
    self.logTimeMilliseconds = logTimeMilliseconds
  }
}

/// What a group's state says of itself when it is opened, and after a snapshot was installed.
package struct GroupStatus: Sendable, Hashable {
  package var generation: Generation
  package var appliedIndex: LogIndex
  package var appliedTerm: Term
  /// The configuration as of `appliedIndex`.
  package var configuration: GroupConfiguration
  /// XXH3-64 of (previous digest, index, term, kind, log time, payload), chained over all entries.
  /// Equal on all replicas at equal indexes.
  package var digest: UInt64
  package var logTimeMilliseconds: UInt64
  /// Clients created at or before this time and unknown here are refused as expired.
  package var sessionFloorMilliseconds: UInt64
  package var sessionCount: Int
  package var droppedKeyspaces: KeyspaceIDSet
  package var meta: ClusterMap?

  package init(
    generation: Generation, appliedIndex: LogIndex, appliedTerm: Term,
    configuration: GroupConfiguration, digest: UInt64, logTimeMilliseconds: UInt64,
    sessionFloorMilliseconds: UInt64, sessionCount: Int, droppedKeyspaces: KeyspaceIDSet,
    meta: ClusterMap?
  ) {
    self.generation = generation
    self.appliedIndex = appliedIndex
    self.appliedTerm = appliedTerm
    self.configuration = configuration
    self.digest = digest
    self.logTimeMilliseconds = logTimeMilliseconds
    self.sessionFloorMilliseconds = sessionFloorMilliseconds
    self.sessionCount = sessionCount
    self.droppedKeyspaces = droppedKeyspaces
    self.meta = meta
  }
}
