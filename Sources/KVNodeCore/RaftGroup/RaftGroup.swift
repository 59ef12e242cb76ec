internal import KVBase
internal import KVCommand
internal import KVLog
internal import KVRaft
internal import KVState
internal import KVWire

/// The engine of a cp partition: one replica of one Raft group, with everything that waits for it.
///
/// A mutation is proposed to the core, and waits in `proposals` until its entry is applied here or
/// leadership is lost (then its outcome is unknown). A linearizable read gets a ticket of the core
/// and waits in `reads` for the round that confirms it, then for the state. What the core asks for
/// is carried out after every input (`carryOut`): messages go out at once, or are `held` until the
/// persist that they promise is durable; persists go into the turn's log batch, from `flush` at the
/// turn's end; what is committed and durable is handed to the interpreter by `applying`, one batch
/// at a time. Snapshots to followers that need what the log no longer holds, and one for this
/// replica, are `transfers`; while the last record of one is being written nothing but time reaches
/// the core.
struct RaftGroup: Engine {
  let identity: ReplicaIdentity
  let handle: ReplicaHandle
  /// Of the replica's state: an installed snapshot begins a new one.
  private(set) var generation: Generation
  private var raft: RaftCore
  private var held: HeldMessages
  private var applying: ApplyProgress
  private var proposals = ProposalQueue()
  private var reads = GroupReads()
  private var transfers: SnapshotTransfers
  private var duties: LeaderDuties
  private var uncommitted = UncommittedBytes.Share()
  private var backlog = FollowerBacklog()

  /// `isDurable`: the record that makes the replica is; else its persist completes as `made`.
  init(
    _ recovered: NodeRecovery.Group, raft: RaftCore, handle: ReplicaHandle, isDurable: Bool
  ) {
    held = HeldMessages(holdsAll: !isDurable)
    identity = ReplicaIdentity(group: recovered.group, id: raft.id)
    self.handle = handle
    self.raft = raft
    generation = recovered.log.generation
    applying = ApplyProgress(recovered.status)
    transfers = SnapshotTransfers(generation: recovered.log.generation)
    duties = LeaderDuties(dropped: recovered.status.droppedKeyspaces)
  }

  // MARK: What it says of itself

  var group: GroupID { identity.group }
  private var own: LocalReplica { LocalReplica(identity: identity, handle: handle) }
  var isLeader: Bool { raft.role == .leader }
  var leader: NodeID? { raft.leader?.node }
  var term: Term { raft.term }
  /// What HELLO says of the meta group's replica. A term is entered in memory first, so what is
  /// said is never less than what is durable.
  var standing: Hello.Standing {
    held.holdsAll ? .blank : raft.term > .zero || raft.lastIndex > .zero ? .begun : .unbegun
  }
  var appliedIndex: LogIndex { applying.index }
  var digest: UInt64 { applying.digest }
  /// Of the states ever begun here, finished or not.
  var highestGeneration: Generation { transfers.highestGeneration }
  var hasOpenProposals: Bool { !proposals.isEmpty }

  /// What is asked of the meta group's replica. Mutating, as everything that is asked with each
  /// tick: a table lends its replicas for a change, and copies them out to be read.
  mutating func status(now: Instant) -> MetaStatus {
    let isApplied = applying.index > .zero && applying.index >= raft.commitIndex
    return MetaStatus(
      leads: leadsSafely, isIdle: !hasOpenProposals,
      currentAsOf: isApplied ? raft.age(now: now).map { now.earlier(by: $0) } : nil)
  }

  /// It leads, and everything that earlier leaders committed is committed here.
  private var leadsSafely: Bool { isLeader && raft.hasCommittedInOwnTerm }

  var nextDeadline: Instant {
    min(raft.nextDeadline, min(reads.nextDeadline, transfers.nextDeadline))
  }

  var report: NodeReport.Group {
    NodeReport.Group(
      group: group, role: raft.role, term: raft.term, leader: leader ?? NodeID(0),
      commit: raft.commitIndex, applied: applying.index, last: raft.lastIndex,
      base: raft.baseIndex, digest: applying.digest)
  }

  mutating func checkInvariants() {
    raft.checkInvariants()
    precondition(
      applying.index <= raft.commitIndex || transfers.isResetting,
      "\(group): applied \(applying.index), commit \(raft.commitIndex)")
    precondition(
      isLeader || proposals.isEmpty, "\(group): \(proposals.count) proposals wait at a \(raft.role)"
    )
    precondition(
      isLeader || reads.waitingForRound == 0,
      "\(group): \(reads.waitingForRound) reads wait for a round of a \(raft.role)")
  }

