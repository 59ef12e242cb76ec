package import KVBase

/// Following: taking entries, heartbeats and snapshots from the leader of the present term.
extension RaftCore {
  /// Word from the leader of this term. False where that can't be.
  mutating func follow(_ leader: ReplicaID, now: Instant, into outputs: inout RaftOutputs) -> Bool {
    switch part {
    case .follower(leader): break
    case .leader:
      return violated("two leaders: \(id) and \(leader)")
    case .follower(let other?):
      return violated("two leaders: \(other) and \(leader)")
    case .follower(nil), .preCandidate, .candidate:
      part = .follower(leader: leader)
      outputs.roleChanged = true
    }
    promiseUntil = now + settings.leaseLength + settings.leaseDriftBound
    quorumHeardAt = now
    hurryUntil = .zero
    rearmElection(now: now)
    return true
  }

  mutating func handle(
    _ request: RaftMessage.AppendRequest, from: ReplicaID, now: Instant,
    into outputs: inout RaftOutputs
  ) {
    guard follow(from, now: now, into: &outputs), isWellFormed(request) else { return }
    guard !isInstalling else {
      send(.heartbeatResponse(.init(round: request.round)), to: from, into: &outputs)
      return
    }
    // Up to the commit index every log is the same (Raft paper §5.4.3): nothing to compare.
    if request.previousIndex > commit,
      log.term(at: request.previousIndex) != request.previousTerm
    {
      reject(request, from: from, into: &outputs)
      return
    }
    #if PlantedFaults
      truncateAnyway(request.entries, into: &outputs)
    #endif
    guard take(request.entries, now: now, into: &outputs) else { return }
    let match = max(request.previousIndex + request.entries.count, commit)
    advanceCommit(to: min(request.commit, match), into: &outputs)
    send(
      .appendResponse(.init(outcome: .accepted(match: match), round: request.round)), to: from,
      after: answerMayGoAfter, into: &outputs)
  }

  private var answerMayGoAfter: PersistToken? {
    #if PlantedFaults
      if has(.acknowledgeBeforeDurable) { return nil }
    #endif
    return persistence.outstanding
  }

  #if PlantedFaults
    private mutating func truncateAnyway(_ entries: [LogEntry], into outputs: inout RaftOutputs) {
      guard has(.truncateOnEveryAppend), let first = entries.first, first.index > commit,
        first.index <= log.lastIndex
      else { return }
      truncate(after: first.index.previous, into: &outputs)
    }
  #endif

  /// Appends what is new. What is already there stays: a message may be old, and entries behind its
  /// last one may have been acknowledged. Only an entry of another term removes anything.
  private mutating func take(
    _ entries: [LogEntry], now: Instant, into outputs: inout RaftOutputs
  ) -> Bool {
    var position = 0
    while position < entries.count {
      let entry = entries[position]
      if let term = log.term(at: entry.index) {
        if term != entry.term {
          guard entry.index > commit else {
            return violated(
              "entry \(entry.index) of term \(term) is committed, and one of \(entry.term) came")
          }
          truncate(after: entry.index.previous, into: &outputs)
          break
        }
      } else if entry.index > log.lastIndex {
        break
      }
      position += 1
    }
    guard position < entries.count else { return true }
    persistence.appended(from: entries[position].index)
    while position < entries.count {
      append(entries[position], into: &outputs)
      position += 1
    }
    return true
  }

  private mutating func append(_ entry: LogEntry, into outputs: inout RaftOutputs) {
    log.append(entry)
    logTime = max(logTime, entry.logTimeMilliseconds)
    if entry.kind == .configuration,
      let configuration = GroupConfiguration.decode(entry.payload)
    {
      changeConfigurations(into: &outputs) { $0.append(configuration, at: entry.index) }
    }
  }

  private mutating func truncate(after index: LogIndex, into outputs: inout RaftOutputs) {
    log.truncate(after: index)
    persistence.truncated(after: index)
    if configurations.current.index > index {
      changeConfigurations(into: &outputs) { $0.truncate(after: index) }
    }
  }

  /// A learner may become a follower by it, or the other way round.
  private mutating func changeConfigurations(
    into outputs: inout RaftOutputs, _ change: (inout ConfigurationHistory) -> Void
  ) {
    let before = role
    change(&configurations)
    outputs.configurationChanged = true
    if role != before { outputs.roleChanged = true }
  }

  /// Indexes without gaps, terms that don't fall, configurations that decode. What is not like that
  /// comes from a faulty peer and is dropped.
  private func isWellFormed(_ request: RaftMessage.AppendRequest) -> Bool {
    var index = request.previousIndex
    var term = request.previousTerm
    for entry in request.entries {
      guard entry.index == index.next, entry.term >= term, entry.term <= self.term else {
        return false
      }
      if entry.kind == .configuration, GroupConfiguration.decode(entry.payload) == nil {
        return false
      }
      index = entry.index
      term = entry.term
    }
    return true
  }

