internal import KVBase
internal import KVLog

/// What a host does about the node's log: the writes on their way, the watch over the disk that
/// they go to, and the flushes of the state that let the log forget.
struct NodeLog: Sendable {
  private var writes = LogWrites()
  private var disk: DiskWatch
  private var flushes: FlushSchedule

  init(_ configuration: NodeConfiguration) {
    disk = DiskWatch(configuration.raft)
    flushes = FlushSchedule(configuration)
  }

  /// False where too many writes are on their way: the next batch gathers on.
  var mayWrite: Bool { !writes.isFull }

  mutating func write(_ batch: LogBatch, now: Instant, _ outputs: inout NodeOutputs) {
    let number = writes.begin(batch.completions, now: now)
    outputs.persists.append(NodeOutputs.Persist(number: number, records: batch.records))
  }

  /// Everything up to and including this write is durable: the next batch that is.
  mutating func nextPersisted(
    through number: UInt64, now: Instant
  ) -> [LogBatch.Completion]? {
    guard let write = writes.popFinished(through: number) else { return nil }
    disk.finished(since: write.since, now: now)
    return write.completions
  }

  /// Since when the oldest write has been on its way; `nil`: none is.
  var oldestWrite: Instant? { writes.oldest?.since }

  /// Whether the disk has begun or ceased to stall; `nil`: no change.
  mutating func watchDisk(now: Instant, _ outputs: inout NodeOutputs) -> Bool? {
    disk.tick(oldest: writes.oldest, now: now, &outputs)
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

/// When the state is made durable, so that the log can forget what led to it.
struct FlushSchedule: Sendable {
  private let flushBytes: UInt64
  private let roomBytes: Int
  private var flushedAtLogBytes: UInt64 = 0
  private var isFlushing = false

  init(_ configuration: NodeConfiguration) {
    flushBytes = UInt64(configuration.flushBytes)
    roomBytes = configuration.logKeepBytes / 2
  }

  /// Whether to flush the state now.
  mutating func isDue(_ gauges: NodeGauges) -> Bool {
    let written = gauges.logWrittenBytes
    let since = written - min(flushedAtLogBytes, written)
    guard !isFlushing, since >= flushBytes else { return false }
    isFlushing = true
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