  // MARK: Requests

  mutating func request(
    _ request: EngineRequest, caller: Caller, now: Now, _ context: inout ShardContext,
    _ outputs: inout NodeOutputs
  ) {
    switch request {
    case .mutate(let command):
      if let failure = propose(command, caller: caller, now: now, &context, &outputs) {
        outputs.fail(caller, failure)
      }
    case .read(let command, let terms):
      reads.request(
        command, terms, caller: caller, own, &raft, applied: applying.index, now: now.instant,
        &context, &outputs)
    }
  }

  private mutating func propose(
    _ command: Bytes, caller: Caller, now: Now, _ context: inout ShardContext,
    _ outputs: inout NodeOutputs
  ) -> Failure? {
    guard isLeader else { return notLeader(now.instant, context) }
    if let failure = Refusals.createdAhead(command, in: raft, now: now, context) { return failure }
    guard !context.isUnderPressure, !proposals.isFull else {
      return context.overloaded("the state store")
    }
    guard !context.uncommitted.isFull else { return context.overloaded("the log") }
    do {
      let index = try raft.propose(
        .command, payload: command, wallMilliseconds: now.wallMilliseconds, now: now.instant,
        into: &context.asked)
      uncommitted.update(raft.unappliedBytes, in: &context.uncommitted)
      #if PlantedFaults
        if acknowledgesEarly(command, caller, index: index, &outputs) { return nil }
      #endif
      proposals.append(index, caller: caller)
      return nil
    } catch {
      switch error {
      case .notLeader, .transferring: return notLeader(now.instant, context)
      case .tooMuchUncommitted: return context.overloaded("group \(group.rawValue)")
      case .followersAreFull: return Refusals.followersAreFull(of: group)
      }
    }
  }

  /// Proposes a command of the node's own. False where that can't be now.
  mutating func proposeOwn(
    _ body: CommandBody, now: Now, _ context: inout ShardContext
  ) -> Bool {
    guard isLeader, !proposals.isFull else { return false }
    var writer = ByteWriter()
    Command(session: .none, body: body).encode(into: &writer)
    let payload = writer.take()
    // Once committed, it would stop every node that applies it, at every start.
    precondition((try? Command(decoding: payload)) != nil, "\(body) does not decode")
    guard
      let index = try? raft.propose(
        .command, payload: payload, wallMilliseconds: now.wallMilliseconds,
        now: now.instant, into: &context.asked)
    else { return false }
    proposals.append(index, caller: nil)
    return true
  }

  func readDone(_ read: OpenReads.Read, _ result: ReadResult, _ outputs: inout NodeOutputs) {
    outputs.reply(read.caller, .read(result, read.receipt))
  }

  /// Nobody waits any more for the reads of a connection.
  mutating func clientLeft(_ connection: ConnectionID, _ context: inout ShardContext) {
    reads.remove(of: connection, &context)
  }

  private func notLeader(_ now: Instant, _ context: ShardContext) -> Failure {
    Refusals.notLeader(of: group, raft, now: now, context)
  }

  // MARK: Messages

  mutating func message(
    _ message: PeerMessage, now: Now, _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) throws(WireError) {
    guard raft.admits(message.term) else {
      throw .invalid("peer message: a term too far above the group's")
    }
    guard message.to == identity.id, !transfers.isResetting else { return }
    switch message.body {
    // A node whose own disk is stalled can't lead, whoever asks.
    case .raft(.timeoutNow) where context.isDiskStalled: return
    case .raft(let body):
      raft.describe(as: backlog.condition(raft, &context))
      raft.receive(
        RaftMessage(term: message.term, body: context.isLogFull ? body.withoutEntries : body),
        from: message.from, now: now.instant, into: &context.asked)
    case .snapshot(let body):
      transfers.message(
        body, from: message.from, term: message.term, own, &raft, now: now.instant, &context,
        &outputs)
    }
    carryOut(now: now, &context, &outputs)
  }

  /// A step of one of this replica's transfers is done.
  mutating func snapshotStep(
    _ id: TransferID, _ step: SnapshotStep, now: Now, _ context: inout ShardContext,
    _ outputs: inout NodeOutputs
  ) {
    let status = transfers.step(id, step, own, &raft, now: now.instant, &context, &outputs)
    carryOut(now: now, &context, &outputs)
    guard let status else { return }
    // The core's own writes of this turn go before the reset.
    raft.flush(now: now.instant, into: &context.asked)
    carryOut(now: now, &context, &outputs)
    transfers.reset(to: status, own, &raft, &context, &outputs)
  }

