package import KVBase

/// Bringing the followers' logs to the leader's (Raft paper §5.3).
extension RaftCore {
  /// Entries cut out of the log in this turn: the persist and the followers mostly need the same.
  struct SharedEntries {
    private(set) var entries: [LogEntry] = []
    private(set) var bytes = 0

    mutating func set(_ entries: [LogEntry]) {
      self.entries = entries
      bytes = 0
      for entry in entries { bytes += entry.encodedSize }
    }

    /// True where these are what one message from `first` on should carry.
    func suit(from first: LogIndex, maxBytes: Int) -> Bool {
      entries.first?.index == first && (bytes <= maxBytes || entries.count == 1)
    }
  }

  /// Sends a peer what it lacks, as far as its window goes.
  mutating func replicate(
    toPeerAt position: Int, now: Instant, sharing shared: inout SharedEntries,
    into outputs: inout RaftOutputs
  ) {
    while peers[position].maySend(upTo: log.lastIndex, windowBytes: settings.inflightBytes) {
      let next = peers[position].next
      guard next > log.baseIndex else {
        needSnapshot(forPeerAt: position, now: now, into: &outputs)
        return
      }
      if next <= log.lastIndex && next < log.tailFirst {
        readLog(from: next, into: &outputs)
        return
      }
      if next > log.lastIndex {
        sendAppend([], bytes: 0, toPeerAt: position, now: now, into: &outputs)
        continue
      }
      if !shared.suit(from: next, maxBytes: settings.appendBytes) {
        shared.set(
          log.entries(from: next, through: log.lastIndex, maxBytes: settings.appendBytes))
      }
      sendAppend(
        shared.entries, bytes: shared.bytes, toPeerAt: position, now: now, into: &outputs)
    }
  }

  /// Sends entries from the peer's next on, or none: then it answers whether it has the previous.
  private mutating func sendAppend(
    _ entries: [LogEntry], bytes: Int, toPeerAt position: Int, now: Instant,
    into outputs: inout RaftOutputs
  ) {
    let previous = peers[position].next.previous
    guard let previousTerm = log.term(at: previous) else {
      preconditionFailure("append behind \(previous) of a log \(log.baseIndex)...\(log.lastIndex)")
    }
    send(
      .append(
        .init(
          previousIndex: previous, previousTerm: previousTerm, commit: commit,
          round: rounds.current, entries: entries)),
      to: peers[position].replica, into: &outputs)
    peers[position].sent(upTo: previous + entries.count, bytes: bytes, at: now)
  }

  private mutating func needSnapshot(
    forPeerAt position: Int, now: Instant, into outputs: inout RaftOutputs
  ) {
    // None is begun for a replica that can't be reached; it waits to be heard from.
    guard let contact = peers[position].lastContact, now - contact < settings.electionTimeout else {
      peers[position].pause()
      return
    }
    peers[position].becomeSnapshot()
    outputs.snapshotsNeeded.append(peers[position].replica)
  }

  /// Asks for entries that are no longer in memory. One read at a time; other peers wait for it,
  /// and most often are served by it.
  private mutating func readLog(from: LogIndex, into outputs: inout RaftOutputs) {
    guard openLogRead == nil else { return }
    openLogRead = from
    outputs.readLogs.append(
      .init(from: from, through: log.tailFirst.previous, maxBytes: settings.appendBytes))
  }

  /// Answers the open `ReadLog`: its entries, or `nil` where they are no longer kept.
  package mutating func logRead(
    from: LogIndex, entries: [LogEntry]?, now: Instant, into outputs: inout RaftOutputs
  ) {
    guard openLogRead == from else { return }
    openLogRead = nil
    guard isLeader else { return }
    guard let entries, let last = entries.last else {
      for position in peers.indices
      where peers[position].state != .snapshot && peers[position].next <= from {
        needSnapshot(forPeerAt: position, now: now, into: &outputs)
      }
      return
    }
    // The read may be older than a truncation; index and term name an entry.
    guard entries.first?.index == from, log.term(at: last.index) == last.term else { return }
    for position in peers.indices {
      let next = peers[position].next
      guard next >= from, next <= last.index, next > log.baseIndex,
        peers[position].maySend(upTo: log.lastIndex, windowBytes: settings.inflightBytes)
      else { continue }
      var rest = SharedEntries()
      rest.set(Array(entries[(next - from)...]))
      sendAppend(rest.entries, bytes: rest.bytes, toPeerAt: position, now: now, into: &outputs)
    }
  }

  func position(of replica: ReplicaID) -> Int? {
    for position in peers.indices where peers[position].replica == replica { return position }
    return nil
  }

  mutating func handle(
    _ response: RaftMessage.AppendResponse, from: ReplicaID, now: Instant,
    into outputs: inout RaftOutputs
  ) {
    guard isLeader, let position = position(of: from) else { return }
    heard(fromPeerAt: position, round: response.round, now: now, into: &outputs)
    switch response.outcome {
    case .accepted(let match):
      // No honest peer holds more than there is.
      guard match <= log.lastIndex else { return }
      if peers[position].acknowledge(upTo: match, base: log.baseIndex, at: now) {
        afterMatch(ofPeerAt: position, now: now, into: &outputs)
      }
    case .rejected(let previous, let hint, let hintTerm):
      // The follower's log has no higher term than `hintTerm` up to `hint`, so what of this log is
      // of a higher term up to there can't be in it.
      let agree = log.highestIndex(upTo: hint, termAtMost: hintTerm)
      _ = peers[position].reject(previous: previous, retry: agree.next)
    }
  }

  mutating func handle(
    _ response: RaftMessage.HeartbeatResponse, from: ReplicaID, now: Instant,
    into outputs: inout RaftOutputs
  ) {
    guard isLeader, let position = position(of: from) else { return }
    heard(fromPeerAt: position, round: response.round, now: now, into: &outputs)
    guard peers[position].resume(at: now, after: settings.heartbeatInterval) else { return }
    if peers[position].next <= log.baseIndex {
      // What is in flight was lost, and the log no longer holds it.
      needSnapshot(forPeerAt: position, now: now, into: &outputs)
    } else {
      sendAppend([], bytes: 0, toPeerAt: position, now: now, into: &outputs)
    }
  }

  /// Any answer in this term says that the peer follows, and that it did when the round reached it.
  private mutating func heard(
    fromPeerAt position: Int, round: UInt64, now: Instant, into outputs: inout RaftOutputs
  ) {
    guard round <= rounds.current else { return }
    if peers[position].heard(round: round, at: now) { confirmRounds(into: &outputs) }
  }

  private mutating func afterMatch(
    ofPeerAt position: Int, now: Instant, into outputs: inout RaftOutputs
  ) {
    let replica = peers[position].replica
    if peers[position].match > commit { advanceCommit(now: now, into: &outputs) }
    continueTransfer(caughtUp: replica, into: &outputs)
  }

  /// The transfer to a follower ended: it now holds everything up to `index`, or `nil`: it failed.
  package mutating func snapshotFinished(
    to: ReplicaID, index: LogIndex?, now: Instant, into outputs: inout RaftOutputs
  ) {
    guard isLeader, let position = position(of: to) else { return }
    let known = index.map { min($0, log.lastIndex) }
    if peers[position].snapshotEnded(at: known, now: now) {
      afterMatch(ofPeerAt: position, now: now, into: &outputs)
    }
  }
}
