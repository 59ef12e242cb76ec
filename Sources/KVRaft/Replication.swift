internal import KVBase

/// A leader's view of the other replicas (Raft paper figure 2, "volatile state on leaders"), and
/// what brings their logs to its own (§5.3). Empty in any other role.
///
/// Inputs: the end of a turn (`sendEntries`), a peer's answers, entries read from the store, the
/// end of a snapshot transfer. Outputs: appends, reads of the store, snapshot transfers; and what a
/// majority has reached. It reads the log and changes nothing in it.
///
/// Invariants: the peers are the members of the configuration in force without this replica; those
/// of each of them (`Progress`).
struct Replication: Sendable {
  /// What every append and heartbeat of the moment says.
  struct Heading: Sendable {
    var term: Term
    var commit: LogIndex
    var round: UInt64
  }

  private let settings: RaftSettings
  private(set) var peers: [Progress] = []
  /// Whether this replica's own copy counts, in each set of voters.
  private var isIncomingVoter = false
  private var isOutgoingVoter = false
  private var isJoint = false
  /// The read of entries that are no longer in memory which is under way, for followers that lag
  /// far behind. It may have been asked for in an earlier term.
  private var openLogRead: LogIndex?
  /// A majority takes entries, so that what is proposed can be committed.
  private(set) var majorityTakesEntries = true

  init(settings: RaftSettings) { self.settings = settings }

  // MARK: Peers

  /// A term begins, with the peers of `configuration`. Those that voted for this replica were heard
  /// from, and no others.
  mutating func begin(
    as configuration: GroupConfiguration, without id: ReplicaID, electedBy voters: [ReplicaID],
    lastIndex: LogIndex, now: Instant
  ) {
    peers.removeAll(keepingCapacity: true)
    arrange(
      as: configuration, without: id, lastIndex: lastIndex, votersSince: nil, now: now)
    for position in peers.indices where voters.contains(peers[position].replica) {
      _ = peers[position].heard(round: 0, at: now)
    }
  }

  /// The peers are those of `configuration` from now on; what is known of those that stay is kept.
  mutating func arrange(
    as configuration: GroupConfiguration, without id: ReplicaID, lastIndex: LogIndex, now: Instant
  ) {
    arrange(as: configuration, without: id, lastIndex: lastIndex, votersSince: now, now: now)
  }

  private mutating func arrange(
    as configuration: GroupConfiguration, without id: ReplicaID, lastIndex: LogIndex,
    votersSince: Instant?, now: Instant
  ) {
    isIncomingVoter = configuration.voters.contains(id)
    isOutgoingVoter = configuration.outgoing.contains(id)
    isJoint = configuration.isJoint
    var arranged: [Progress] = []
    for replica in configuration.members where replica != id {
      var peer =
        position(of: replica).map { peers[$0] }
        ?? Progress(replica: replica, next: lastIndex.next, now: now)
      peer.setVoter(
        incoming: configuration.voters.contains(replica),
        outgoing: configuration.outgoing.contains(replica), since: votersSince)
      arranged.append(peer)
    }
    peers = arranged
    noteConditions()
  }

  mutating func removePeers() {
    peers.removeAll(keepingCapacity: true)
    majorityTakesEntries = true
  }

  func position(of replica: ReplicaID) -> Int? {
    for position in peers.indices where peers[position].replica == replica { return position }
    return nil
  }

  // MARK: What a majority has reached

  /// The highest entry that a majority holds durably.
  func majorityMatch(own: LogIndex) -> LogIndex {
    LogIndex(rawValue: majority(own: own.rawValue) { $0.match.rawValue })
  }

  /// The latest round that a majority has answered.
  func majorityRound(own: UInt64) -> UInt64 { majority(own: own) { $0.confirmedRound } }

  /// When a majority, this replica counted, was last heard from.
  func majorityContact(now: Instant) -> Instant {
    Instant(nanoseconds: majority(own: now.nanoseconds) { $0.contactForQuorum.nanoseconds })
  }

  /// The highest value that a majority of every set of voters has reached.
  @inline(__always)
  private func majority(own: UInt64, _ value: (borrowing Progress) -> UInt64) -> UInt64 {
    let count = peers.count
    let incoming = Quorum.reached(positions: count + 1) { position in
      if position == count { return isIncomingVoter ? own : nil }
      return peers[position].isIncomingVoter ? value(peers[position]) : nil
    }
    guard isJoint else { return incoming ?? 0 }
    let outgoing = Quorum.reached(positions: count + 1) { position in
      if position == count { return isOutgoingVoter ? own : nil }
      return peers[position].isOutgoingVoter ? value(peers[position]) : nil
    }
    return min(incoming ?? 0, outgoing ?? 0)
  }