  private mutating func finishReset(
    now: Now, _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) {
    guard
      let status = transfers.finishReset(own, &raft, now: now.instant, &context, &outputs)
    else { return }
    generation = status.generation
    applying.replace(by: status)
    duties.applied(dropped: status.droppedKeyspaces)
    if let map = status.meta { context.appliedMap = map }
    outputs.events.append(
      .snapshotInstalled(group: group, index: status.appliedIndex, term: status.appliedTerm))
    reads.applied(own, raft, through: applying.index, &context, &outputs)
  }

  // MARK: Answers of the log

  mutating func persisted(
    _ completion: LogBatch.Completion.Kind, now: Now, _ context: inout ShardContext,
    _ outputs: inout NodeOutputs
  ) {
    switch completion {
    case .removed: return
    case .made:
      held.replicaIsDurable()
      while let send = held.popReleased() { self.send(send, &context, &outputs) }
    case .reset: finishReset(now: now, &context, &outputs)
    case .raft(let token):
      held.persisted(token)
      raft.persisted(token, now: now.instant, into: &context.asked)
      while let send = held.popReleased() { self.send(send, &context, &outputs) }
    }
    carryOut(now: now, &context, &outputs)
  }

  mutating func logRead(
    _ number: UInt64, _ read: OpenLogReads.Read, _ entries: [LogEntry]?, now: Now,
    _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) {
    switch read.purpose {
    case .replicate:
      raft.logRead(from: read.from, entries: entries, now: now.instant, into: &context.asked)
      carryOut(now: now, &context, &outputs)
    case .apply(let through):
      guard applying.receives(number, through: through), !transfers.isResetting else { return }
      guard let entries, !entries.isEmpty else {
        outputs.fatal =
          "group \(group) needs entry \(read.from) to apply it, and the log no longer holds it"
        return
      }
      apply(entries, &context, &outputs)
    }
  }

  // MARK: Carrying out what the core asked for

  private func send(
    _ send: RaftOutputs.Send, _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) {
    context.send(
      .raft(send.message.body), term: send.message.term, from: identity, to: send.to, &outputs)
  }

  private mutating func carryOut(
    now: Now, _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) {
    // Carrying out can make the core ask for more, such as for a snapshot that is not begun.
    while !context.asked.isEmpty {
      var asked = RaftOutputs()
      swap(&asked, &context.asked)
      carryOut(asked, now: now, &context, &outputs)
      // The buffers are kept.
      asked.removeAll()
      if context.asked.isEmpty { swap(&asked, &context.asked) }
    }
  }

  private mutating func carryOut(
    _ asked: borrowing RaftOutputs, now: Now, _ context: inout ShardContext,
    _ outputs: inout NodeOutputs
  ) {
    for persist in asked.persists {
      if let hardState = persist.hardState { context.log.append(.hardState(group, hardState)) }
      if !persist.entries.isEmpty { context.log.append(.entries(group, persist.entries)) }
      context.log.append(LogBatch.Completion(replica: handle, kind: .raft(persist.token)))
    }
    for send in asked.sends where held.admits(send) { self.send(send, &context, &outputs) }
    for read in asked.reads {
      reads.advance(
        read, own, raft, applied: applying.index, now: now.instant, &context, &outputs)
    }
    for order in asked.readLogs {
      _ = readLog(
        from: order.from, through: order.through, maxBytes: order.maxBytes, for: .replicate,
        &context, &outputs)
    }
    for follower in asked.snapshotsNeeded {
      transfers.begin(to: follower, own, &raft, now: now.instant, &context, &outputs)
    }
    if asked.leadershipLost {
      proposals.failAll(Refusals.leadershipLost(of: group, raft, context), into: &outputs)
    }
    if asked.roleChanged { noteRole(now: now.instant, &outputs) }
    if asked.commitAdvanced {
      outputs.events.append(.committed(group: group, index: raft.commitIndex))
    }
    if asked.commitAdvanced || asked.configurationChanged, reads.waitForIndex, raft.isRemoved {
      reads.leftGroup(own, raft, &context, &outputs)
    }
    if asked.configurationChanged {
      outputs.events.append(
        .configuration(group: group, index: raft.lastIndex, raft.configuration))
    }
  }

