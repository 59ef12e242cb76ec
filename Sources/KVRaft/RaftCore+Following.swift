internal import KVBase

/// Following: entries, heartbeats and snapshots from the leader of the present term.
extension RaftCore {
  /// `leader` leads this term. False where that can't be: another does.
  private mutating func follow(
    _ leader: ReplicaID, now: Instant, into outputs: inout RaftOutputs
  ) -> Bool {
    switch roleState {
    case .follower(leader): break
    case .leader:
      return protocolViolation("two leaders: \(id) and \(leader)")
    case .follower(let other?):
      return protocolViolation("two leaders: \(other) and \(leader)")
    case .follower(nil), .preCandidate, .candidate:
      becomeFollower(term: persistent.term, leader: leader, now: now, into: &outputs)
    }
    election.leaderHeard(now: now)
    return true
  }

  // MARK: Entries

  mutating func handleAppend(
    _ request: RaftMessage.AppendRequest, from: ReplicaID, now: Instant,
    into outputs: inout RaftOutputs
  ) {
    guard follow(from, now: now, into: &outputs), isWellFormed(request) else { return }
    guard !volatile.isInstalling else {
      outputs.send(
        .heartbeatResponse(.init(round: request.round, condition: volatile.condition)),
        term: persistent.term, to: from)
      return
    }
    // Up to the commit index every log is the same (Raft paper §5.4.3): nothing to compare.
    if request.previousIndex > volatile.commitIndex,
      persistent.log.term(at: request.previousIndex) != request.previousTerm
    {
      reject(request, from: from, into: &outputs)
      return
    }
    #if PlantedFaults
      truncateAnyway(request.entries, into: &outputs)
    #endif
    let isTaken = !volatile.condition.contains(.takesNoEntries)
    switch persistent.merge(
      isTaken ? request.entries : [], commitIndex: volatile.commitIndex, into: &outputs)
    {
    case .done:
      if isTaken { volatile.received(request.entries, logEnd: persistent.log.lastIndex) }
    case .conflict(let index, let committedTerm, let receivedTerm):
      _ = protocolViolation(
        "entry \(index) of term \(committedTerm) is committed, and one of \(receivedTerm) came")
      return
    }
    // What was not taken is not vouched for; only what was asked of it, the previous entry.
    let end = isTaken ? request.entries.count : 0
    let match = max(request.previousIndex + end, volatile.commitIndex)
    advanceCommit(to: min(request.commit, match), into: &outputs)
    outputs.send(
      .appendResponse(
        .init(
          outcome: .accepted(match: match), round: request.round, condition: volatile.condition)),
      term: persistent.term, to: from, after: entriesAreDurable)
  }

  private var entriesAreDurable: PersistToken? {
    #if PlantedFaults
      if has(.acknowledgeBeforeDurable) { return nil }
    #endif
    return persistent.durability.outstanding
  }

  #if PlantedFaults
    private mutating func truncateAnyway(_ entries: [LogEntry], into outputs: inout RaftOutputs) {
      guard has(.truncateOnEveryAppend), let first = entries.first,
        first.index > volatile.commitIndex, first.index <= persistent.log.lastIndex
      else { return }
      persistent.truncate(after: first.index.previous, into: &outputs)
    }
  #endif

  /// Indexes without gaps, terms that don't fall, configurations that decode. What is not like that
  /// comes from a faulty peer and is dropped.
  private func isWellFormed(_ request: RaftMessage.AppendRequest) -> Bool {
    var index = request.previousIndex
    var term = request.previousTerm
    for position in request.entries.indices {
      let entryTerm = request.entries[position].term
      guard request.entries[position].index == index.next, entryTerm >= term,
        entryTerm <= persistent.term
      else { return false }
      if request.entries[position].kind == .configuration,
        GroupConfiguration.decode(request.entries[position].payload) == nil
      {
        return false
      }
      index = index.next
      term = entryTerm
    }
    return true
  }

