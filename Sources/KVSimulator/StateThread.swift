import KVBase
import KVLog
import KVNodeCore
import KVState

/// The state machines of a node, and the work on them that is not done within a turn: flushes and
/// snapshots.
struct StateThread {
  /// When an answer comes.
  enum Delay {
    case read, flush
  }

  var machines: StateMachines<MemoryState>
  private var readers: [(transfer: TransferID, reader: SnapshotReader<MemoryStateView>)] = []
  private var isFlushing = false

  init() { machines = StateMachines(store: MemoryState()) }

  /// The process is gone, and with it what the store had not flushed, but for the first `kept` of
  /// its batches.
  mutating func end(keeping kept: Int) {
    machines = StateMachines(store: machines.store.crash(keeping: kept))
    readers = []
    isFlushing = false
  }

  /// Whether a flush begins: not while another runs.
  mutating func beginFlush() -> Bool {
    guard !isFlushing else { return false }
    isFlushing = true
    return true
  }

  /// What each group had applied at least.
  mutating func endFlush() throws(StorageError) -> [(group: GroupID, index: LogIndex)] {
    isFlushing = false
    return try machines.flush()
  }

  /// Carries out work on a snapshot: the answer, and what it waits for.
  mutating func carryOut(
    _ order: NodeOutputs.Snapshot, maximumChunkBytes: Int, _ counts: inout SimulationCounts
  ) throws(StorageError) -> (transfer: TransferID, step: SnapshotStep, delay: Delay)? {
    switch order {
    case .open(let transfer, let group):
      let reader = try machines.beginSnapshot(group)
      readers.append((transfer, reader))
      return (transfer, .opened(reader.status), .read)
    case .read(let transfer, let cursor, let maxBytes):
      guard let reader = readers.first(where: { $0.transfer == transfer })?.reader else {
        return nil
      }
      let (bytes, next) = try reader.chunk(
        at: cursor, maxBytes: min(maxBytes, maximumChunkBytes))
      counts.snapshotChunks += 1
      return (transfer, .chunk(bytes, next: next), .read)
    case .close(let transfer):
      readers.removeAll { $0.transfer == transfer }
      return nil
    case .beginInstall(let transfer, let group, let generation):
      try machines.beginInstall(group, generation: generation)
      return (transfer, .stepDone(problem: nil), .read)
    case .installChunk(let transfer, let group, let generation, let chunk):
      var problem: String?
      do throws(StorageError) {
        try machines.installChunk(group, generation: generation, chunk: chunk)
      } catch {
        problem = error.description
      }
      return (transfer, .stepDone(problem: problem), .read)
    case .finishInstall(let transfer, let group, let generation):
      let status = try machines.finishInstall(group, generation: generation)
      return (transfer, .installed(status), .flush)
    case .activate(let group, let generation):
      counts.snapshotsInstalled += 1
      try machines.activate(group, generation: generation)
      return nil
    }
  }
}
