package import KVBase
internal import KVLog
internal import KVRaft
package import KVState

/// Snapshots between nodes. The follower asks for chunk after chunk by number, so what is lost is
/// asked for again, and a stale or repeated chunk is recognised by its number and transfer.
extension NodeCore {
  private static var patience: TimeAmount { .milliseconds(500) }
  private static var surrender: TimeAmount { .seconds(10) }

  // MARK: Sending

  mutating func beginSending(
    to follower: ReplicaID, slot: Int, now: Now, into outputs: inout NodeOutputs
  ) {
    // The leadership that asked for it may have been lost in the same turn; an offer under the new
    // term would pass this node off as that term's leader.
    guard replicas[slot].isLeader,
      !outgoing.contains(where: { $0.slot == slot && $0.to == follower })
    else { return }
    guard outgoing.count < Limits.outgoingSnapshots else {
      replicas[slot].snapshotFinished(to: follower, index: nil, now: now.instant)
      return
    }
    nextTransfer += 1
    let transfer = TransferID(nextTransfer)
    outgoing.append(
      OutgoingSnapshot(
        transfer: transfer, slot: slot, to: follower, term: replicas[slot].raft.term,
        lastHeard: now.instant, lastSent: now.instant))
    outputs.snapshots.append(.open(transfer, replicas[slot].group))
  }

  package mutating func snapshotOpened(
    _ transfer: TransferID, _ status: GroupStatus, now: Now, into outputs: inout NodeOutputs
  ) {
    guard let at = outgoing.firstIndex(where: { $0.transfer == transfer }) else {
      outputs.snapshots.append(.close(transfer))
      return
    }
    outgoing[at].phase = .offered
    outgoing[at].index = status.appliedIndex
    outgoing[at].snapshotTerm = status.appliedTerm
    offer(at, now: now.instant)
  }

  private mutating func offer(_ at: Int, now: Instant) {
    let sending = outgoing[at]
    outgoing[at].lastSent = now
    send(
      .snapshot(
        .offer(
          transfer: sending.transfer.rawValue, index: sending.index, term: sending.snapshotTerm)),
      term: sending.term, to: sending.to, slot: sending.slot)
  }

  private mutating func wanted(
    _ sequence: UInt64, _ at: Int, now: Now, into outputs: inout NodeOutputs
  ) {
    outgoing[at].lastHeard = now.instant
    switch outgoing[at].phase {
    case .opening, .reading: return
    case .offered:
      guard sequence == 0 else { return }
      outgoing[at].next = Bytes()
    case .sent(let last):
      if sequence == last { return sendChunk(last, at, now: now.instant) }
      guard sequence == last + 1, outgoing[at].next != nil else { return }
    }
    guard let cursor = outgoing[at].next else { return }
    outgoing[at].phase = .reading(sequence: sequence)
    outgoing[at].cursor = cursor
    outputs.snapshots.append(
      .read(outgoing[at].transfer, cursor: cursor, maxBytes: Limits.snapshotChunkBytes))
  }

  package mutating func snapshotChunk(
    _ transfer: TransferID, _ bytes: Bytes, next: Bytes?, now: Now,
    into outputs: inout NodeOutputs
  ) {
    guard let at = outgoing.firstIndex(where: { $0.transfer == transfer }),
      case .reading(let sequence) = outgoing[at].phase
    else { return }
    outgoing[at].chunk = bytes
    outgoing[at].next = next
    outgoing[at].phase = .sent(sequence: sequence)
    sendChunk(sequence, at, now: now.instant)
  }

  /// Sends the chunk last read, if this tick's budget allows; else `tickSnapshots` does later.
  private mutating func sendChunk(_ sequence: UInt64, _ at: Int, now: Instant) {
    let sending = outgoing[at]
    guard let chunk = sending.chunk else { return }
    guard snapshotBudget > 0 else {
      outgoing[at].isDue = true
      return
    }
    snapshotBudget -= chunk.count
    outgoing[at].isDue = false
    outgoing[at].lastSent = now
    send(
      .snapshot(
        .chunk(
          transfer: sending.transfer.rawValue, sequence: sequence, isLast: sending.next == nil,
          bytes: chunk)), term: sending.term, to: sending.to, slot: sending.slot)
  }

  private mutating func endSending(
    _ at: Int, succeeded: Bool, now: Instant, into outputs: inout NodeOutputs
  ) {
    let sending = outgoing.remove(at: at)
    outputs.snapshots.append(.close(sending.transfer))
    replicas[sending.slot].snapshotFinished(
      to: sending.to, index: succeeded ? sending.index : nil, now: now)
    touch(sending.slot)
  }

