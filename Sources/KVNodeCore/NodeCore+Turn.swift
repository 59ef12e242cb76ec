package import KVBase
internal import KVCommand
internal import KVLog
internal import KVRaft
package import KVState
internal import KVWire

/// The turn: what the groups gathered becomes one log write and one frame for each peer.
extension NodeCore {
  /// The payload of a PEER frame from a node. An error closes that connection.
  package mutating func receivePeer(
    from peer: NodeID, _ payload: Bytes, now: Now, into outputs: inout NodeOutputs
  ) throws(WireError) {
    guard admission == .admitted else { return }
    var reader = ByteReader(payload)
    while !reader.isAtEnd {
      let message = try PeerMessage(from: &reader)
      guard message.from.node == peer else { throw .invalid("peer message: another's replica") }
      guard let slot = slot(of: message.group), message.to == replicas[slot].raft.id,
        !replicas[slot].isResetting
      else { continue }
      switch message.body {
      // Whose own disk is stuck can't lead, whoever asks.
      case .raft(.timeoutNow) where isDiskStalled: continue
      case .raft(let body):
        replicas[slot].receive(
          RaftMessage(term: message.term, body: body), from: message.from, now: now.instant)
        touch(slot)
      case .snapshot(let body):
        receive(body, message, slot: slot, now: now, into: &outputs)
      }
    }
  }

  mutating func send(_ body: PeerMessage.Body, term: Term, to: ReplicaID, slot: Int) {
    guard let at = peers.firstIndex(where: { $0.node == to.node }), peers[at].isConnected else {
      return
    }
    let mark = peers[at].frame.count
    PeerMessage(
      group: replicas[slot].group, from: replicas[slot].raft.id, to: to, term: term, body: body
    ).encode(into: &peers[at].frame)
    guard peers[at].frame.count > Limits.peerFrameBytes, mark > 0 else { return }
    let all = peers[at].frame.take()
    peers[at].full.append(all[0..<mark])
    peers[at].frame.append(raw: all[mark..<all.count])
  }

  /// Ends a turn.
  package mutating func finishTurn(now: Now, into outputs: inout NodeOutputs) {
    // Handing entries to apply and answering reads can touch no further replica, so one pass does.
    var at = 0
    while at < dirty.count {
      let slot = dirty[at]
      replicas[slot].isDirty = false
      if !replicas[slot].isResetting { replicas[slot].flush(now: now.instant) }
      drain(slot, now: now, into: &outputs)
      at += 1
    }
    dirty.removeAll(keepingCapacity: true)
    writeRecords(now: now.instant, into: &outputs)
    for at in peers.indices where peers[at].frame.count > 0 {
      for payload in peers[at].full {
        outputs.peerFrames.append(NodeOutputs.PeerFrame(to: peers[at].node, payload: payload))
      }
      peers[at].full.removeAll()
      outputs.peerFrames.append(
        NodeOutputs.PeerFrame(to: peers[at].node, payload: peers[at].frame.take()))
    }
  }

  private mutating func writeRecords(now: Instant, into outputs: inout NodeOutputs) {
    guard !records.isEmpty, !writing.isFull else { return }
    persistNumber += 1
    outputs.persists.append(NodeOutputs.Persist(number: persistNumber, records: records))
    writing.append(Writing(number: persistNumber, since: now, tokens: recordTokens))
    records.removeAll(keepingCapacity: true)
    recordTokens.removeAll(keepingCapacity: true)
  }

