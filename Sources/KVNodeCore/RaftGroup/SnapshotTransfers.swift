internal import KVBase
internal import KVLog
internal import KVRaft
internal import KVState

/// This node's replica of a group: as messages name it, and as its shard does.
struct LocalReplica: Sendable {
  let identity: ReplicaIdentity
  let handle: ReplicaHandle
  var group: GroupID { identity.group }
}

/// The snapshots of one group that this node sends and the one that it receives, between the other
/// replicas, the interpreter, and the core. Leader: the core needs a follower served → an image is
/// opened → offer → chunks as the follower asks for them → the core is told how it ended. Follower:
/// offer → the core wants it → a new generation is made → chunks → it is made durable → one log
/// record switches to it → the core begins anew from it.
struct SnapshotTransfers: Sendable {
  private var senders = SnapshotSenders()
  private var receiver: SnapshotReceiver
  private var catchUps = CatchUps()

  init(generation: Generation) { receiver = SnapshotReceiver(generation: generation) }

  /// The log is being replaced by a snapshot: messages for the old one must not reach the core.
  var isResetting: Bool { receiver.isResetting }
  /// The entries after it are needed when a snapshot has arrived, or by a follower that has
  /// installed one. `share`: the first entry of what is kept for followers otherwise.
  mutating func lowestIndexNeeded(
    _ raft: borrowing RaftCore, share: LogIndex?, now: Instant
  ) -> LogIndex? {
    let onItsWay = senders.lowestIndexOnItsWay
    let after = catchUps.lowestIndex(raft, share: share, now: now)
    guard let onItsWay, let after else { return onItsWay ?? after }
    return min(onItsWay, after)
  }
  var highestGeneration: Generation { receiver.highestGeneration }
  /// Images that the interpreter keeps open.
  var openImages: [TransferID] { senders.ids }
  /// Transfers are looked at with every tick.
  var nextDeadline: Instant {
    senders.isEmpty && !receiver.isReceiving ? .distantFuture : .zero
  }

  // MARK: Sending

  /// A follower needs what the log no longer holds.
  mutating func begin(
    to follower: ReplicaID, _ own: LocalReplica, _ raft: inout RaftCore, now: Instant,
    _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) {
    // The leadership that asked for it may have been lost in the same turn; an offer under the new
    // term would pass this node off as that term's leader.
    guard raft.role == .leader, !senders.isSending(to: follower) else { return }
    guard context.snapshots.maySend else {
      raft.snapshotFinished(to: follower, index: nil, now: now, into: &context.asked)
      return
    }
    let id = context.snapshots.open(own.handle, isOutgoing: true)
    senders.begin(id, to: follower, term: raft.term, now: now)
    outputs.snapshots.append(.open(id, own.group))
  }

  mutating func tick(
    _ own: LocalReplica, _ raft: inout RaftCore, now: Instant, _ context: inout ShardContext,
    _ outputs: inout NodeOutputs
  ) {
    receiver.tick(now: now)
    guard !senders.isEmpty else { return }
    let ended = senders.tick(
      isLeader: raft.role == .leader, term: raft.term, from: own.identity, now: now, &context,
      &outputs)
    for one in ended { report(one, to: &raft, now: now, &context) }
  }

  private mutating func report(
    _ ended: SnapshotSenders.Ended, to raft: inout RaftCore, now: Instant,
    _ context: inout ShardContext
  ) {
    if let index = ended.index { catchUps.installed(ended.to, through: index, now: now) }
    raft.snapshotFinished(to: ended.to, index: ended.index, now: now, into: &context.asked)
  }

  // MARK: Messages

  mutating func message(
    _ body: SnapshotMessage, from: ReplicaID, term: Term, _ own: LocalReplica,
    _ raft: inout RaftCore, now: Instant, _ context: inout ShardContext,
    _ outputs: inout NodeOutputs
  ) {
    switch body {
    case .offer(let transfer, let index, let snapshotTerm):
      let offer = SnapshotReceiver.Offer(
        remote: transfer, from: from, term: term, index: index, snapshotTerm: snapshotTerm)
      offered(offer, own, &raft, now: now, &context, &outputs)
    case .chunk(let transfer, let sequence, let isLast, let bytes):
      let chunk = Chunk(sequence: sequence, isLast: isLast, bytes: bytes)
      received(chunk, of: transfer, from: from, own, &raft, now: now, &context, &outputs)
    case .request(let transfer, let sequence):
      senders.requested(
        transfer, sequence, by: from, from: own.identity, now: now, &context, &outputs)
    case .done(let transfer, let succeeded):
      let ended = senders.concluded(
        transfer, succeeded: succeeded, by: from, &context, &outputs)
      if let ended { report(ended, to: &raft, now: now, &context) }
    }
  }

  private mutating func offered(
    _ offer: SnapshotReceiver.Offer, _ own: LocalReplica, _ raft: inout RaftCore, now: Instant,
    _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) {
    switch receiver.offered(offer) {
    case .none: return
    case .requestNext: return requestChunk(own, raft, &context, &outputs)
    case .askCore: break
    }
    guard Self.isWanted(offer, &raft, now: now, &context) else {
      // What is committed here and not yet durable is acknowledged when it is; until then the offer
      // comes again.
      let isCommitted = raft.commitIndex >= offer.index
      guard !isCommitted || raft.stableIndex >= offer.index else { return }
      let done = SnapshotMessage.done(transfer: offer.remote, succeeded: isCommitted)
      return context.send(
        .snapshot(done), term: raft.term, from: own.identity, to: offer.from, &outputs)
    }
    let id = context.snapshots.open(own.handle, isOutgoing: false)
    receiver.begin(offer, id, group: own.group, now: now, &outputs)
  }