  /// Whether the peer was heard from within an election time-out.
  func isInContact(peerAt position: Int, now: Instant) -> Bool {
    guard let contact = peers[position].lastContact else { return false }
    return now - contact < settings.electionTimeout
  }

  /// The voter in contact with the longest log; one that is unfit to lead only where there is no
  /// other.
  func bestSuccessor(now: Instant) -> ReplicaID? {
    var best: Int?
    for position in peers.indices where peers[position].isIncomingVoter {
      guard isInContact(peerAt: position, now: now) else { continue }
      if let best, !peers[position].isBetterSuccessor(than: peers[best]) { continue }
      best = position
    }
    return best.map { peers[$0].replica }
  }

  // MARK: Flow control

  /// The peer said this of itself with an answer.
  mutating func noteCondition(_ condition: FollowerCondition, ofPeerAt position: Int) {
    let before = peers[position].condition
    guard condition != before || condition.contains(.takesNoEntries) else { return }
    peers[position].noteCondition(condition)
    if condition != before { noteConditions() }
  }

  private mutating func noteConditions() {
    majorityTakesEntries =
      majority(own: 1) { $0.condition.contains(.takesNoEntries) ? 0 : 1 } > 0
  }

  // MARK: Sending

  /// `confirmed`: the latest round that a majority has confirmed; `nil`: no stamp may be given
  /// back.
  mutating func sendHeartbeats(
    toVotersOnly: Bool, _ heading: Heading, echoing confirmed: UInt64?,
    into outputs: inout RaftOutputs
  ) {
    for position in peers.indices where peers[position].isVoter || !toVotersOnly {
      if let confirmed { peers[position].echo.confirm(through: confirmed) }
      // At most what it is known to hold: it may have other entries after that.
      let heartbeat = RaftMessage.Heartbeat(
        commit: min(heading.commit, peers[position].match), round: heading.round,
        leaderCommit: heading.commit,
        echo: confirmed == nil ? nil : peers[position].echo.confirmed)
      outputs.send(.heartbeat(heartbeat), term: heading.term, to: peers[position].replica)
    }
  }

  /// Sends each peer what it lacks, as far as its window goes. `batch` holds the entries that were
  /// cut out of the log last in this turn.
  mutating func sendEntries(
    of log: RaftLog, _ heading: Heading, sharing batch: inout EntryBatch, now: Instant,
    into outputs: inout RaftOutputs
  ) {
    for position in peers.indices {
      sendEntries(
        toPeerAt: position, of: log, heading, sharing: &batch, now: now, into: &outputs)
    }
  }

  private mutating func sendEntries(
    toPeerAt position: Int, of log: RaftLog, _ heading: Heading, sharing batch: inout EntryBatch,
    now: Instant, into outputs: inout RaftOutputs
  ) {
    let lastIndex = log.lastIndex
    while peers[position].maySend(upTo: lastIndex, windowBytes: settings.inflightBytes) {
      let next = peers[position].next
      guard next > log.baseIndex else {
        requestSnapshot(forPeerAt: position, now: now, into: &outputs)
        return
      }
      if next > lastIndex {
        sendAppend([], bytes: 0, toPeerAt: position, of: log, heading, now: now, into: &outputs)
        continue
      }
      if next < log.tailFirst {
        readLog(from: next, through: log.tailFirst.previous, into: &outputs)
        return
      }
      if !batch.suits(from: next, maxBytes: settings.appendBytes) {
        batch = EntryBatch(
          log.entries(from: next, through: lastIndex, maxBytes: settings.appendBytes))
      }
      sendAppend(
        batch.entries, bytes: batch.bytes, toPeerAt: position, of: log, heading, now: now,
        into: &outputs)
    }
  }

  /// Sends entries from the peer's next on, or none: then it answers whether it has the previous.
  private mutating func sendAppend(
    _ entries: [LogEntry], bytes: Int, toPeerAt position: Int, of log: RaftLog, _ heading: Heading,
    now: Instant, into outputs: inout RaftOutputs
  ) {
    let previous = peers[position].next.previous
    guard let previousTerm = log.term(at: previous) else {
      preconditionFailure("append after \(previous) of a log \(log.baseIndex)...\(log.lastIndex)")
    }
    outputs.send(
      .append(
        .init(
          previousIndex: previous, previousTerm: previousTerm, commit: heading.commit,
          round: heading.round, entries: entries)),
      term: heading.term, to: peers[position].replica)
    peers[position].sent(upTo: previous + entries.count, bytes: bytes, at: now)
  }

  private mutating func requestSnapshot(
    forPeerAt position: Int, now: Instant, into outputs: inout RaftOutputs
  ) {
    // None is begun for a replica that can't be reached; it waits to be heard from.
    guard isInContact(peerAt: position, now: now) else {
      peers[position].pause()
      return
    }
    peers[position].becomeSnapshot()
    outputs.snapshotsNeeded.append(peers[position].replica)
  }

