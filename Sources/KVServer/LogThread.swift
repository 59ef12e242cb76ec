internal import KVBase
internal import KVFiles
internal import KVLog
internal import KVLoop
internal import KVNodeCore

/// The thread that writes the log. Everything that turns of the loop asked for while it was in a
/// sync becomes the next write, with one sync.
final class LogThread: Sendable {
  enum Work: Sendable {
    case persist(NodeOutputs.Persist)
    case compact(GroupID, through: LogIndex)
    case cover
  }

  private let queue = BlockingQueue<Work>()
  private let thread: NamedThread

  /// `done` is called on the log thread with the number of the last persist that is durable, or
  /// with the error that ends the node.
  init(log: SegmentedLog, done: @escaping @Sendable (Result<UInt64, StorageError>) -> Void) {
    let queue = queue
    // The log's contract: append, sync and compact come from one thread, which is this one.
    let log = Unchecked(log)
    thread = NamedThread(name: "kv-log") { Self.run(queue, log.value, done) }
  }

  func append(_ work: Work) { queue.append(work) }

  /// Finishes what was asked for, closes the log with a cover, and ends the thread.
  func stop() {
    queue.close()
    thread.join()
  }

  private static func run(
    _ queue: BlockingQueue<Work>, _ log: SegmentedLog,
    _ done: @Sendable (Result<UInt64, StorageError>) -> Void
  ) {
    while let work = queue.takeAll() {
      #if PlantedFaults
        if log.plantedFault == .persistedBeforeSync, let last = lastPersist(of: work) {
          done(.success(last))
        }
      #endif
      do throws(StorageError) {
        try carryOut(work, log) { done(.success($0)) }
      } catch {
        return done(.failure(error))
      }
    }
    // Nothing is lost without it: only damage of the last batch would go unnoticed.
    _ = try? log.cover()
  }

  #if PlantedFaults
    private static func lastPersist(of work: [Work]) -> UInt64? {
      work.reduce(nil) { last, item in
        if case .persist(let persist) = item { persist.number } else { last }
      }
    }
  #endif

  /// Writes all of `work`. What has gathered during a sync may be more than one batch should be:
  /// then it is several, and much of it is synced in steps, so that the node hears of progress.
  static func carryOut(
    _ work: [Work], _ log: SegmentedLog, durable: (UInt64) -> Void
  ) throws(StorageError) {
    // Before what is written: a compaction is of entries that were durable when it was asked for,
    // and the group may be made anew by a later record.
    for item in work {
      guard case .compact(let group, let through) = item else { continue }
      try log.compact(group, through: through)
    }
    var gathered: [LogRecord] = []
    var bytes = 0
    var unsynced = 0
    var last: UInt64?
    for item in work {
      guard case .persist(let persist) = item else { continue }
      if bytes > 0, bytes + persist.bytes > Limits.logWriteBytes {
        try log.append(gathered)
        gathered.removeAll(keepingCapacity: true)
        unsynced += bytes
        bytes = 0
        if unsynced >= Limits.logSyncBytes, let last {
          try log.sync()
          durable(last)
          unsynced = 0
        }
      }
      if gathered.isEmpty { gathered = persist.records } else { gathered += persist.records }
      bytes += persist.bytes
      last = persist.number
    }
    if let last {
      try log.append(gathered)
      try log.sync()
      durable(last)
    }
    // Where more is written after it, that is what tells.
    let writes = work.last { item in
      if case .compact = item { false } else { true }
    }
    if case .cover? = writes { try log.cover() }
  }
}
