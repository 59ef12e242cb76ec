package import KVBase

/// One change to the node's log. Records take effect in the order in which they were appended. A
/// group begins with a `reset`; a record of a group that the log does not know is a `.misuse`.
package enum LogRecord: Sendable, Hashable {
  /// The group's term and vote: a term never goes back, and a vote in a term never changes.
  case hardState(GroupID, HardState)
  /// Entries with rising indexes without gaps. The first one's index is at most one behind the last
  /// entry that the log holds of the group: whatever the log held from it on is replaced (a
  /// follower truncates so, and only on conflict). It lies behind what was compacted. Terms never
  /// fall from one entry to the next.
  case entries(GroupID, [LogEntry])
  /// The group's log now begins behind (`index`, `term`), and everything it held is gone: a new
  /// replica (index 0), or a snapshot that was installed into `generation`. In the same step the
  /// group's data is that of `generation`. The hard state of a group that was here stays.
  case reset(
    GroupID, generation: Generation, index: LogIndex, term: Term, configuration: GroupConfiguration)
  /// The replica is no longer on this node.
  case removed(GroupID)
}

/// What a log holds of one group when it is opened.
package struct RecoveredLog: Sendable, Hashable {
  package var hardState: HardState
  package var generation: Generation
  /// Where it begins and ends, and the terms and configurations of its entries.
  package internal(set) var outline: LogOutline

  package init(hardState: HardState, generation: Generation, outline: LogOutline) {
    self.hardState = hardState
    self.generation = generation
    self.outline = outline
  }

  package init(
    hardState: HardState, generation: Generation, baseIndex: LogIndex, baseTerm: Term,
    lastIndex: LogIndex, termRuns: [TermRun], configurations: [IndexedConfiguration]
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
    self.init(hardState: hardState, generation: generation, outline: outline)
  }

  /// The entry before the first one kept.
  package var baseIndex: LogIndex { outline.baseIndex }
  package var baseTerm: Term { outline.baseTerm }
  package var lastIndex: LogIndex { outline.lastIndex }
  var lastTerm: Term { outline.lastTerm }
  /// Where each term begins, from the first entry kept on: (term, first index), both rising.
  package var termRuns: [TermRun] { outline.termRuns }
  /// The configuration in force at `baseIndex`, then those of the entries kept, by rising index.
  package var configurations: [IndexedConfiguration] { outline.configurations }
}

/// The node's log: of all its groups, in one sequence of writes.
///
/// `append` then `sync` are called by one thread at a time; `read`, `compact` and `retainedBytes`
/// may come from another, and wait for no sync. What was appended is durable when `sync` has
/// returned, and not before. A failure of any call, but for `.compacted`, is final: the log answers
/// every later call with that error, and the node stops.
///
/// The real one is `KVFiles.SegmentedLog`, its twin in memory `MemoryLog`: one `SegmentLog` over
/// two kinds of files. `LogStoreContract` in the tests runs over both.
package protocol LogStore: AnyObject {
  /// The groups as they were when the log was opened, by group id.
  var recovered: [(group: GroupID, log: RecoveredLog)] { get }

  /// Writes the records as one batch: after a crash either all of them are there or none. At most
  /// `Limits.logBatchBytes`.
  func append(_ records: [LogRecord]) throws(StorageError)

  /// Makes durable what was appended.
  func sync() throws(StorageError)

  /// Entries of a group from `from` on, without gaps, up to and including `through`, and at most
  /// `maxBytes` of encoded entries but at least one; fewer than that would allow where replaced
  /// entries lie between them. Empty where `from` lies behind the last entry. Throws `.compacted`
  /// where `from`, or the group, is no longer kept. Entries that were appended and not yet synced
  /// may be read.
  func read(
    _ group: GroupID, from: LogIndex, through: LogIndex, maxBytes: Int
  ) throws(StorageError) -> [LogEntry]

  /// Entries of `group` up to and including `through` are no longer needed. Their space is reused
  /// when nothing else in it is needed and the next segment begins; after a restart they may still
  /// be there. Has no effect on what `recovered` would say of hard states and configurations.
  func compact(_ group: GroupID, through: LogIndex) throws(StorageError)

  /// Bytes of log that can't be reused yet.
  var retainedBytes: Int { get }
}