  /// Asks for entries that are no longer in memory. One read at a time; other peers wait for it,
  /// and most often are served by it.
  private mutating func readLog(
    from: LogIndex, through: LogIndex, into outputs: inout RaftOutputs
  ) {
    guard openLogRead == nil else { return }
    openLogRead = from
    outputs.readLogs.append(.init(from: from, through: through, maxBytes: settings.appendBytes))
  }

  // MARK: Answers

  /// Any answer in this term says that the peer follows, and that it did when the round reached it.
  /// True where that is the latest round that it answered.
  mutating func heard(fromPeerAt position: Int, round: UInt64, now: Instant) -> Bool {
    peers[position].heard(round: round, at: now)
  }

  /// A stamp of the peer, to be given back: it came during the round `current`.
  mutating func received(
    _ stamp: FollowerStamp, fromPeerAt position: Int, during current: UInt64, confirmed: UInt64
  ) {
    peers[position].echo.confirm(through: confirmed)
    peers[position].echo.received(stamp, during: current)
  }

  /// True where the peer is now known to hold more than before.
  mutating func receive(
    _ outcome: RaftMessage.AppendResponse.Outcome, fromPeerAt position: Int, log: RaftLog,
    now: Instant
  ) -> Bool {
    switch outcome {
    case .accepted(let match):
      // No honest peer holds more than there is.
      guard match <= log.lastIndex else { return false }
      return peers[position].acknowledge(upTo: match, base: log.baseIndex, at: now)
    case .rejected(let previous, let hint, let hintTerm):
      // The follower's log has no higher term than `hintTerm` up to `hint`, so what of this log is
      // of a higher term up to there can't be in it.
      let agree = log.highestIndex(upTo: hint, termAtMost: hintTerm)
      _ = peers[position].reject(previous: previous, retry: agree.next)
      return false
    }
  }

  /// A sign of life that says nothing of the peer's log: where what is in flight seems to be lost,
  /// asks.
  mutating func receiveHeartbeatResponse(
    fromPeerAt position: Int, log: RaftLog, _ heading: Heading, now: Instant,
    into outputs: inout RaftOutputs
  ) {
    guard peers[position].resume(at: now, after: settings.heartbeatInterval) else { return }
    if peers[position].next <= log.baseIndex {
      // The log no longer holds what was in flight.
      requestSnapshot(forPeerAt: position, now: now, into: &outputs)
    } else {
      sendAppend([], bytes: 0, toPeerAt: position, of: log, heading, now: now, into: &outputs)
    }
  }

  /// True where this answers the open read.
  mutating func endLogRead(from: LogIndex) -> Bool {
    guard openLogRead == from else { return false }
    openLogRead = nil
    return true
  }

  /// The entries from `from` on that were read from the store, or `nil` where they are no longer
  /// kept there.
  mutating func logRead(
    from: LogIndex, entries: [LogEntry]?, log: RaftLog, _ heading: Heading, now: Instant,
    into outputs: inout RaftOutputs
  ) {
    guard let entries, let last = entries.last else {
      for position in peers.indices
      where peers[position].state != .snapshot && peers[position].next <= from {
        requestSnapshot(forPeerAt: position, now: now, into: &outputs)
      }
      return
    }
    // The read may be older than a truncation; index and term name an entry.
    guard entries.first?.index == from, log.term(at: last.index) == last.term else { return }
    var batch = EntryBatch(entries)
    for position in peers.indices {
      let next = peers[position].next
      guard next >= from, next <= last.index, next > log.baseIndex,
        peers[position].maySend(upTo: log.lastIndex, windowBytes: settings.inflightBytes)
      else { continue }
      if batch.entries[0].index != next { batch = EntryBatch(Array(entries[(next - from)...])) }
      sendAppend(
        batch.entries, bytes: batch.bytes, toPeerAt: position, of: log, heading, now: now,
        into: &outputs)
    }
  }

  /// The snapshot transfer to a peer ended: it holds everything up to `index`, or `nil`: it failed.
  /// True where the peer is now known to hold more than before.
  mutating func snapshotEnded(
    forPeerAt position: Int, index: LogIndex?, lastIndex: LogIndex, now: Instant
  ) -> Bool {
    peers[position].snapshotEnded(at: index.map { min($0, lastIndex) }, now: now)
  }

  /// What must always be true of it; `nil` where it is.
  func brokenInvariant(lastIndex: LogIndex, round: UInt64) -> String? {
    for position in peers.indices {
      if let broken = peers[position].brokenInvariant(lastIndex: lastIndex) { return broken }
      if peers[position].confirmedRound > round {
        return "\(peers[position].replica): round \(peers[position].confirmedRound) of \(round)"
      }
    }
    return nil
  }
}
