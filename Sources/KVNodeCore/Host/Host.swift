internal import KVBase
internal import KVCommand
internal import KVLog
internal import KVRaft
internal import KVWire

/// What a node has once, whatever the number of its shards: the other nodes, its admission, the
/// map and the duties of the meta group's leader, the log's writes and the watch over them, what
/// the log keeps, and the rounds of maintenance. What it decides goes to the shards as inputs.
struct Host: Sendable {
  private static let maintenanceInterval = TimeAmount.milliseconds(100)
  /// Leaderships handed to their preferred nodes in one round of maintenance.
  private static let transfersPerRound = 4

  private let configuration: NodeConfiguration
  private let plan: NodePlan
  private(set) var directory: PeerDirectory
  private var duties: MetaDuties
  private var writes: LogWrites
  private var disk: DiskWatch
  private var retention: LogRetention
  private(set) var gauges = NodeGauges()
  private var nextMaintenance: Instant
  private(set) var isShuttingDown = false

  init(
    _ configuration: NodeConfiguration, recovery: NodeRecovery, map: MetaState,
    random: SeededRandom, now: Instant
  ) {
    self.configuration = configuration
    plan = NodePlan(configuration)
    directory = PeerDirectory(configuration, isBlank: recovery.isBlank, map: map, now: now)
    duties = MetaDuties(random: random)
    writes = LogWrites()
    disk = DiskWatch(isAlone: configuration.members.count == 1, configuration.raft)
    retention = LogRetention(configuration)
    nextMaintenance = now
  }

  var map: MetaState { directory.map }

  // MARK: Time

  mutating func tick(
    _ gauges: NodeGauges, meta: MetaStatus, now: Now, _ orders: inout [ShardInput],
    _ outputs: inout NodeOutputs
  ) {
    if gauges.isUnderPressure != self.gauges.isUnderPressure {
      orders.append(.pressure(gauges.isUnderPressure))
    }
    self.gauges = gauges
    directory.tick(plan, &orders)
    guard directory.isAdmitted else { return }
    if let isStalled = disk.tick(oldest: writes.oldest, now: now.instant, &outputs) {
      orders.append(.diskStalled(isStalled))
    }
    orders.append(.budget(Limits.snapshotBytesPerTick))
    if now.instant >= nextMaintenance {
      nextMaintenance = now.instant + Self.maintenanceInterval
      maintain(meta, now: now, &orders, &outputs)
    }
  }

  private mutating func maintain(
    _ meta: MetaStatus, now: Now, _ orders: inout [ShardInput], _ outputs: inout NodeOutputs
  ) {
    orders.append(isShuttingDown ? .handOver : .balance(transfers: Self.transfersPerRound))
    orders.append(.watchCommits)
    directory.tellClusterID(&outputs)
    if meta.leads, meta.isIdle, !isShuttingDown,
      let command = duties.next(directory, own: configuration)
    {
      orders.append(.propose(command))
    }
    orders.append(.dropRecords)
    if retention.mustFlush(gauges) { outputs.flushState = true }
  }

  // MARK: The log

  /// Asks for the write of a turn's batch. False where too many writes are on their way: the batch
  /// gathers on.
  var mayWrite: Bool { !writes.isFull }

  mutating func write(_ batch: LogBatch, now: Instant, _ outputs: inout NodeOutputs) {
    let number = writes.begin(batch.completions, now: now)
    outputs.persists.append(NodeOutputs.Persist(number: number, records: batch.records))
  }

  /// Everything up to and including this write is durable: the next batch that is.
  mutating func nextPersisted(through number: UInt64) -> [LogBatch.Completion]? {
    writes.popFinished(through: number)
  }

  mutating func stateFlushed(
    _ applied: [(group: GroupID, index: LogIndex)], _ orders: inout [ShardInput]
  ) {
    guard let policy = retention.flushed(gauges) else { return }
    orders.append(.flushed(applied, policy))
  }

  // MARK: The map

  /// The meta group here has applied a new version.
  mutating func mapApplied(
    _ map: MetaState, _ orders: inout [ShardInput], _ outputs: inout NodeOutputs
  ) {
    directory.update(map, &outputs)
    orders.append(.map(map))
  }

  // MARK: Other nodes

  mutating func withDirectory<Result>(
    _ body: (inout PeerDirectory, NodePlan) -> Result
  ) -> Result {
    body(&directory, plan)
  }

  mutating func beginShutdown(_ orders: inout [ShardInput]) {
    guard !isShuttingDown else { return }
    isShuttingDown = true
    orders.append(.shutdown)
    orders.append(.handOver)
  }

  // MARK: Reports

  func view(leaders: [NodeID]) -> ClusterView {
    ClusterView(
      meta: map,
      nodes: configuration.members.map {
        .init(id: $0.node, address: $0.address, zone: $0.zone)
      }, placement: plan.placement.replicas, leaders: leaders,
      replication: UInt8(clamping: configuration.replication))
  }

  var groupCount: Int { plan.groups.count }
}
