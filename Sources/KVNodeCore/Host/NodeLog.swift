internal import KVBase
internal import KVLog

/// What a host does about the node's log: the writes on their way, the watch over the disk that
/// they go to, the cover that closes it when nothing more is written, and the flushes of the state
/// that let the log forget.
struct NodeLog: Sendable {
  private var writes = LogWrites()
  private var disk: DiskWatch
  private var flushes: FlushSchedule
  private var cover = CoverSchedule()

  init(_ configuration: NodeConfiguration) {
    disk = DiskWatch(configuration.raft)
    flushes = FlushSchedule(configuration)
  }

  /// False where too many writes are on their way: the next batch gathers on.
  var mayWrite: Bool { !writes.isFull }

  mutating func write(_ batch: LogBatch, now: Instant, _ outputs: inout NodeOutputs) {
    let number = writes.begin(batch, now: now)
    cover.written(now: now)
    outputs.persists.append(
      NodeOutputs.Persist(number: number, records: batch.records, bytes: batch.bytes))
  }

  /// Everything up to and including this write is durable: the next batch that is.
  mutating func nextPersisted(through number: UInt64, now: Instant) -> LogWrites.Finished? {
    guard let write = writes.popFinished(through: number) else { return nil }
    disk.finished(since: write.since, now: now)
    return write.done
  }

  /// Since when the oldest write has been on its way; `nil`: none is.
  var oldestWrite: Instant? { writes.oldest?.since }

  /// Whether the disk has begun or ceased to stall; `nil`: no change.
  mutating func watchDisk(now: Instant, _ outputs: inout NodeOutputs) -> Bool? {
    disk.tick(oldest: writes.oldest, now: now, &outputs)
  }

  mutating func coverIfDue(now: Instant, _ outputs: inout NodeOutputs) {
    if writes.oldest == nil, cover.isDue(now: now) { outputs.coversLog = true }
  }

  mutating func flushIfDue(_ gauges: NodeGauges, _ outputs: inout NodeOutputs) {
    if flushes.isDue(gauges) { outputs.flushState = true }
  }

  mutating func stateFlushed(
    _ groups: [FlushedGroup], _ gauges: NodeGauges, _ orders: inout [ShardInput]
  ) {
    if flushes.ended(gauges) { orders.append(.flushed(groups)) }
  }
}

/// When the log is closed with a cover (`LogFormat`): once after its last write, however long the
/// node then writes nothing. A log that was just opened may end without one.
struct CoverSchedule: Sendable {
  private var isCovered = false
  private var lastWriteAt = Instant.zero

  mutating func written(now: Instant) {
    isCovered = false
    lastWriteAt = now
  }

  mutating func isDue(now: Instant) -> Bool {
    guard !isCovered, now - lastWriteAt >= Limits.logCoverDelay else { return false }
    isCovered = true
    return true
  }
}

/// When the state is made durable, so that the log can forget what led to it.
struct FlushSchedule: Sendable {
  private let flushBytes: UInt64
  private let roomBytes: Int
  /// Bytes of the log that no flush of this life covers. What an earlier life left counts too: else
  /// a node that is restarted often keeps all of its log.
  private var leftBytes: UInt64?
  private var flushedAtLogBytes: UInt64 = 0
  private var isFlushing = false

  init(_ configuration: NodeConfiguration) {
    flushBytes = UInt64(configuration.flushBytes)
    roomBytes = configuration.logKeepBytes / 2
  }

  /// Whether to flush the state now.
  mutating func isDue(_ gauges: NodeGauges) -> Bool {
    let written = gauges.logWrittenBytes
    let left = leftBytes ?? UInt64(max(0, gauges.logRetainedBytes))
    leftBytes = left
    let since = left + written - min(flushedAtLogBytes, written)
    guard !isFlushing, since >= flushBytes else { return false }
    isFlushing = true
    leftBytes = 0
    flushedAtLogBytes = written
    return true
  }

  /// The state is flushed. Whether the groups are to let go of their logs: while there is room for
  /// all of it, what is kept spares nodes that were away a snapshot.
  mutating func ended(_ gauges: NodeGauges) -> Bool {
    isFlushing = false
    return gauges.logRetainedBytes > roomBytes
  }
}