  private func readLog(
    from: LogIndex, through: LogIndex, maxBytes: Int, for purpose: OpenLogReads.Purpose,
    _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) -> UInt64 {
    let number = context.logReads.begin(.init(replica: handle, from: from, purpose: purpose))
    outputs.logReads.append(
      NodeOutputs.LogRead(
        number: number, group: group, from: from, through: through, maxBytes: maxBytes))
    return number
  }

  private mutating func noteRole(now: Instant, _ outputs: inout NodeOutputs) {
    duties.roleChanged(isLeader: isLeader, leader: leader, now: now)
    outputs.events.append(
      .role(group: group, role: raft.role, term: raft.term, leader: raft.leader))
  }

  // MARK: Apply

  private mutating func applyNext(
    _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) {
    // A store that must catch up first would hold the whole node in its write.
    guard !context.isUnderPressure, !transfers.isResetting else { return }
    guard let maxBytes = context.applyTurn.room(for: handle) else { return }
    switch applying.next(from: &raft, isUrgent: reads.waitForIndex, maxBytes: maxBytes) {
    case .nothing: return
    case .entries(let entries): apply(entries, &context, &outputs)
    case .readLog(let from, let through):
      let number = readLog(
        from: from, through: through, maxBytes: Limits.applyBytes, for: .apply(through: through),
        &context, &outputs)
      applying.asked(number)
    }
  }

  private mutating func apply(
    _ entries: [LogEntry], _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) {
    applying.began()
    context.applyTurn.spend(entries)
    outputs.applies.append(
      ApplyRequest(group: group, generation: generation, entries: entries))
  }

  mutating func applied(
    _ result: ApplyResult, now: Now, _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) {
    // What an earlier generation applied is passed over.
    guard result.generation == generation, let first = applying.applied(result) else { return }
    raft.applied(through: result.index)
    raft.noteLogTime(result.logTimeMilliseconds)
    _ = backlog.condition(raft, &context)
    if let dropped = result.droppedKeyspaces { duties.applied(dropped: dropped) }
    if let map = result.meta { context.appliedMap = map }
    let receipt = Receipt(
      served: .commit, node: context.node, group: group, term: raft.term, index: result.index,
      replicas: raft.majority)
    proposals.answer(result, from: first, receipt: receipt, into: &outputs)
    reads.applied(own, raft, through: applying.index, &context, &outputs)
  }

  // MARK: Time and turns

  mutating func tick(now: Now, _ context: inout ShardContext, _ outputs: inout NodeOutputs) {
    // A node whose disk is stalled lets nothing happen that would have to be written.
    if !transfers.isResetting, now.instant >= raft.nextDeadline,
      Candidacy.mayTick(raft, context, now: now.instant)
    {
      raft.tick(now: now.instant, into: &context.asked)
    }
    transfers.tick(own, &raft, now: now.instant, &context, &outputs)
    reads.tick(own, applied: applying.index, now: now.instant, &context, &outputs)
    carryOut(now: now, &context, &outputs)
  }

  /// A tick of the node has come: a follower may apply again. True where there is something to
  /// apply.
  mutating func mayApply() -> Bool {
    applying.ticked()
    return raft.commitIndex > applying.index
  }

  mutating func finishTurn(
    now: Now, _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) -> Instant {
    if !transfers.isResetting { raft.flush(now: now.instant, into: &context.asked) }
    carryOut(now: now, &context, &outputs)
    applyNext(&context, &outputs)
    uncommitted.update(raft.unappliedBytes, in: &context.uncommitted)
    return nextDeadline
  }

  // MARK: What the host asks for

  /// A new cluster: the preferred leader of a group that never had one campaigns at once.
  mutating func campaignIfNew(now: Instant) {
    if raft.term == .zero { raft.campaignSoon(now: now) }
  }

  mutating func setPreferredLeader(_ node: NodeID?) { duties.setPreferredLeader(node) }

  /// Nobody listens where a node was.
  mutating func nodeUnreachable(
    _ node: NodeID, now: Now, _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) {
    guard !isLeader else { return }
    raft.nodeUnreachable(node, now: now.instant, into: &context.asked)
    carryOut(now: now, &context, &outputs)
  }

  mutating func stepDown(
    now: Now, _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) {
    guard isLeader else { return }
    raft.stepDown(now: now.instant, into: &context.asked)
    carryOut(now: now, &context, &outputs)
  }

  /// Steps down where it makes no progress, and another could.
  mutating func watchProgress(
    now: Now, _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) {
    if duties.makesNoProgress(raft, applied: applying.index, now: now.instant) {
      stepDown(now: now, &context, &outputs)
    }
  }

