package import KVBase
internal import Synchronization

package struct LogOptions: Sendable {
  /// Size of a segment. A batch that needs more gets a segment of its own size.
  package var segmentBytes: Int
  /// Free segments kept for reuse; more are removed.
  package var keptSpares: Int
  /// From it come the salts of segments: random on a node, given where a run must repeat.
  package var saltSeed: UInt64
  #if PlantedFaults
    package var plantedFault: PlantedFault?
  #endif

  package init(segmentBytes: Int = 16 << 20, keptSpares: Int = 2, saltSeed: UInt64) {
    precondition(
      segmentBytes >= 512 && segmentBytes <= Limits.logBatchBytes && segmentBytes % 8 == 0,
      "segments of \(segmentBytes) bytes")
    precondition(keptSpares >= 1, "\(keptSpares) spare segments")
    self.segmentBytes = segmentBytes
    self.keptSpares = keptSpares
    self.saltSeed = saltSeed
  }
}

/// The node's log over a directory of segments (`LogFormat`), real or in memory: all that decides
/// is here, and the two differ only in their files.
///
/// **States.** A log is *open* from `create` or `open` on. The first error of a write, a sync, or a
/// broken rule makes it *failed* for good (fsync-gate, 2018): what the page cache holds says
/// nothing about the disk from then on, and a second sync would report success. `.compacted` is an
/// answer, not a failure. Of the open log one segment is *active*: batches are appended to it.
/// Those before it are *complete* and only read. A *spare* is a file for a segment to come.
///
/// **Who calls what.** One thread calls `append`, `sync` and `cover`, in turns: what gathers during
/// a sync is the next batch. Any thread reads (`read`, `replay`, `position`), and moves what a
/// replica needs forward (`compact`, `release`), when its durable state covers it. Nothing here
/// calls back.
///
/// **What waits for what.** `writer`'s lock is held during the I/O of an append or a sync; only
/// those wait for it. `index` says where records are and which are needed; it is locked for moments
/// and never during I/O, so that reading, compacting and asking wait for no sync. A reader finds a
/// record's location under that lock and reads the file after it. Should the segment have been
/// recycled in between, the record's own checksum does not fit, and the reader looks again.
///
/// **Beginning a segment**, when a batch does not fit, has an order, which is what a crash at any
/// point relies on (ALICE, OSDI'14):
/// 1. The active segment is synced. So the position at which the next one says it ends is durable
///    before the next one exists; else a whole segment could follow one with a torn tail.
/// 2. Header and checkpoint are written into a spare and synced, and only then is it renamed, and
///    the directory synced: a file with a segment's name always has a whole begin, and is there
///    after a crash once anything was appended to it.
/// 3. The mark that ends the old segment is written and synced. From then on a log without the next
///    segment is damaged, not short. It comes after step 2, so that a crash in between leaves a log
///    whose last segment holds a checkpoint and nothing else, which is valid.
/// 4. Segments that the new header calls no longer needed are renamed to spares, or removed, and
///    the directory is synced. It comes after step 2: until the checkpoint is durable, those
///    segments are what it would be made from. And a spare is written only after that sync: else a
///    crash could give it back its old name with new contents.
///
/// **A needed position is never recycled.** Which segments go in step 4 is decided together with
/// what the checkpoint says each replica needs, under one lock; both only rise afterwards. At the
/// next start `LogRecovery` compares them with what it finds.
package final class SegmentLog<Directory: SegmentDirectory>: LogStore, Sendable {
  package let recovered: [(group: GroupID, log: RecoveredLog)]
  package let recoveredPartitions: [RecoveredPartition]
  /// Bytes after the end of the log that were of its last segment's generation when it was opened:
  /// written and not synced before a crash. They were made zero.
  package let tornTailBytes: Int
  package let directory: Directory
  let identity: LogIdentity
  let options: LogOptions
  let index: RecordIndex<Directory.File>
  private let writer: Locked<SegmentWriter<Directory>>

  init(
    writer: SegmentWriter<Directory>, recovered: [(group: GroupID, log: RecoveredLog)],
    recoveredPartitions: [RecoveredPartition], tornTailBytes: Int
  ) {
    self.recovered = recovered
    self.recoveredPartitions = recoveredPartitions
    self.tornTailBytes = tornTailBytes
    directory = writer.directory
    identity = writer.identity
    options = writer.options
    index = writer.index
    self.writer = Locked(writer)
  }

  @discardableResult
  package func append(_ records: [LogRecord]) throws(StorageError) -> LogSpan {
    try writing { (writer) throws(StorageError) in try writer.append(records) }
  }

  package func sync() throws(StorageError) {
    #if PlantedFaults
      if plantedFault == .skippedSync { return }
      if plantedFault == .failedSyncIgnored {
        return writer.withLock { $0.syncIgnoringFailure() }
      }
    #endif
    try writing { (writer) throws(StorageError) in try writer.sync() }
  }

  package func cover() throws(StorageError) {
    #if PlantedFaults
      if plantedFault == .skippedSync || plantedFault == .failedSyncIgnored { return }
    #endif
    try writing { (writer) throws(StorageError) in try writer.cover() }
  }

  #if PlantedFaults
    package var plantedFault: PlantedFault? { options.plantedFault }
  #endif

  private func writing<R: Sendable>(
    _ body: (inout SegmentWriter<Directory>) throws(StorageError) -> R
  ) throws(StorageError) -> R {
    do {
      return try writer.withLock { (writer) throws(StorageError) in try body(&writer) }
    } catch {
      index.fail(error)
      throw error
    }
  }

  // MARK: What is needed

  package func compact(_ group: GroupID, through: LogIndex) throws(StorageError) {
    try changingNeeds { (state) throws(StorageError) in
      try state.compact(group, through: through)
    }
  }

  package func release(
    _ plane: Plane, _ partition: PartitionID, before position: LogPosition
  ) throws(StorageError) {
    try changingNeeds { (state) throws(StorageError) in
      try state.release(plane, partition, before: position)
    }
  }

  private func changingNeeds(
    _ body: (inout RecordIndex<Directory.File>.State) throws(StorageError) -> Void
  ) throws(StorageError) {
    do {
      try index.withState(body)
    } catch {
      index.fail(error)
      throw error
    }
  }

  package var end: LogPosition { index.inspect { $0.end } }

  package func retention(of replica: LogReplica) -> LogRetention? {
    index.inspect { $0.retention(of: replica) }
  }

  package var retainedBytes: Int { index.inspect { $0.retainedBytes() } }

  package var statistics: LogStatistics {
    index.inspect { state in
      var statistics = state.statistics
      statistics.segments = state.segments.count
      statistics.retainedBytes = state.retainedBytes()
      return statistics
    }
  }

  /// Where the last segment's batches end, and up to where it is durable.
  package var extent: (sequence: UInt64, end: Int, synced: Int) {
    writer.withLock { ($0.active.sequence, $0.active.end, $0.synced) }
  }
}
