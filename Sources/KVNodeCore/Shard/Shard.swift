internal import KVBase
internal import KVCommand
internal import KVLog
internal import KVRaft
internal import KVState
internal import KVWire

/// What a worker of a node runs: the router, the engines of its partitions, and their timers.
///
/// Every input goes to the engine that it names, which appends what it asks for; the engine is then
/// `dirty`, and `finishTurn` lets each dirty engine end the turn (write its entries, begin its read
/// round, hand entries to apply). So a turn makes one log write and one frame for each peer of what
/// all groups gathered.
struct Shard: Sendable {
  private var table = ReplicaTable()
  private var context: ShardContext
  private var router: RequestRouter
  private var random: SeededRandom
  private let raftSettings: RaftSettings
  /// Slots that were given an input in this turn.
  private var dirty: [Int] = []
  private var isDirty: [Bool] = []
  private var timers = ShardTimers()

  init(
    _ configuration: NodeConfiguration, recovery: NodeRecovery, map: ClusterMap,
    random: SeededRandom, now: Instant
  ) {
    self.random = random
    let partitions = map.isFormed ? map.partitions : configuration.partitions
    raftSettings = configuration.raft.shared(by: partitions + 1)
    context = ShardContext(
      node: configuration.node, linearizableReads: configuration.linearizableReads,
      electionTimeout: configuration.raft.electionTimeout,
      snapshots: SnapshotBudget(firstTransfer: self.random.next() >> 1))
    router = RequestRouter(
      node: configuration.node, readTimeout: configuration.raft.electionTimeout * 4, map: map)
    for recovered in recovery.groups {
      add(recovered, id: recovered.identity(on: configuration.node), now: now)
    }
    update(map)
  }

  private mutating func add(
    _ recovered: NodeRecovery.Group, id: ReplicaID, isDurable: Bool = true, now: Instant
  ) {
    let log = recovered.log
    let raft = RaftCore(
      group: recovered.group, id: id, settings: raftSettings,
      recovery: RaftRecovery(
        hardState: log.hardState, baseIndex: log.baseIndex, baseTerm: log.baseTerm,
        lastIndex: log.lastIndex, termRuns: log.termRuns, configurations: log.configurations,
        appliedIndex: recovered.status.appliedIndex,
        logTimeMilliseconds: recovered.status.logTimeMilliseconds),
      random: random.fork(), now: now)
    let handle = table.nextHandle
    table.add(RaftGroup(recovered, raft: raft, handle: handle, isDurable: isDurable))
    #if PlantedFaults
      if let fault = context.plantedFault { table[Int(handle.slot)].plant(fault) }
    #endif
    while isDirty.count <= Int(handle.slot) { isDirty.append(false) }
    timers.add(Int(handle.slot))
    touch(Int(handle.slot))
  }

  private mutating func touch(_ slot: Int) {
    guard !isDirty[slot] else { return }
    isDirty[slot] = true
    dirty.append(slot)
  }

  // MARK: Requests

  /// What a request asks of the node as a whole; `nil`: it was answered, or goes its way.
  enum NodeQuestion: Sendable { case map, status, health }

  /// The payload of a REQUEST frame. What can't be decoded is answered, and harms nobody else.
  mutating func request(
    _ payload: Bytes, caller: Caller, now: Now, _ outputs: inout NodeOutputs
  ) -> NodeQuestion? {
    let request: Request
    do {
      request = try Request(decoding: payload)
    } catch {
      outputs.fail(caller, RequestRouter.malformed("the request can't be decoded: \(error)"))
      return nil
    }
    switch router.route(request, now: now.instant) {
    case .map: return .map
    case .status: return .status
    case .health: return .health
    case .refused(let failure): outputs.fail(caller, failure)
    case .unformed: outputs.fail(caller, router.unformed)
    case .engine(let group, let engineRequest):
      let slot = table.slot(of: group)
      let successor = context.isShuttingDown ? slot.flatMap { table[$0].leader } : nil
      if let failure = router.refusal(of: group, request, successor: successor, context) {
        outputs.fail(caller, failure)
      } else if let slot {
        touch(slot)
        table[slot].request(engineRequest, caller: caller, now: now, &context, &outputs)
      } else {
        outputs.fail(caller, router.notReplica(of: group))
      }
    }
    return nil
  }