  /// Carries out what a replica's core has asked for.
  mutating func drain(_ slot: Int, now: Now, into outputs: inout NodeOutputs) {
    var asked = RaftOutputs()
    swap(&asked, &spareOutputs)
    swap(&asked, &replicas[slot].outputs)
    for persist in asked.persists {
      if let hardState = persist.hardState {
        records.append(.hardState(replicas[slot].group, hardState))
      }
      if !persist.entries.isEmpty {
        records.append(.entries(replicas[slot].group, persist.entries))
      }
      recordTokens.append(SlotToken(slot: slot, token: persist.token))
    }
    for send in asked.sends {
      if let after = send.after, after > replicas[slot].durableToken {
        // Where the queue is full the message is dropped, as a network might.
        replicas[slot].held.append(send)
      } else {
        self.send(.raft(send.message.body), term: send.message.term, to: send.to, slot: slot)
      }
    }
    for read in asked.reads { took(read, in: slot, now: now, into: &outputs) }
    for order in asked.readLogs { readLog(order, slot: slot, into: &outputs) }
    for follower in asked.snapshotsNeeded {
      beginSending(to: follower, slot: slot, now: now, into: &outputs)
    }
    if asked.leadershipLost { loseLeadership(slot, into: &outputs) }
    if asked.roleChanged { noteRole(slot, now: now.instant, into: &outputs) }
    if asked.commitAdvanced {
      outputs.events.append(
        .committed(group: replicas[slot].group, index: replicas[slot].raft.commitIndex))
    }
    if asked.configurationChanged {
      outputs.events.append(
        .configuration(
          group: replicas[slot].group, index: replicas[slot].raft.lastIndex,
          replicas[slot].raft.configuration))
    }
    applyNext(slot, into: &outputs)
    asked.removeAll()
    swap(&asked, &spareOutputs)
  }

  private mutating func noteRole(_ slot: Int, now: Instant, into outputs: inout NodeOutputs) {
    let raft = replicas[slot].raft
    if raft.role == .leader {
      if replicas[slot].leaderSince == nil { replicas[slot].leaderSince = now }
    } else {
      replicas[slot].leaderSince = nil
      replicas[slot].proposedDrops = []
      if raft.leader?.node == plan.nodes(of: replicas[slot].group).first {
        replicas[slot].balancePause = .seconds(2)
      }
    }
    outputs.events.append(
      .role(group: replicas[slot].group, role: raft.role, term: raft.term, leader: raft.leader))
  }

  /// Whether what was proposed takes effect is out of this node's hands.
  private mutating func loseLeadership(_ slot: Int, into outputs: inout NodeOutputs) {
    let name = Self.name(of: replicas[slot].group)
    let leader = replicas[slot].raft.leader?.node
    while let pending = replicas[slot].proposals.popFirst() {
      guard let caller = pending.caller else { continue }
      fail(
        caller,
        Failure(
          .unavailable, .leadershipLost, notStarted: false,
          "node \(configuration.node.rawValue) lost the leadership of \(name) before the command "
            + "was committed: it may yet take effect",
          leader: leader == configuration.node ? nil : leader), into: &outputs)
    }
  }

  private mutating func readLog(
    _ order: RaftOutputs.ReadLog, slot: Int, into outputs: inout NodeOutputs
  ) {
    nextLogRead += 1
    openLogReads[nextLogRead] = OpenLogRead(slot: slot, from: order.from, isForApply: false)
    outputs.logReads.append(
      NodeOutputs.LogRead(
        number: nextLogRead, group: replicas[slot].group, from: order.from,
        through: order.through, maxBytes: order.maxBytes))
  }

  // MARK: Answers of the log

  /// Everything up to and including this persist is durable.
  package mutating func persisted(_ number: UInt64, now: Now, into outputs: inout NodeOutputs) {
    while let first = writing.first, first.number <= number {
      _ = writing.popFirst()
      for token in first.tokens {
        if token.endsInstallation {
          finishReset(token.slot, now: now, into: &outputs)
        } else {
          replicas[token.slot].persisted(token.token, now: now.instant)
          releaseHeld(token.slot)
        }
        touch(token.slot)
      }
    }
  }

  private mutating func releaseHeld(_ slot: Int) {
    while let first = replicas[slot].held.first, let after = first.after,
      after <= replicas[slot].durableToken
    {
      _ = replicas[slot].held.popFirst()
      send(.raft(first.message.body), term: first.message.term, to: first.to, slot: slot)
    }
  }