  // MARK: Both

  mutating func tickSnapshots(now: Now, into outputs: inout NodeOutputs) {
    snapshotBudget = Limits.snapshotBytesPerTick
    for at in outgoing.indices.reversed() {
      let sending = outgoing[at]
      let raft = replicas[sending.slot].raft
      if raft.role != .leader || raft.term != sending.term
        || now.instant - sending.lastHeard > Self.surrender
      {
        endSending(at, succeeded: false, now: now.instant, into: &outputs)
        continue
      }
      let isLate = now.instant - sending.lastSent > Self.patience
      switch sending.phase {
      case .offered where isLate: offer(at, now: now.instant)
      case .sent(let sequence) where isLate || sending.isDue:
        sendChunk(sequence, at, now: now.instant)
      default: break
      }
    }
    for slot in replicas.indices {
      guard let incoming = replicas[slot].incoming, incoming.phase == .receiving,
        now.instant - incoming.lastHeard > Self.surrender
      else { continue }
      replicas[slot].incoming = nil
    }
  }

  mutating func receive(
    _ message: SnapshotMessage, _ envelope: PeerMessage, slot: Int, now: Now,
    into outputs: inout NodeOutputs
  ) {
    switch message {
    case .offer(let transfer, let index, let term):
      offered(transfer, index, term, envelope, slot: slot, now: now, into: &outputs)
    case .chunk(let transfer, let sequence, let isLast, let bytes):
      received(
        transfer, sequence, isLast, bytes, from: envelope.from, slot: slot, now: now,
        into: &outputs)
    case .want(let transfer, let sequence):
      guard let at = sending(transfer, slot, envelope.from) else { return }
      wanted(sequence, at, now: now, into: &outputs)
    case .done(let transfer, let succeeded):
      guard let at = sending(transfer, slot, envelope.from) else { return }
      endSending(at, succeeded: succeeded, now: now.instant, into: &outputs)
    }
  }

  private func sending(_ transfer: UInt64, _ slot: Int, _ to: ReplicaID) -> Int? {
    outgoing.firstIndex {
      $0.transfer.rawValue == transfer && $0.slot == slot && $0.to == to && $0.phase != .opening
    }
  }

  // MARK: Receiving

  private mutating func offered(
    _ remote: UInt64, _ index: LogIndex, _ term: Term, _ envelope: PeerMessage, slot: Int,
    now: Now, into outputs: inout NodeOutputs
  ) {
    if let incoming = replicas[slot].incoming {
      // The same offer again: the answer was lost. Another one waits until this one ends.
      if incoming.remote == remote, incoming.from == envelope.from, incoming.index == index,
        incoming.term == envelope.term, incoming.phase == .receiving
      {
        want(slot)
        return
      }
      guard incoming.phase == .receiving else { return }
    }
    let isWanted = replicas[slot].offeredSnapshot(
      from: envelope.from, term: envelope.term, index: index, snapshotTerm: term, now: now.instant)
    touch(slot)
    guard isWanted else {
      return send(
        .snapshot(.done(transfer: remote, succeeded: replicas[slot].raft.commitIndex >= index)),
        term: replicas[slot].raft.term, to: envelope.from, slot: slot)
    }
    nextTransfer += 1
    replicas[slot].highestGeneration = replicas[slot].highestGeneration.next
    let incoming = IncomingSnapshot(
      transfer: TransferID(nextTransfer), remote: remote, from: envelope.from,
      term: envelope.term, index: index, snapshotTerm: term,
      generation: replicas[slot].highestGeneration,
      lastHeard: now.instant)
    replicas[slot].incoming = incoming
    outputs.snapshots.append(
      .beginInstall(incoming.transfer, replicas[slot].group, incoming.generation))
  }

  private mutating func want(_ slot: Int) {
    guard let incoming = replicas[slot].incoming else { return }
    send(
      .snapshot(.want(transfer: incoming.remote, sequence: incoming.next)),
      term: replicas[slot].raft.term, to: incoming.from, slot: slot)
  }