  // MARK: Inputs of the interpreter

  /// The payload of a PEER frame. An error closes that connection.
  mutating func peerFrame(
    from peer: NodeID, _ payload: Bytes, now: Now, _ outputs: inout NodeOutputs
  ) throws(WireError) {
    var reader = ByteReader(payload)
    var envelope: PeerEnvelope?
    while !reader.isAtEnd {
      let message = try PeerMessage(from: &reader, after: &envelope)
      guard message.from.node == peer else { throw .invalid("peer message: another's replica") }
      guard let slot = table.slot(of: message.group) else { continue }
      touch(slot)
      try table[slot].message(message, now: now, &context, &outputs)
    }
  }

  mutating func persisted(
    _ completions: [LogBatch.Completion], bytes: Int, now: Now, _ outputs: inout NodeOutputs
  ) {
    context.logBytesOnTheirWay -= bytes
    for completion in completions {
      if case .removed(let group) = completion.kind {
        // Unless a new replica of the group has been added meanwhile.
        if table.slot(of: group) == nil { outputs.removals.append(group) }
        continue
      }
      guard let slot = table.slot(of: completion.replica) else { continue }
      touch(slot)
      table[slot].persisted(completion.kind, now: now, &context, &outputs)
    }
  }

  mutating func applied(_ results: [ApplyResult], now: Now, _ outputs: inout NodeOutputs) {
    for result in results {
      guard let slot = table.slot(of: result.group) else { continue }
      touch(slot)
      table[slot].applied(result, now: now, &context, &outputs)
    }
  }

  mutating func readDone(_ number: UInt64, _ result: ReadResult?, _ outputs: inout NodeOutputs) {
    guard let read = context.reads.finish(number) else { return }
    context.readBudget.giveBack(read.bytes, of: read.caller.connection)
    // What was read after the replica had gone may be nothing, or another one's state.
    guard let result, let slot = table.slot(of: read.replica) else {
      return outputs.fail(read.caller, Refusals.removed(read.receipt.group, context.node))
    }
    table[slot].readDone(read, result, &outputs)
  }

  /// A client's connection is gone: nobody waits for its reads.
  mutating func clientLeft(_ connection: ConnectionID) {
    guard context.readBudget.isHeld(by: connection) else { return }
    for slot in table.live { table[slot].clientLeft(connection, &context) }
  }

  mutating func logRead(
    _ number: UInt64, _ entries: [LogEntry]?, now: Now, _ outputs: inout NodeOutputs
  ) {
    guard let read = context.logReads.finish(number), let slot = table.slot(of: read.replica)
    else { return }
    touch(slot)
    table[slot].logRead(number, read, entries, now: now, &context, &outputs)
  }

  mutating func snapshotStep(
    _ id: TransferID, _ step: SnapshotStep, now: Now, _ outputs: inout NodeOutputs
  ) {
    guard let owner = context.snapshots.owner(of: id), let slot = table.slot(of: owner) else {
      if case .opened = step { outputs.snapshots.append(.close(id)) }
      return
    }
    touch(slot)
    table[slot].snapshotStep(id, step, now: now, &context, &outputs)
  }

  // MARK: Inputs of the host