  /// Says where the leader should look next: one step back for each term that differs, not for each
  /// entry (Raft paper §5.3, at its end).
  private func reject(
    _ request: RaftMessage.AppendRequest, from: ReplicaID, into outputs: inout RaftOutputs
  ) {
    let agree = persistent.log.highestIndex(
      upTo: request.previousIndex, termAtMost: request.previousTerm)
    // Everything committed is in the leader's log.
    let hint = max(agree, volatile.commitIndex)
    let rejected = RaftMessage.AppendResponse.Outcome.rejected(
      previousIndex: request.previousIndex, hint: hint,
      hintTerm: persistent.log.term(at: hint) ?? .zero)
    outputs.send(
      .appendResponse(
        .init(outcome: rejected, round: request.round, condition: volatile.condition)),
      term: persistent.term, to: from, after: persistent.durability.outstandingHardState)
  }

  mutating func handleHeartbeat(
    _ heartbeat: RaftMessage.Heartbeat, from: ReplicaID, now: Instant,
    into outputs: inout RaftOutputs
  ) {
    guard follow(from, now: now, into: &outputs) else { return }
    if let stamp = echoed(by: heartbeat, now: now) {
      volatile.noteLeaderCommit(heartbeat.leaderCommit, asOf: stamp, now: now)
    }
    // The leader names no more than it knows to be here; more is a faulty peer's.
    if heartbeat.commit <= persistent.log.lastIndex {
      advanceCommit(to: heartbeat.commit, into: &outputs)
    }
    // The term must be durable: a replica that never knew one withholds no vote when it starts.
    outputs.send(
      .heartbeatResponse(
        .init(
          round: heartbeat.round, condition: volatile.condition, stamp: volatile.stamp(at: now))),
      term: persistent.term, to: from, after: persistent.durability.outstandingHardState)
  }

  private func echoed(by heartbeat: RaftMessage.Heartbeat, now: Instant) -> FollowerStamp? {
    #if PlantedFaults
      if has(.ageFromArrival) { return heartbeat.echo.map { _ in volatile.stamp(at: now) } }
    #endif
    return heartbeat.echo
  }

  /// What the leader says is committed, or as leader what a majority holds.
  mutating func advanceCommit(to index: LogIndex, into outputs: inout RaftOutputs) {
    guard index <= persistent.log.lastIndex else {
      _ = protocolViolation("commit \(index) of a log up to \(persistent.log.lastIndex)")
      return
    }
    if volatile.advanceCommit(to: index) { outputs.commitAdvanced = true }
  }

  // MARK: Snapshots

  mutating func handleSnapshotOffer(
    from: ReplicaID, term: Term, index: LogIndex, snapshotTerm: Term, now: Instant,
    into outputs: inout RaftOutputs
  ) -> Bool {
    guard admits(term) else { return false }
    guard term >= persistent.term else {
      outputs.send(.heartbeatResponse(.init(round: 0)), term: persistent.term, to: from)
      return false
    }
    if term > persistent.term {
      becomeFollower(term: term, leader: from, now: now, into: &outputs)
    }
    guard follow(from, now: now, into: &outputs) else { return false }
    if isUseful(snapshot: index, term: snapshotTerm) { return true }
    // The log holds it all, so all of it is committed.
    advanceCommit(to: index, into: &outputs)
    outputs.send(
      .appendResponse(.init(outcome: .accepted(match: volatile.commitIndex), round: 0)),
      term: persistent.term, to: from, after: persistent.durability.outstanding)
    return false
  }

  /// A snapshot is of use where the log does not hold its last entry (Raft paper §7).
  func isUseful(snapshot index: LogIndex, term: Term) -> Bool {
    index > volatile.commitIndex && persistent.log.term(at: index) != term
  }

  /// A snapshot was installed: its sender, where that still leads, may go on from there.
  func acknowledgeSnapshot(
    _ index: LogIndex, from: ReplicaID, into outputs: inout RaftOutputs
  ) {
    guard roleState.followed == from else { return }
    outputs.send(
      .appendResponse(.init(outcome: .accepted(match: index), round: 0)), term: persistent.term,
      to: from, after: persistent.durability.outstandingHardState)
  }
}