  private mutating func received(
    _ remote: UInt64, _ sequence: UInt64, _ isLast: Bool, _ bytes: Bytes, from: ReplicaID,
    slot: Int, now: Now, into outputs: inout NodeOutputs
  ) {
    guard var incoming = replicas[slot].incoming, incoming.remote == remote, incoming.from == from
    else {
      // Installed, given up, or forgotten in a restart, and the sender missed it: without an answer
      // it would send this chunk again until it surrenders.
      return send(
        .snapshot(.done(transfer: remote, succeeded: false)), term: replicas[slot].raft.term,
        to: from, slot: slot)
    }
    // A store that must catch up first takes no more: the chunk is sent again later.
    guard incoming.phase == .receiving, !gauges.isUnderPressure else { return }
    incoming.lastHeard = now.instant
    // Word from the leader, even while nothing else comes from it.
    let isWanted = replicas[slot].offeredSnapshot(
      from: incoming.from, term: incoming.term, index: incoming.index,
      snapshotTerm: incoming.snapshotTerm, now: now.instant)
    touch(slot)
    guard isWanted else { return giveUp(slot) }
    if sequence == incoming.next {
      incoming.phase = .installing(isLast: isLast)
      outputs.snapshots.append(
        .installChunk(incoming.transfer, replicas[slot].group, incoming.generation, bytes))
      replicas[slot].incoming = incoming
    } else {
      replicas[slot].incoming = incoming
      want(slot)
    }
  }

  private func receiving(_ transfer: TransferID) -> Int? {
    replicas.firstIndex { $0.incoming?.transfer == transfer }
  }

  /// A step of an installation is done; `nil`, or why the chunk was refused.
  package mutating func snapshotStepDone(
    _ transfer: TransferID, problem: String?, now: Now, into outputs: inout NodeOutputs
  ) {
    guard let slot = receiving(transfer), var incoming = replicas[slot].incoming else { return }
    touch(slot)
    if let problem {
      outputs.events.append(
        .note(.warning, "a snapshot for group \(replicas[slot].group) was refused: \(problem)"))
      return giveUp(slot)
    }
    switch incoming.phase {
    case .beginning:
      incoming.phase = .receiving
      replicas[slot].incoming = incoming
      want(slot)
    case .installing(let isLast):
      incoming.next += 1
      incoming.phase = isLast ? .finishing : .receiving
      replicas[slot].incoming = incoming
      if isLast {
        outputs.snapshots.append(
          .finishInstall(transfer, replicas[slot].group, incoming.generation))
      } else {
        want(slot)
      }
    case .receiving, .finishing, .resetting: break
    }
  }

  private mutating func giveUp(_ slot: Int) {
    guard let incoming = replicas[slot].incoming else { return }
    replicas[slot].incoming = nil
    send(
      .snapshot(.done(transfer: incoming.remote, succeeded: false)),
      term: replicas[slot].raft.term, to: incoming.from, slot: slot)
  }

  /// The installation is whole and durable, or `nil`: it was not whole.
  package mutating func snapshotInstalled(
    _ transfer: TransferID, _ status: GroupStatus?, now: Now, into outputs: inout NodeOutputs
  ) {
    guard let slot = receiving(transfer), var incoming = replicas[slot].incoming else { return }
    touch(slot)
    guard let status, status.appliedIndex == incoming.index else { return giveUp(slot) }
    // The core's own writes of this turn go before the reset.
    replicas[slot].flush(now: now.instant)
    drain(slot, now: now, into: &outputs)
    // What was acknowledged here since the offer must not be undone.
    guard
      replicas[slot].raft.beginInstall(index: status.appliedIndex, term: status.appliedTerm)
    else { return giveUp(slot) }
    incoming.phase = .resetting
    incoming.status = status
    replicas[slot].incoming = incoming
    records.append(
      .reset(
        replicas[slot].group, generation: incoming.generation, index: status.appliedIndex,
        term: status.appliedTerm, configuration: status.configuration))
    recordTokens.append(
      SlotToken(slot: slot, token: PersistToken(0), endsInstallation: true))
  }

  /// The reset is durable: the replica is what the snapshot says.
  mutating func finishReset(_ slot: Int, now: Now, into outputs: inout NodeOutputs) {
    guard let incoming = replicas[slot].incoming, let status = incoming.status else { return }
    replicas[slot].incoming = nil
    outputs.snapshots.append(.activate(replicas[slot].group, incoming.generation))
    replicas[slot].installed(status, from: incoming.from, now: now.instant)
    if let meta = status.meta { tookMeta(meta, into: &outputs) }
    outputs.events.append(
      .snapshotInstalled(
        group: replicas[slot].group, index: status.appliedIndex, term: status.appliedTerm))
    send(
      .snapshot(.done(transfer: incoming.remote, succeeded: true)),
      term: replicas[slot].raft.term, to: incoming.from, slot: slot)
    serveAppliedReads(slot, into: &outputs)
  }
}