  mutating func step(_ input: ShardInput, now: Now, _ outputs: inout NodeOutputs) {
    switch input {
    case .admitted: router.admitted()
    case .waits(let reason): router.waits(for: reason)
    case .addReplica(let group, let id, let set):
      addReplica(group, id, set, now: now.instant, &outputs)
    case .removeReplica(let group): removeReplica(group, &outputs)
    case .map(let map): update(map)
    case .peer(let node, let connection, let isRefusing):
      context.peers.set(node, connection, isRefusing: isRefusing, now: now.instant)
      guard isRefusing, router.isAdmitted else { return }
      forEach { $0.nodeUnreachable(node, now: now, &$1, &outputs) }
    case .peerRemoved(let node): context.peers.remove(node)
    case .diskStalled(let isStalled):
      context.isDiskStalled = isStalled
      if isStalled { forEach { $0.stepDown(now: now, &$1, &outputs) } }
    case .pressure(let isUnderPressure): context.isUnderPressure = isUnderPressure
    case .budget(let bytes): context.snapshots.refill(bytes)
    case .balance(let transfers): balance(transfers, now: now, &outputs)
    case .handOver: forEach { $0.handOver(now: now, &$1, &outputs) }
    case .watchProgress: forEach { $0.watchProgress(now: now, &$1, &outputs) }
    case .yield: forEach { $0.yield(now: now, &$1, &outputs) }
    case .dropRecords: dropRecords(now: now)
    case .propose(let command):
      guard let slot = table.slot(of: .meta) else { return }
      touch(slot)
      _ = table[slot].proposeOwn(.meta(command), now: now, &context)
    case .flushed(let groups): compact(groups, now: now.instant, &outputs)
    case .shutdown: context.isShuttingDown = true
    }
  }

  private mutating func forEach(_ body: (inout RaftGroup, inout ShardContext) -> Void) {
    for slot in table.live {
      touch(slot)
      body(&table[slot], &context)
    }
  }

  private mutating func addReplica(
    _ group: GroupID, _ id: ReplicaID, _ set: ReplicaSet, now: Instant,
    _ outputs: inout NodeOutputs
  ) {
    if table.slot(of: group) == nil { makeReplica(group, id, set, now: now, &outputs) }
    if set.voters.first == id, let slot = table.slot(of: group) {
      touch(slot)
      table[slot].campaignIfNew(now: now)
    }
  }

  private mutating func makeReplica(
    _ group: GroupID, _ id: ReplicaID, _ set: ReplicaSet, now: Instant,
    _ outputs: inout NodeOutputs
  ) {
    let configuration = GroupConfiguration(voters: set.voters, learners: set.learners)
    let map = group == .meta ? router.map : nil
    let new = NodeRecovery.Group(
      new: group, generation: table.nextGeneration(of: group), configuration: configuration,
      map: map)
    // In the log before anything else of this replica.
    context.log.append(
      .reset(
        group, generation: new.log.generation, index: .zero, term: .zero,
        configuration: configuration))
    outputs.creations.append(
      NodeOutputs.Creation(
        group: group, generation: new.log.generation, configuration: configuration, map: map))
    let handle = table.nextHandle
    context.log.append(LogBatch.Completion(replica: handle, kind: .made))
    add(new, id: id, isDurable: false, now: now)
    guard router.map.isFormed else { return }
    table[Int(handle.slot)].setPreferredLeader(set.voters.first?.node)
  }

  private mutating func removeReplica(_ group: GroupID, _ outputs: inout NodeOutputs) {
    guard let slot = table.slot(of: group) else { return }
    let handle = table[slot].handle
    table[slot].close(&context, &outputs)
    context.snapshots.closed(of: handle)
    timers.remove(slot)
    table.remove(slot)
    // What is there under this name from now on has another log.
    outputs.compactions.removeAll { $0.group == group }
    context.log.append(.removed(group))
    context.log.append(LogBatch.Completion(replica: handle, kind: .removed(group)))
  }

  private mutating func update(_ map: ClusterMap) {
    router.update(map)
    for slot in table.live {
      let set = map.replicaSet(of: table[slot].group)
      table[slot].setPreferredLeader(set?.voters.first?.node)
    }
  }

