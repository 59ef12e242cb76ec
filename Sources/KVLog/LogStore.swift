package import KVBase

/// One change to the node's log. Records take effect in the order in which they were appended. A
/// group begins with a `reset`; a record of a group that the log does not know is a `.misuse`.
package enum LogRecord: Sendable, Hashable {
  /// The group's term and vote: a term never goes back, and a vote in a term never changes.
  case hardState(GroupID, HardState)
  /// Entries with rising indexes without gaps. The first one's index is at most one above that of
  /// the last entry that the log holds of the group: whatever the log held from it on is replaced
  /// (a follower truncates so, and only on conflict). It is above what was compacted. Terms never
  /// fall from one entry to the next.
  case entries(GroupID, [LogEntry])
  /// The group's log now begins after (`index`, `term`), and everything it held is gone: a new
  /// replica (index 0), or a snapshot that was installed into `generation`. In the same step the
  /// group's data is that of `generation`. The hard state of a group that was here stays.
  case reset(
    GroupID, generation: Generation, index: LogIndex, term: Term, configuration: GroupConfiguration)
  /// The replica is no longer on this node.
  case removed(GroupID)
  /// A change of a replica that has no Raft log, in bytes that the log does not read: at most
  /// `Limits.logDataBytes`. A partition is known from its first record on, without a `reset`. The
  /// plane is `ap`: what a `cp` replica stores are entries.
  case data(Plane, PartitionID, Bytes)
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

/// The node's log: of all its replicas, of both planes, in one sequence of writes and of positions.
///
/// `append`, then `sync`, and `cover` are called by one thread at a time; everything else may come
/// from another, and waits for no sync. What was appended is durable when `sync` has returned, and
/// not before. A failure of any call, but for `.compacted`, is final: the log answers every later
/// call with that error, and the node stops.
///
/// A replica needs its records from some position on: at first from its first record. The owner
/// moves that position forward when the replica's durable state covers what is before it (and no
/// follower is to be sent it): by `compact` for a group, by `release` for an ap replica. Space is
/// reused segment by segment, before the least position that any replica needs. After a restart a
/// replica may be found to need more than before it, never less than the owner had left it.
///
/// The real one is `KVFiles.SegmentedLog`, its twin in memory `MemoryLog`: one `SegmentLog` over
/// two kinds of files. `LogStoreContract` in the tests runs over both.
package protocol LogStore: AnyObject {
  /// The groups as they were when the log was opened, by group id.
  var recovered: [(group: GroupID, log: RecoveredLog)] { get }

  /// The ap replicas that have had records, when the log was opened, by partition.
  var recoveredPartitions: [RecoveredPartition] { get }

  /// Writes the records as one batch: after a crash either all of them are there or none. At most
  /// `Limits.logBatchBytes`. Answers with where they are.
  @discardableResult
  func append(_ records: [LogRecord]) throws(StorageError) -> LogSpan

  /// Makes durable what was appended.
  func sync() throws(StorageError)

  /// Makes durable what was appended, and then that it was: nothing more is to be written for a
  /// while. Until then damage of what was last made durable can't be told from a write that a crash
  /// has cut. Nothing is done where nothing was appended since the last cover.
  func cover() throws(StorageError)

  /// Entries of a group from `from` on, without gaps, up to and including `through`, and at most
  /// `maxBytes` of encoded entries but at least one; fewer than that would allow where replaced
  /// entries lie between them. Empty where `from` is above the last entry. Throws `.compacted`
  /// where `from`, or the group, is no longer kept. Entries that were appended and not yet synced
  /// may be read.
  func read(
    _ group: GroupID, from: LogIndex, through: LogIndex, maxBytes: Int
  ) throws(StorageError) -> [LogEntry]

  /// The entries or the data of a replica at `from` and after, in the order of their positions: at
  /// most `maxBytes` of encoded records but at least one, and at most `Limits.logReadRecords`. What
  /// was compacted, or replaced by later entries, is left out. Terms, votes and resets are not
  /// among them: `recovered` says what they amount to. Throws `.compacted` where `from` is before
  /// what is kept of the replica, or nothing is known of it.
  func replay(
    _ replica: LogReplica, from: LogPosition, maxBytes: Int
  ) throws(StorageError) -> LogReplay

  /// The position of the record that holds an entry; `nil` where the log does not keep that entry.
  func position(of group: GroupID, _ index: LogIndex) throws(StorageError) -> LogPosition?

  /// The first entry that a group has in records at `position` and after; `nil` where it has none.
  /// With `compact` it bounds how much log one group holds back.
  func firstIndex(of group: GroupID, at position: LogPosition) throws(StorageError) -> LogIndex?

  /// Entries of `group` up to and including `through` are no longer needed: it needs the position
  /// of the first entry after that, or nothing. Their space is reused when no replica needs
  /// anything else in it and the next segment begins; after a restart they may still be there. Has
  /// no effect on what `recovered` would say of hard states and configurations.
  func compact(_ group: GroupID, through: LogIndex) throws(StorageError)

  /// The data of this ap replica before `position`, which is at most `end`, is no longer needed; as
  /// with `compact`. A position before an earlier one changes nothing.
  func release(
    _ plane: Plane, _ partition: PartitionID, before position: LogPosition
  ) throws(StorageError)

  /// Where the next batch begins, if it does not begin a segment: above every record's position.
  var end: LogPosition { get }

  /// What a replica holds back; `nil` where nothing is known of it. Takes no longer for a long log.
  func retention(of replica: LogReplica) -> LogRetention?

  /// Bytes of log that can't be reused yet.
  var retainedBytes: Int { get }
}
