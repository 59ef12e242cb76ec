package import KVBase
internal import KVCommand
internal import KVLog
internal import KVRaft
internal import KVState
internal import KVWire

/// A whole node as a value: inputs in, outputs out. The server and the simulator run this same
/// code.
///
/// The interpreter gives inputs, each with `now`, and at the end of every turn calls `finishTurn`,
/// carries out the outputs, and empties them. It calls `tick` at least every
/// `NodeCore.tickInterval`.
package struct NodeCore: Sendable {
  /// How often `tick` must be called.
  package static var tickInterval: TimeAmount { .milliseconds(10) }

  #if PlantedFaults
    package internal(set) var plantedFault: PlantedFault?
  #endif

  package let configuration: NodeConfiguration
  let plan: NodePlan
  var random: SeededRandom
  let startedAt: Instant

  /// By group, and where each group is in it; -1: not on this node.
  var replicas: [Replica]
  let slotOfGroup: [Int]
  /// Replicas with `isDirty`.
  var dirty: [Int] = []

  /// Empty, and only kept for the memory of its arrays.
  var spareOutputs = RaftOutputs()

  /// What the meta group has decided, as far as it is applied here.
  var meta: MetaState
  /// By position in `configuration.members`.
  var peers: [Peer]
  var admission: Admission
  /// The data directory had never been part of a cluster when the node started.
  let startedBlank: Bool
  var hasToldClusterID = false

  /// Log writes of this turn, and those on their way.
  var records: [LogRecord] = []
  var recordTokens: [SlotToken] = []
  var persistNumber: UInt64 = 0
  var writing = RingQueue<Writing>(limit: Limits.persistsInFlight)

  var nextRead: UInt64 = 0
  var openReads: [UInt64: OpenRead] = [:]
  var nextLogRead: UInt64 = 0
  var openLogReads: [UInt64: OpenLogRead] = [:]

  var nextTransfer: UInt64
  var outgoing: [OutgoingSnapshot] = []
  var snapshotBudget = Limits.snapshotBytesPerTick

  var gauges = Gauges()
  var flushedAtLogBytes: UInt64 = 0
  var isFlushing = false
  var nextMaintenance: Instant
  var isShuttingDown = false
  /// The oldest unfinished log write has taken so long that this node can't be said to work.
  var isDiskStalled: Bool { stalledWrite != nil }
  var stalledWrite: UInt64?
  var diskPatience: TimeAmount

  /// A log write on its way: which replicas asked for it.
  struct Writing: Sendable {
    var number: UInt64
    var since: Instant
    var tokens: [SlotToken]
  }

  struct SlotToken: Sendable {
    var slot: Int
    var token: PersistToken
    /// The reset that this write makes durable ends a snapshot's installation.
    var endsInstallation = false
  }

  struct OpenRead: Sendable {
    var caller: Caller
    var receipt: Receipt
  }

  struct OpenLogRead: Sendable {
    var slot: Int
    var from: LogIndex
    var through = LogIndex.zero
    var isForApply: Bool
  }

  package init(
    configuration: NodeConfiguration, recovery: NodeRecovery, random: SeededRandom, now: Now
  ) {
    self.configuration = configuration
    plan = NodePlan(configuration)
    self.random = random
    startedAt = now.instant
    nextMaintenance = now.instant
    diskPatience = configuration.raft.electionTimeout * 2
    // A number that an earlier life of this node may have used must not come again.
    nextTransfer = self.random.next() >> 1
    replicas = []
    var slots = [Int](repeating: -1, count: configuration.partitions + 1)
    for recovered in recovery.groups {
      slots[Int(recovered.group.rawValue)] = replicas.count
      let raft = RaftCore(
        group: recovered.group, id: ReplicaID(node: configuration.node),
        settings: configuration.raft,
        recovery: RaftRecovery(
          hardState: recovered.log.hardState, baseIndex: recovered.log.baseIndex,
          baseTerm: recovered.log.baseTerm, lastIndex: recovered.log.lastIndex,
          termRuns: recovered.log.termRuns, configurations: recovered.log.configurations,
          appliedIndex: recovered.status.appliedIndex,
          logTimeMilliseconds: recovered.status.logTimeMilliseconds),
        random: self.random.fork(), now: now.instant)
      replicas.append(Replica(recovered: recovered, raft: raft))
    }
    slotOfGroup = slots
    meta =
      recovery.groups.first { $0.group == .meta }?.status.meta
      ?? MetaState(defaultMode: configuration.defaultMode)
    peers = configuration.members.map { Peer(node: $0.node, since: now.instant) }
    let isAlone = configuration.members.count == 1
    startedBlank = recovery.isBlank
    admission = recovery.isBlank && !isAlone ? .asking(vouchers: []) : .admitted
    if admission == .admitted { campaignWherePreferred(now: now.instant) }
  }

  func slot(of group: GroupID) -> Int? {
    guard Int(group.rawValue) < slotOfGroup.count else { return nil }
    let slot = slotOfGroup[Int(group.rawValue)]
    return slot < 0 ? nil : slot
  }

  mutating func touch(_ slot: Int) {
    if !replicas[slot].isDirty {
      replicas[slot].isDirty = true
      dirty.append(slot)
    }
  }

  /// Groups that have never had a leader get the preferred one at once, so that a new cluster
  /// serves in milliseconds and its leaders are spread from the start.
  mutating func campaignWherePreferred(now: Instant) {
    for slot in replicas.indices where replicas[slot].raft.term == .zero {
      if plan.nodes(of: replicas[slot].group).first == configuration.node {
        replicas[slot].raft.campaignSoon(now: now)
      }
    }
  }

  /// What is told with every tick.
  package struct Gauges: Sendable {
    package var logRetainedBytes: Int
    /// Bytes written to the log since the node started.
    package var logWrittenBytes: UInt64
    package var stateBytes: Int
    package var isUnderPressure: Bool
    package var clientConnections: Int

    package init(
      logRetainedBytes: Int = 0, logWrittenBytes: UInt64 = 0, stateBytes: Int = 0,
      isUnderPressure: Bool = false, clientConnections: Int = 0
    ) {
      self.logRetainedBytes = logRetainedBytes
      self.logWrittenBytes = logWrittenBytes
      self.stateBytes = stateBytes
      self.isUnderPressure = isUnderPressure
      self.clientConnections = clientConnections
    }
  }
}