  /// Says where the leader should look next: one step back for each term that differs, not for each
  /// entry (Raft paper §5.3, at its end).
  private func reject(
    _ request: RaftMessage.AppendRequest, from: ReplicaID, into outputs: inout RaftOutputs
  ) {
    let agree = log.highestIndex(upTo: request.previousIndex, termAtMost: request.previousTerm)
    // Everything committed is in the leader's log.
    let hint = max(agree, commit)
    let rejected = RaftMessage.AppendResponse.Outcome.rejected(
      previousIndex: request.previousIndex, hint: hint, hintTerm: log.term(at: hint) ?? .zero)
    send(
      .appendResponse(.init(outcome: rejected, round: request.round)), to: from,
      after: persistence.outstandingHardState, into: &outputs)
  }

  mutating func handle(
    _ heartbeat: RaftMessage.Heartbeat, from: ReplicaID, now: Instant,
    into outputs: inout RaftOutputs
  ) {
    guard follow(from, now: now, into: &outputs) else { return }
    freshness.note(
      leaderCommit: heartbeat.leaderCommit,
      at: now.earlier(by: .milliseconds(UInt64(heartbeat.quorumAgeMilliseconds))),
      applied: appliedIndex)
    // The leader names no more than it knows to be here; more is a faulty peer's.
    if heartbeat.commit <= log.lastIndex {
      advanceCommit(to: heartbeat.commit, into: &outputs)
    }
    // The term must be durable, for a replica that never knew one makes no promise when it starts.
    send(
      .heartbeatResponse(.init(round: heartbeat.round)), to: from,
      after: persistence.outstandingHardState, into: &outputs)
  }

  /// A leader of `term` offers a snapshot up to `index`: true where it is wanted. Counts as word
  /// from the leader, so it may be called for every chunk.
  package mutating func offeredSnapshot(
    from: ReplicaID, term: Term, index: LogIndex, snapshotTerm: Term, now: Instant,
    into outputs: inout RaftOutputs
  ) -> Bool {
    guard term >= self.term else {
      send(.heartbeatResponse(.init(round: 0)), to: from, into: &outputs)
      return false
    }
    if term > self.term { becomeFollower(term: term, leader: from, now: now, into: &outputs) }
    guard follow(from, now: now, into: &outputs) else { return false }
    if !isWanted(index: index, term: snapshotTerm) {
      // The log holds it all, so all of it is committed.
      advanceCommit(to: index, into: &outputs)
      send(
        .appendResponse(.init(outcome: .accepted(match: commit), round: 0)), to: from,
        after: persistence.outstanding, into: &outputs)
      return false
    }
    return true
  }

  /// A snapshot is of use where the log does not hold its last entry (Raft paper §7).
  private func isWanted(index: LogIndex, term: Term) -> Bool {
    index > commit && log.term(at: index) != term
  }

  /// Asks, directly before a snapshot replaces state and log, whether that is still right: more may
  /// have been appended since it was offered. Everything emitted so far comes before the
  /// replacement in the log, so `flush` must have been called. True: from now on no append is taken
  /// and nothing is given out to be applied, until `installed` or `installAbandoned`.
  package mutating func beginInstall(index: LogIndex, term: Term) -> Bool {
    guard case .follower = part, isWanted(index: index, term: term) else { return false }
    precondition(persistence.dirtyFrom == nil, "beginInstall(\(index)) with entries not flushed")
    isInstalling = true
    return true
  }

  /// The installation that `beginInstall` allowed was given up with nothing changed. Look at
  /// `nextToApply`.
  package mutating func installAbandoned() { isInstalling = false }

  /// A snapshot was installed, durably, and the log now begins behind it.
  package mutating func installed(
    index: LogIndex, term: Term, configuration: GroupConfiguration, from: ReplicaID, now: Instant,
    into outputs: inout RaftOutputs
  ) {
    precondition(!isLeader, "snapshot \(index) installed on the leader: see beginInstall")
    precondition(
      index >= commit, "snapshot \(index) installed over commit \(commit): see beginInstall")
    isInstalling = false
    changeConfigurations(into: &outputs) { $0.install(configuration, at: index) }
    log.reset(index: index, term: term)
    persistence.reset(to: index)
    commit = index
    handedOut = index
    appliedIndex = index
    guard leader == from else { return }
    send(
      .appendResponse(.init(outcome: .accepted(match: index), round: 0)), to: from,
      after: persistence.outstandingHardState, into: &outputs)
  }
}