  /// Answers `NodeOutputs.LogRead`; `nil` where the entries are no longer kept.
  package mutating func logRead(
    _ number: UInt64, _ entries: [LogEntry]?, now: Now, into outputs: inout NodeOutputs
  ) {
    guard let open = openLogReads.removeValue(forKey: number) else { return }
    guard open.isForApply else {
      replicas[open.slot].logRead(from: open.from, entries: entries, now: now.instant)
      return touch(open.slot)
    }
    guard replicas[open.slot].applyRead == number else { return }
    replicas[open.slot].applyRead = nil
    // A snapshot is taking the place of what was to be applied.
    guard !replicas[open.slot].isResetting else { return }
    guard let entries, !entries.isEmpty else {
      outputs.fatal =
        "group \(replicas[open.slot].group) needs entry \(open.from) to apply it, and the log no "
        + "longer holds it"
      return
    }
    replicas[open.slot].applyRest = open.through
    apply(entries, slot: open.slot, into: &outputs)
  }

  // MARK: Apply

  private mutating func applyNext(_ slot: Int, into outputs: inout NodeOutputs) {
    // A store that must catch up first would hold the whole node in its write.
    guard !gauges.isUnderPressure else { return }
    switch replicas[slot].nextToApply() {
    case .nothing: return
    case .entries(let entries): apply(entries, slot: slot, into: &outputs)
    case .readLog(let from, let through): readToApply(from, through, slot, into: &outputs)
    }
  }

  private mutating func readToApply(
    _ from: LogIndex, _ through: LogIndex, _ slot: Int, into outputs: inout NodeOutputs
  ) {
    nextLogRead += 1
    replicas[slot].applyRead = nextLogRead
    openLogReads[nextLogRead] = OpenLogRead(
      slot: slot, from: from, through: through, isForApply: true)
    outputs.logReads.append(
      NodeOutputs.LogRead(
        number: nextLogRead, group: replicas[slot].group, from: from, through: through,
        maxBytes: Limits.applyBytes))
  }

  private mutating func apply(
    _ entries: [LogEntry], slot: Int, into outputs: inout NodeOutputs
  ) {
    replicas[slot].isApplying = true
    outputs.applies.append(
      ApplyRequest(
        group: replicas[slot].group, generation: replicas[slot].generation, entries: entries))
  }

  /// Answers `NodeOutputs.applies`; what an earlier generation applied is passed over.
  package mutating func applied(
    _ results: [ApplyResult], now: Now, into outputs: inout NodeOutputs
  ) {
    for result in results {
      guard let slot = slot(of: result.group),
        replicas[slot].generation == result.generation, replicas[slot].isApplying
      else { continue }
      replicas[slot].isApplying = false
      let firstIndex = replicas[slot].appliedIndex.next
      replicas[slot].appliedIndex = result.index
      replicas[slot].appliedTerm = result.term
      replicas[slot].digest = result.digest
      replicas[slot].raft.applied(through: result.index)
      if let dropped = result.droppedKeyspaces { replicas[slot].droppedKeyspaces = dropped }
      if let meta = result.meta { tookMeta(meta, into: &outputs) }
      answer(result, from: firstIndex, slot: slot, into: &outputs)
      serveAppliedReads(slot, into: &outputs)
      touch(slot)
    }
  }

  /// Proposals wait in the order of their indexes, and none survives a loss of leadership, so the
  /// first with an applied index is the one that was applied.
  private mutating func answer(
    _ result: ApplyResult, from firstIndex: LogIndex, slot: Int, into outputs: inout NodeOutputs
  ) {
    let majority = UInt8(clamping: replicas[slot].raft.configuration.voters.count / 2 + 1)
    let term = replicas[slot].raft.term
    while let pending = replicas[slot].proposals.first, pending.index <= result.index {
      _ = replicas[slot].proposals.popFirst()
      guard let caller = pending.caller else { continue }
      precondition(pending.index >= firstIndex, "\(pending.index) was applied before \(firstIndex)")
      reply(
        caller,
        .applied(
          result.results[pending.index - firstIndex],
          Receipt(
            served: .commit, node: configuration.node, group: result.group, term: term,
            index: pending.index, replicas: majority)), into: &outputs)
    }
  }

  /// Has the identity file say what the meta group says, once in a life of this node.
  mutating func tellClusterID(into outputs: inout NodeOutputs) {
    guard !hasToldClusterID, meta.clusterID != 0, configuration.clusterID == 0 else { return }
    hasToldClusterID = true
    outputs.clusterID = meta.clusterID
  }

  mutating func tookMeta(_ new: MetaState, into outputs: inout NodeOutputs) {
    meta = new
    tellClusterID(into: &outputs)
  }
}