  private mutating func balance(_ limit: Int, now: Now, _ outputs: inout NodeOutputs) {
    var begun = 0
    for slot in table.live where begun < limit {
      guard table[slot].balance(now: now, &context, &outputs) else { continue }
      touch(slot)
      begun += 1
    }
  }

  private mutating func dropRecords(now: Now) {
    guard !router.map.dropped.isEmpty, !context.isShuttingDown else { return }
    for slot in table.live where table[slot].group != .meta {
      if table[slot].dropRecords(router.map.dropped, now: now, &context) { touch(slot) }
    }
  }

  private mutating func compact(
    _ flushed: [FlushedGroup], now: Instant, _ outputs: inout NodeOutputs
  ) {
    for flushed in flushed {
      guard let slot = table.slot(of: flushed.group),
        let through = table[slot].compact(flushed, context, now: now)
      else { continue }
      outputs.compactions.append((flushed.group, through))
    }
  }

  // MARK: Time and turns

  mutating func tick(now: Now, _ outputs: inout NodeOutputs) {
    for slot in table.live where table[slot].mayApply() { touch(slot) }
    while let slot = timers.popDue(now.instant) {
      touch(slot)
      table[slot].tick(now: now, &context, &outputs)
    }
  }

  /// Ends a turn: what is to be written.
  mutating func finishTurn(now: Now, _ outputs: inout NodeOutputs) {
    // Ending a turn touches no further replica, so one pass does.
    for slot in dirty {
      isDirty[slot] = false
      // It may have been removed in this turn.
      guard table.isLive(slot) else { continue }
      timers.rearm(slot, table[slot].finishTurn(now: now, &context, &outputs))
    }
    dirty.removeAll(keepingCapacity: true)
    for replica in context.applyTurn.turnEnded() {
      if let slot = table.slot(of: replica) { touch(slot) }
    }
  }

  /// The latest map, where one was applied since this was last asked for.
  mutating func takeAppliedMap() -> ClusterMap? {
    defer { context.appliedMap = nil }
    return context.appliedMap
  }

  /// The records and completions of the turn, or the first of many; `nil`: there are none left.
  mutating func takeLogBatch() -> LogBatch? {
    guard let batch = context.log.take(maxBytes: Limits.logWriteBytes) else { return nil }
    context.logBytesOnTheirWay += batch.bytes
    return batch
  }

  // MARK: What it says of itself

  mutating func metaStatus(now: Instant) -> MetaStatus {
    guard let slot = table.slot(of: .meta) else { return MetaStatus() }
    return table[slot].status(now: now)
  }

  /// What HELLO says of the meta group's replica here.
  var standing: Hello.Standing { table.slot(of: .meta).map { table[$0].standing } ?? .blank }

  /// Nothing is left to do for a node that shuts down.
  var isDrained: Bool {
    let hasOthers = context.peers.hasAnyUp
    return context.reads.isEmpty
      && !table.live.contains { table[$0].hasOpenProposals || table[$0].isLeader && hasOthers }
  }

  /// By group; 0: this node holds no replica, or knows of no leader.
  func leaders(of groups: Int) -> [NodeID] {
    var leaders = Array(repeating: NodeID(0), count: groups)
    for slot in table.live {
      let group = Int(table[slot].group.rawValue)
      if group < groups, let leader = table[slot].leader { leaders[group] = leader }
    }
    return leaders
  }

  var groupReports: [NodeReport.Group] { table.live.map { table[$0].report } }
  var groupCount: Int { table.live.reduce(0) { count, _ in count + 1 } }
  var groupsWithLeader: Int { table.live.reduce(0) { $0 + (table[$1].leader == nil ? 0 : 1) } }

  mutating func checkInvariants() {
    for slot in table.live { table[slot].checkInvariants() }
  }

  #if PlantedFaults
    mutating func plant(_ fault: PlantedFault) {
      context.plantedFault = fault
      for slot in table.live { table[slot].plant(fault) }
    }
  #endif
}
