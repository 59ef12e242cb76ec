internal import KVBase
internal import KVCommand
internal import KVLog
internal import KVRaft
internal import KVState
internal import KVWire

/// Whom to answer.
struct Caller: Sendable {
  var connection: ConnectionID
  var stream: UInt32
}

/// A command that this node proposed and whose result somebody waits for.
struct PendingProposal: Sendable {
  var index: LogIndex
  /// `nil`: the node itself proposed it.
  var caller: Caller?
}

/// A read that waits: for its ticket, or for an index to be applied.
struct PendingRead: Sendable {
  var caller: Caller
  var command: ReadCommand
  var served: Receipt.Served
  /// When waiting is given up.
  var deadline: Instant
}

/// One group's replica on this node: its Raft core and everything that waits for it.
struct Replica: Sendable {
  let group: GroupID
  var raft: RaftCore
  var generation: Generation
  /// What `raft` has asked for in this turn.
  var outputs = RaftOutputs()
  /// It was given an input in this turn and has to be flushed.
  var isDirty = false

  /// The latest persist of this replica that is durable.
  var durableToken = PersistToken(0)
  /// Messages that wait for a persist, in order.
  var held = RingQueue<RaftOutputs.Send>(limit: Limits.heldMessages)

  var appliedIndex: LogIndex
  var appliedTerm: Term
  var digest: UInt64
  var isApplying = false
  /// A follower applies when a tick has come since it last did.
  var mayApply = true
  /// The log read whose entries are to be applied.
  var applyRead: UInt64?
  /// The core handed out entries up to here to be read from the log and applied.
  var applyRest: LogIndex?

  var proposals = RingQueue<PendingProposal>(limit: Limits.pendingProposals)
  var ticketReads = RingQueue<(ticket: ReadTicket, read: PendingRead)>(limit: Limits.waitingReads)
  var applyReads: [(index: LogIndex, read: PendingRead)] = []

  var droppedKeyspaces: [KeyspaceID]
  var incoming: IncomingSnapshot?
  /// The highest generation ever begun here, finished or not.
  var highestGeneration: Generation
  var leaderSince: Instant?
  /// Leadership is not handed to the preferred node before this, and each attempt doubles the wait.
  var balanceAt = Instant.zero
  var balancePause = TimeAmount.seconds(2)
  /// The commit index that was seen last, and since when it has stood still below the last entry.
  var stuckCommit: (index: LogIndex, since: Instant)?
  /// Drops of keyspaces that this leader has proposed and not applied.
  var proposedDrops: [KeyspaceID] = []

  init(recovered: NodeRecovery.Group, raft: RaftCore) {
    group = recovered.group
    self.raft = raft
    generation = recovered.log.generation
    highestGeneration = recovered.log.generation
    appliedIndex = recovered.status.appliedIndex
    appliedTerm = recovered.status.appliedTerm
    digest = recovered.status.digest
    droppedKeyspaces = recovered.status.droppedKeyspaces
  }

  var isLeader: Bool { raft.role == .leader }

  /// The log is being replaced by a snapshot: messages for the old one must not reach the core.
  var isResetting: Bool { incoming?.phase == .resetting }

  mutating func receive(_ message: RaftMessage, from: ReplicaID, now: Instant) {
    raft.receive(message, from: from, now: now, into: &outputs)
  }

  /// True where there is something to do.
  mutating func tick(now: Instant) -> Bool {
    mayApply = true
    let isDue = now >= raft.nextDeadline
    if isDue { raft.tick(now: now, into: &outputs) }
    return isDue || raft.commitIndex > appliedIndex
  }

  mutating func flush(now: Instant) { raft.flush(now: now, into: &outputs) }

  mutating func persisted(_ token: PersistToken, now: Instant) {
    if token > durableToken { durableToken = token }
    raft.persisted(token, now: now, into: &outputs)
  }

  mutating func propose(
    _ payload: Bytes, now: Now
  ) throws(RaftCore.ProposeRefusal) -> LogIndex {
    try raft.propose(
      .command, payload: payload, wallMilliseconds: now.wallMilliseconds, now: now.instant,
      into: &outputs)
  }

  mutating func transfer(to target: ReplicaID, now: Instant) -> Bool {
    raft.transferLeadership(to: target, now: now, into: &outputs)
  }

  /// What is to be applied next, where that may begin now.
  ///
  /// Nobody waits for what a follower applies, so it is done once in a tick: larger batches cost
  /// less, and followers' are two thirds of a node's applying.
  mutating func nextToApply() -> RaftCore.NextToApply {
    guard !isApplying, applyRead == nil, !isResetting else { return .nothing }
    guard isLeader || mayApply || !applyReads.isEmpty else { return .nothing }
    mayApply = isLeader
    if let through = applyRest {
      if appliedIndex < through { return .readLog(from: appliedIndex.next, through: through) }
      applyRest = nil
    }
    return raft.nextToApply(maxBytes: Limits.applyBytes)
  }

  mutating func stepDown(now: Instant) { raft.stepDown(now: now, into: &outputs) }

  mutating func nodeUnreachable(_ node: NodeID, now: Instant) {
    raft.nodeUnreachable(node, now: now, into: &outputs)
  }

  mutating func logRead(from: LogIndex, entries: [LogEntry]?, now: Instant) {
    raft.logRead(from: from, entries: entries, now: now, into: &outputs)
  }

  mutating func snapshotFinished(to: ReplicaID, index: LogIndex?, now: Instant) {
    raft.snapshotFinished(to: to, index: index, now: now, into: &outputs)
  }

  mutating func offeredSnapshot(
    from: ReplicaID, term: Term, index: LogIndex, snapshotTerm: Term, now: Instant
  ) -> Bool {
    raft.offeredSnapshot(
      from: from, term: term, index: index, snapshotTerm: snapshotTerm, now: now, into: &outputs)
  }

  mutating func installed(_ status: GroupStatus, from: ReplicaID, now: Instant) {
    raft.installed(
      index: status.appliedIndex, term: status.appliedTerm, configuration: status.configuration,
      from: from, now: now, into: &outputs)
    generation = status.generation
    appliedIndex = status.appliedIndex
    appliedTerm = status.appliedTerm
    digest = status.digest
    droppedKeyspaces = status.droppedKeyspaces
    isApplying = false
    applyRead = nil
    applyRest = nil
  }
}