  /// The state store here can't keep up: a follower whose store can takes over.
  mutating func yield(
    now: Now, _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) {
    guard isLeader, !raft.isTransferring,
      let target = duties.fitSuccessor(in: raft, context, now: now.instant)
    else { return }
    _ = transferLeadership(to: target, now: now, &context, &outputs)
  }

  /// Hands leadership to the preferred node, where it is time for that. True where it was begun.
  mutating func balance(
    now: Now, _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) -> Bool {
    guard isLeader, !raft.isTransferring,
      let target = duties.successor(in: raft, context, now: now.instant)
    else { return false }
    return transferLeadership(to: target, now: now, &context, &outputs)
  }

  /// The node shuts down: the follower that has most of the log takes over.
  mutating func handOver(
    now: Now, _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) {
    guard isLeader, !raft.isTransferring else { return }
    var best: RaftCore.PeerProgress?
    for candidate in raft.progress {
      guard !candidate.isLearner, candidate.state == .replicate,
        context.peers.connection(to: candidate.replica.node) != nil
      else { continue }
      if best.map({ candidate.match > $0.match }) ?? true { best = candidate }
    }
    guard let best else { return }
    _ = transferLeadership(to: best.replica, now: now, &context, &outputs)
  }

  private mutating func transferLeadership(
    to target: ReplicaID, now: Now, _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) -> Bool {
    let isBegun = raft.transferLeadership(
      to: target, now: now.instant, into: &context.asked)
    carryOut(now: now, &context, &outputs)
    return isBegun
  }

  /// As leader: proposes to delete the records of keyspaces that the map has dropped. True where
  /// anything was proposed.
  mutating func dropRecords(
    _ dropped: KeyspaceIDSet, now: Now, _ context: inout ShardContext
  ) -> Bool {
    guard leadsSafely else { return false }
    var hasProposed = false
    for keyspace in duties.dropsDue(dropped) {
      guard proposeOwn(.dropKeyspaceRecords(keyspace), now: now, &context) else { break }
      duties.noteDropProposed(keyspace)
      hasProposed = true
    }
    return hasProposed
  }

  /// The state is durable: the entry up to which the log may be forgotten, or `nil`.
  mutating func compact(
    _ flushed: FlushedGroup, _ context: borrowing ShardContext, now: Instant
  ) -> LogIndex? {
    guard !transfers.isResetting else { return nil }
    var through = min(flushed.index, applying.index)
    #if PlantedFaults
      if raft.plantedFault == .compactedPastFlush { through = applying.index }
    #endif
    // What a live follower still needs, within the group's share of the log.
    if isLeader, let first = flushed.firstForFollowers {
      for follower in raft.progress {
        guard let heard = follower.lastContact, now - heard < context.electionTimeout * 2 else {
          continue
        }
        through = min(through, max(follower.match, first.previous))
      }
    }
    // What follows a snapshot is needed when it has arrived, and until its follower has caught up.
    let needed = transfers.lowestIndexNeeded(raft, share: flushed.firstForFollowers, now: now)
    if let needed, let first = flushed.firstForTransfers {
      through = min(through, max(needed, first.previous))
    }
    guard through > raft.baseIndex else { return nil }
    raft.compacted(through: through)
    return through
  }

  /// The replica leaves this node: everybody who waits for it is told. What was proposed may yet
  /// take effect.
  mutating func close(_ context: inout ShardContext, _ outputs: inout NodeOutputs) {
    backlog.close(&context)
    proposals.failAll(Refusals.leadershipLost(of: group, raft, context), into: &outputs)
    reads.close(Refusals.removed(group, context.node), &context, &outputs)
    uncommitted.update(0, in: &context.uncommitted)
    for id in transfers.openImages { outputs.snapshots.append(.close(id)) }
  }

  #if PlantedFaults
    mutating func plant(_ fault: PlantedFault) { raft.plantedFault = fault }

    /// Tells a client that its write was done as soon as it is proposed. True where it was told.
    private func acknowledgesEarly(
      _ encoded: Bytes, _ caller: Caller, index: LogIndex, _ outputs: inout NodeOutputs
    ) -> Bool {
      guard raft.plantedFault == .acknowledgeBeforeCommit,
        case .mutate(_, _, .put(let put))? = (try? Command(decoding: encoded))?.body,
        put.condition == .always
      else { return false }
      let receipt = Receipt(
        served: .commit, node: identity.id.node, group: group, term: raft.term, index: index,
        replicas: 1)
      outputs.reply(caller, .applied(.written(version: index), receipt))
      return true
    }
  #endif
}
