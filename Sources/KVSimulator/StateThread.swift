import KVBase
import KVLog
import KVNodeCore
import KVState

/// The state machines of a node, and the work on them that is not done within a turn: flushes and
/// snapshots.
struct StateThread {
  /// Why the state is made durable, and so what follows.
  enum Flush: Sendable {
    /// So that the log can forget.
    case retention
    /// The identity is to say this cluster's id.
    case identity(UInt64)
    /// The installation of a snapshot is whole.
    case installation(TransferID, GroupStatus)
  }

  /// What comes of an order.
  enum Answer {
    /// When the disk has read or written a little.
    case step(TransferID, SnapshotStep)
    /// When this flush has ended.
    case flush(Flush)
  }

  var machines: StateMachines<MemoryState>
  private var readers: [(transfer: TransferID, reader: SnapshotReader<MemoryStateView>)] = []
  /// One runs at a time: the first. What is written while it runs is not part of it.
  private var flushes: [Flush] = []
  /// What had been applied when it began.
  private var flushed: [(group: GroupID, index: LogIndex)] = []

  init(sessionLimit: Int) {
    machines = StateMachines(store: MemoryState(), sessionLimit: sessionLimit)
  }

  /// The process is gone, and with it what the store had not flushed, but for the first `kept` of
  /// its batches.
  mutating func end(keeping kept: Int) {
    machines = StateMachines(
      store: machines.store.crash(keeping: kept), sessionLimit: machines.sessionLimit)
    readers = []
    flushes = []
    flushed = []
  }

  // MARK: Flushes

  /// Whether it begins now; else when those before it have ended.
  mutating func flush(_ flush: Flush) -> Bool {
    flushes.append(flush)
    guard flushes.count == 1 else { return false }
    beginFlush()
    return true
  }

  private mutating func beginFlush() {
    flushed = machines.publishedIndexes()
    machines.store.beginFlush()
  }

  /// The flush that ran is done: what it was for, what had been applied when it began, and whether
  /// the next one begins.
  mutating func endFlush() throws(StorageError) -> (
    flush: Flush, applied: [(group: GroupID, index: LogIndex)], isFollowed: Bool
  ) {
    try machines.store.endFlush()
    let ended = (flush: flushes.removeFirst(), applied: flushed, isFollowed: !flushes.isEmpty)
    if ended.isFollowed { beginFlush() }
    return ended
  }

  // MARK: Snapshots

  /// Carries out work on a snapshot.
  mutating func carryOut(
    _ order: NodeOutputs.Snapshot, maximumChunkBytes: Int, _ counts: inout SimulationCounts
  ) throws(StorageError) -> Answer? {
    switch order {
    case .open(let transfer, let group):
      // Where the group was removed meanwhile, its transfers went with it.
      guard let reader = try machines.beginSnapshot(group) else { return nil }
      readers.append((transfer, reader))
      return .step(transfer, .opened(reader.status))
    case .read(let transfer, let cursor, let maxBytes):
      guard let reader = readers.first(where: { $0.transfer == transfer })?.reader else {
        return nil
      }
      let (bytes, next) = try reader.chunk(
        at: cursor, maxBytes: min(maxBytes, maximumChunkBytes))
      counts.snapshotChunks += 1
      return .step(transfer, .chunk(bytes, next: next))
    case .close(let transfer):
      readers.removeAll { $0.transfer == transfer }
      return nil
    case .beginInstall(let transfer, let group, let generation):
      try machines.beginInstall(group, generation: generation)
      return .step(transfer, .stepDone(problem: nil))
    case .installChunk(let transfer, let group, let generation, let chunk):
      var problem: String?
      do throws(StorageError) {
        try machines.installChunk(group, generation: generation, chunk: chunk)
      } catch {
        problem = error.description
      }
      return .step(transfer, .stepDone(problem: problem))
    case .finishInstall(let transfer, let group, let generation):
      let status = try machines.sealInstall(group, generation: generation)
      if installsWithoutFlush { return .step(transfer, .installed(status)) }
      return .flush(.installation(transfer, status))
    case .activate(let group, let generation):
      counts.snapshotsInstalled += 1
      try machines.activate(group, generation: generation)
      return nil
    }
  }

  private var installsWithoutFlush: Bool {
    #if PlantedFaults
      return machines.plantedFault == .installBeforeDurable
    #else
      return false
    #endif
  }
}
