internal import KVBase
internal import KVCommand
internal import KVLog
internal import KVRaft
internal import KVWire

/// One replica of one group, as messages name it.
struct ReplicaIdentity: Hashable, Sendable {
  let group: GroupID
  let id: ReplicaID
}

/// What the engines of a shard share: what the host has told the shard, the tables of what is on
/// its way, and the buffers of the turn. Given to an engine with every input.
struct ShardContext: Sendable {
  let node: NodeID
  let linearizableReads: NodeConfiguration.LinearizableReads
  let electionTimeout: TimeAmount

  /// Told by the host.
  var peers = PeerTable()
  var isUnderPressure = false
  var isDiskStalled = false
  var isShuttingDown = false
  /// Bytes of entries that leaders sent and that are not applied, of all replicas here.
  var backlogBytes = 0

  var log = LogBatch()
  /// Bytes of the log that are not durable, `log` itself not counted.
  var logBytesOnTheirWay = 0
  var uncommitted = UncommittedBytes()
  var applyTurn = ApplyBudget()
  var readBudget = ReadBudget()
  var reads = OpenReads()
  var logReads = OpenLogReads()
  var snapshots: SnapshotBudget
  /// The map as the meta group here has last applied it; `nil`: not in this turn.
  var appliedMap: ClusterMap?
  #if PlantedFaults
    var plantedFault: PlantedFault?
  #endif
  /// What a Raft core asked for in the step that runs: reused, and empty between steps.
  var asked = RaftOutputs()

  /// Sends to another replica of the group, where its node can be reached; a message that can't be
  /// sent is lost, as on any network.
  func send(
    _ body: PeerMessage.Body, term: Term, from own: ReplicaIdentity, to: ReplicaID,
    _ outputs: inout NodeOutputs
  ) {
    guard let connection = peers.connection(to: to.node) else { return }
    outputs.peerFrames.append(
      PeerMessage(group: own.group, from: own.id, to: to, term: term, body: body),
      on: connection)
  }

  /// The node's log has as much to write as may wait in memory.
  var isLogFull: Bool { log.bytes + logBytesOnTheirWay >= Limits.undurableBytes }

  func overloaded(_ what: String) -> Failure {
    Failure(
      .resourceExhausted, .overloaded, notStarted: true,
      "\(what) of node \(node.rawValue) has too much to do: retry later",
      retryAfter: .milliseconds(50))
  }
}

/// Reads of the log that the interpreter carries out, by number.
struct OpenLogReads: Sendable {
  enum Purpose: Sendable {
    /// For a follower that lacks entries which are no longer in memory.
    case replicate
    case apply(through: LogIndex)
  }

  struct Read: Sendable {
    var replica: ReplicaHandle
    var from: LogIndex
    var purpose: Purpose
  }

  private var nextNumber: UInt64 = 0
  /// For look-up only.
  private var open: [UInt64: Read] = [:]

  mutating func begin(_ read: Read) -> UInt64 {
    nextNumber += 1
    open[nextNumber] = read
    return nextNumber
  }

  mutating func finish(_ number: UInt64) -> Read? { open.removeValue(forKey: number) }
}

/// Names the shard's transfers of snapshots, bounds how many it sends at one time, and how many
/// bytes in one tick.
struct SnapshotBudget: Sendable {
  private var nextTransfer: UInt64
  private var bytesLeft = 0
  /// By transfer: which replica it is of.
  private var owners: [(id: TransferID, replica: ReplicaHandle, isOutgoing: Bool)] = []

  /// `firstTransfer` is random: a number that an earlier life of this node may have used must not
  /// come again.
  init(firstTransfer: UInt64) { nextTransfer = firstTransfer }

  var maySend: Bool { owners.count { $0.isOutgoing } < Limits.outgoingSnapshots }

  mutating func open(_ replica: ReplicaHandle, isOutgoing: Bool) -> TransferID {
    nextTransfer += 1
    let id = TransferID(nextTransfer)
    if !isOutgoing { owners.removeAll { $0.replica == replica && !$0.isOutgoing } }
    owners.append((id, replica, isOutgoing))
    return id
  }

  mutating func closed(_ id: TransferID) { owners.removeAll { $0.id == id } }
  /// The replica is gone, and what it sent and received with it.
  mutating func closed(of replica: ReplicaHandle) { owners.removeAll { $0.replica == replica } }

  func owner(of id: TransferID) -> ReplicaHandle? { owners.first { $0.id == id }?.replica }

  /// The host allows so many bytes from now on.
  mutating func refill(_ bytes: Int) { bytesLeft = bytes }

  /// False where nothing more may be sent before the next refill. The last chunk may exceed it.
  mutating func spends(_ bytes: Int) -> Bool {
    guard bytesLeft > 0 else { return false }
    bytesLeft -= bytes
    return true
  }
}