  private static func isWanted(
    _ offer: SnapshotReceiver.Offer, _ raft: inout RaftCore, now: Instant,
    _ context: inout ShardContext
  ) -> Bool {
    raft.offeredSnapshot(
      from: offer.from, term: offer.term, index: offer.index, snapshotTerm: offer.snapshotTerm,
      now: now, into: &context.asked)
  }

  private struct Chunk {
    var sequence: UInt64
    var isLast: Bool
    var bytes: Bytes
  }

  private mutating func received(
    _ chunk: Chunk, of remote: UInt64, from: ReplicaID, _ own: LocalReplica,
    _ raft: inout RaftCore, now: Instant, _ context: inout ShardContext,
    _ outputs: inout NodeOutputs
  ) {
    switch receiver.receivedChunk(
      remote, from: from, isUnderPressure: context.isUnderPressure, now: now)
    {
    case .unknownTransfer:
      // Installed, given up, or forgotten in a restart, and the sender missed it: without an answer
      // it would send this chunk again until it gives up.
      context.send(
        .snapshot(.done(transfer: remote, succeeded: false)), term: raft.term,
        from: own.identity, to: from, &outputs)
    case .none: return
    case .confirm(let offer):
      guard Self.isWanted(offer, &raft, now: now, &context) else {
        return abandon(own, raft, &context, &outputs)
      }
      let isNext = receiver.install(
        chunk.sequence, isLast: chunk.isLast, chunk.bytes, group: own.group, &outputs)
      if !isNext { requestChunk(own, raft, &context, &outputs) }
    }
  }

  private func requestChunk(
    _ own: LocalReplica, _ raft: borrowing RaftCore, _ context: inout ShardContext,
    _ outputs: inout NodeOutputs
  ) {
    guard let (to, message) = receiver.nextRequest else { return }
    context.send(.snapshot(message), term: raft.term, from: own.identity, to: to, &outputs)
  }

  private mutating func abandon(
    _ own: LocalReplica, _ raft: borrowing RaftCore, _ context: inout ShardContext,
    _ outputs: inout NodeOutputs
  ) {
    guard let (to, message) = receiver.abandon() else { return }
    context.send(.snapshot(message), term: raft.term, from: own.identity, to: to, &outputs)
  }

  // MARK: Steps of the interpreter

  /// A step is done. What was installed, where the log is now to be reset to it.
  mutating func step(
    _ id: TransferID, _ step: SnapshotStep, _ own: LocalReplica, _ raft: inout RaftCore,
    now: Instant, _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) -> GroupStatus? {
    switch step {
    case .opened(let status):
      let isWanted = senders.opened(
        id, status, from: own.identity, now: now, &context, &outputs)
      if !isWanted { outputs.snapshots.append(.close(id)) }
    case .chunk(let bytes, let next):
      senders.read(id, bytes, next: next, from: own.identity, now: now, &context, &outputs)
    case .stepDone(let problem):
      guard receiver.isReceiving(id) else { return nil }
      if let problem {
        outputs.events.append(
          .note(.warning, "a snapshot for group \(own.group) was refused: \(problem)"))
        abandon(own, raft, &context, &outputs)
      } else if receiver.stepDone(group: own.group, &outputs) {
        requestChunk(own, raft, &context, &outputs)
      }
    case .installed(let status):
      guard receiver.isReceiving(id) else { return nil }
      if let status, receiver.matches(status) { return status }
      abandon(own, raft, &context, &outputs)
    }
    return nil
  }

  /// Has the log begin anew after the snapshot, unless what was acknowledged here since the offer
  /// would be undone by that.
  mutating func reset(
    to status: GroupStatus, _ own: LocalReplica, _ raft: inout RaftCore,
    _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) {
    guard raft.beginInstall(index: status.appliedIndex, term: status.appliedTerm),
      let generation = receiver.reset(to: status)
    else { return abandon(own, raft, &context, &outputs) }
    context.log.append(
      .reset(
        own.group, generation: generation, index: status.appliedIndex, term: status.appliedTerm,
        configuration: status.configuration))
    context.log.append(LogBatch.Completion(replica: own.handle, kind: .reset))
  }

  /// The reset is durable: the replica is what the snapshot says.
  mutating func finishReset(
    _ own: LocalReplica, _ raft: inout RaftCore, now: Instant, _ context: inout ShardContext,
    _ outputs: inout NodeOutputs
  ) -> GroupStatus? {
    guard let (status, from, done) = receiver.finishReset() else { return nil }
    outputs.snapshots.append(.activate(own.group, status.generation))
    raft.installed(
      index: status.appliedIndex, term: status.appliedTerm, configuration: status.configuration,
      from: from, now: now, into: &context.asked)
    raft.noteLogTime(status.logTimeMilliseconds)
    context.send(.snapshot(done), term: raft.term, from: own.identity, to: from, &outputs)
    return status
  }
}
