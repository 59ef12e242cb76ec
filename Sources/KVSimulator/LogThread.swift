import KVBase
import KVLog
import KVNodeCore

/// The log thread of a node: what gathered while the last sync ran goes under the next one.
struct LogThread {
  enum Work {
    case persist(NodeOutputs.Persist)
    case read(NodeOutputs.LogRead)
    case cover
  }

  /// A sync that has begun.
  struct Sync {
    /// The last persist under it.
    var number: UInt64
    var endsAt: UInt64
    /// The machine loses its power meanwhile.
    var powerLossAt: UInt64?
  }

  /// What a sync came to, with the last persist under it.
  enum SyncEnd {
    case durable(UInt64)
    case failed(UInt64, StorageError)
  }

  private static let ticksPerMeasurement = 8

  private var log: MemoryLog
  private var queue: [Work] = []
  private var syncing: UInt64?
  /// What the last sync covered is on the disk, whatever the log says of it.
  private(set) var isSynced = true
  /// The machine loses its power during the next write.
  private var losesPowerWriting = false
  private(set) var writtenBytes: UInt64 = 0
  /// Measured some ticks ago.
  private var retainedBytes = 0
  private var ticksSinceMeasured = 0

  init(_ log: MemoryLog) { self.log = log }

  var recovered: [(group: GroupID, log: RecoveredLog)] { log.recovered }

  mutating func append(_ work: Work) { queue.append(work) }
  mutating func losePowerDuringNextWrite() { losesPowerWriting = true }

  mutating func compact(_ group: GroupID, through: LogIndex) throws(StorageError) {
    try log.compact(group, through: through)
  }

  /// The answer to a flush of the state.
  func flushed(
    _ applied: [(group: GroupID, index: LogIndex)], _ configuration: NodeConfiguration
  ) throws(StorageError) -> NodeInput {
    try configuration.flushed(applied, log: log)
  }

  mutating func measureRetainedBytes() -> Int {
    if ticksSinceMeasured == 0 { retainedBytes = log.retainedBytes }
    ticksSinceMeasured = (ticksSinceMeasured + 1) % Self.ticksPerMeasurement
    return retainedBytes
  }

  // MARK: Work

  /// Writes what has gathered and begins to sync it; reads are answered when the disk has had time.
  mutating func start(
    _ node: SimulatedNode.Life, _ disk: inout SimulatedDisk, _ random: inout SeededRandom,
    _ world: inout World
  ) throws(StorageError) -> Sync? {
    guard syncing == nil, !queue.isEmpty else { return nil }
    let work = queue
    queue = []
    var last: UInt64?
    for item in work {
      switch item {
      case .persist(let persist):
        try write(persist, node, &world)
        last = persist.number
      case .read(let read): try answer(read, node, &disk, &world)
      case .cover: try log.cover()
      }
    }
    guard let last else { return nil }
    syncing = last
    var sync = Sync(number: last, endsAt: disk.syncEnds(world.time))
    if losesPowerWriting {
      losesPowerWriting = false
      sync.powerLossAt = world.time + random.below(sync.endsAt - world.time)
    }
    return sync
  }

  private mutating func write(
    _ persist: NodeOutputs.Persist, _ node: SimulatedNode.Life, _ world: inout World
  ) throws(StorageError) {
    try log.append(persist.records)
    let bytes = Self.bytes(of: persist.records)
    writtenBytes += bytes
    world.record(
      3, UInt64(node.index) << 32 | persist.number, bytes,
      "n\(node.index + 1) writes \(persist.number): \(LogText.text(persist.records))")
  }

  private mutating func answer(
    _ read: NodeOutputs.LogRead, _ node: SimulatedNode.Life, _ disk: inout SimulatedDisk,
    _ world: inout World
  ) throws(StorageError) {
    var entries: [LogEntry]?
    do throws(StorageError) {
      entries = try log.read(
        read.group, from: read.from, through: read.through, maxBytes: read.maxBytes)
    } catch {
      guard error == .compacted else { throw error }
    }
    world.observer.counts.logReads += 1
    world.schedule(
      .answer(node, .core(.logRead(read.number, entries))), at: disk.readEnds(world.time))
  }

  /// The sync that ran has ended; `nil` where none ran.
  mutating func endSync(_ disk: inout SimulatedDisk) -> SyncEnd? {
    guard let number = syncing else { return nil }
    syncing = nil
    if disk.failsNextSync {
      disk.failsNextSync = false
      disk.counts.failedSyncs += 1
      log.inject(.failedSync)
      isSynced = false
    }
    do throws(StorageError) {
      try log.sync()
      let extent = log.extent
      if extent.synced < extent.end { isSynced = false }
      return .durable(number)
    } catch {
      return .failed(number, error)
    }
  }

  // MARK: Ends and starts

  /// A new log, for the same node with another disk. This one can be opened again (`end`).
  func emptied() throws(StorageError) -> LogThread { LogThread(try log.wiped()) }

  var unsyncedBytes: Int { log.extent.end - log.extent.synced }

  /// The process is gone. With the power, writes that were not synced may be lost or torn; without,
  /// the operating system still has them.
  mutating func end(
    losesPower: Bool, _ random: inout SeededRandom, _ counts: inout DiskCounts
  ) throws(StorageError) {
    let extent = log.extent
    queue = []
    syncing = nil
    losesPowerWriting = false
    isSynced = true
    writtenBytes = 0
    ticksSinceMeasured = 0
    guard losesPower else {
      log = try log.restart()
      return
    }
    let unsynced = extent.end - extent.synced
    log = try log.crash(tearing: &random)
    let survived = max(0, log.extent.end - extent.synced)
    counts.bytesLost += UInt64(max(0, unsynced - survived))
    if unsynced > 0 {
      if survived < unsynced {
        counts.batchesLost += 1
      } else {
        counts.batchesKept += 1
      }
    }
  }

  mutating func readAll(
    _ group: GroupID, _ recovered: RecoveredLog
  ) throws(StorageError) -> [LogEntry] {
    var entries: [LogEntry] = []
    var next = recovered.baseIndex.next
    while next <= recovered.lastIndex {
      let read = try log.read(
        group, from: next, through: recovered.lastIndex, maxBytes: 1 << 24)
      guard let last = read.last else { break }
      entries += read
      next = last.index.next
    }
    return entries
  }

  private static func bytes(of records: [LogRecord]) -> UInt64 {
    var bytes = 32
    for record in records {
      switch record {
      case .hardState: bytes += 24
      case .entries(_, let entries): for entry in entries { bytes += entry.encodedSize + 16 }
      case .reset: bytes += 64
      case .removed: bytes += 8
      case .data(_, _, let payload): bytes += payload.count + 16
      }
    }
    return UInt64(bytes)
  }
}
