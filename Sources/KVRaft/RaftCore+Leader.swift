package import KVBase

/// Being the leader: heartbeats, check-quorum, the commit index, proposals, and the end of it.
extension RaftCore {
  mutating func becomeLeader(now: Instant, into outputs: inout RaftOutputs) {
    part = .leader
    hurryUntil = .zero
    outputs.roleChanged = true
    leadership = Leadership()
    leadership.startedAt = now
    leadership.heartbeatAt = now + settings.heartbeatInterval
    rounds.abort(into: &outputs.reads)
    peers.removeAll(keepingCapacity: true)
    arrangePeers(now: now)
    // An entry of its own term: what came before commits with it (Raft paper §5.4.2 and §8).
    leadership.termStart = appendOwn(.noop, payload: Bytes(), wallMilliseconds: 0)
    // The peers learn of it by the appends that follow in the same turn.
    rounds.start(at: now, serving: nil)
    confirmRounds(into: &outputs)
  }

  mutating func tickLeader(now: Instant, into outputs: inout RaftOutputs) {
    if let transfer = leadership.transfer, now >= transfer.deadline { leadership.transfer = nil }
    // Check-quorum (dissertation §6.2): one that reaches no majority makes room, and tells clients.
    if now - quorumContact(now: now) >= settings.electionTimeout {
      becomeFollower(term: term, leader: nil, now: now, into: &outputs)
      return
    }
    guard now >= leadership.heartbeatAt else { return }
    leadership.heartbeatAt = now + settings.heartbeatInterval
    rounds.start(at: now, serving: readIndexForNewRound)
    broadcastHeartbeat(toVotersOnly: false, now: now, into: &outputs)
    confirmRounds(into: &outputs)
  }

  func broadcastHeartbeat(toVotersOnly: Bool, now: Instant, into outputs: inout RaftOutputs) {
    let age = UInt32(clamping: (now - leadershipConfirmedAt).milliseconds)
    for peer in peers where peer.isVoter || !toVotersOnly {
      // At most what it is known to hold: more could be taken for what it has at those indexes.
      send(
        .heartbeat(
          .init(
            commit: min(commit, peer.match), round: rounds.current, leaderCommit: commit,
            quorumAgeMilliseconds: age)),
        to: peer.replica, into: &outputs)
    }
  }

  /// When the last round that a majority has answered was sent: at that time nobody else had
  /// committed anything.
  var leadershipConfirmedAt: Instant {
    leadership.leaseUntil.earlier(by: settings.leaseLength)
  }

  /// When a majority, itself counted, was last heard from.
  func quorumContact(now: Instant) -> Instant {
    let start = leadership.startedAt
    return Instant(
      nanoseconds: quorumValue(own: now.nanoseconds) {
        max($0.lastContact ?? start, start).nanoseconds
      })
  }

  /// The highest value that a majority of every set of voters has reached.
  @inline(__always)
  func quorumValue(own: UInt64, _ value: (borrowing Progress) -> UInt64) -> UInt64 {
    let count = peers.count
    let incoming = Quorum.reached(positions: count + 1) { position in
      if position == count { return isIncomingVoter ? own : nil }
      return peers[position].isIncomingVoter ? value(peers[position]) : nil
    }
    guard configuration.isJoint else { return incoming ?? 0 }
    let outgoing = Quorum.reached(positions: count + 1) { position in
      if position == count { return isOutgoingVoter ? own : nil }
      return peers[position].isOutgoingVoter ? value(peers[position]) : nil
    }
    return min(incoming ?? 0, outgoing ?? 0)
  }

  /// Commits what a majority holds durably, if it is of this term: an entry of an earlier term on a
  /// majority can still be replaced (Raft paper §5.4.2, figure 8).
  mutating func advanceCommit(now: Instant, into outputs: inout RaftOutputs) {
    guard isLeader else { return }
    let held = heldByMajority
    guard held > commit, held >= leadership.termStart || commitsOldTerms else { return }
    advanceCommit(to: held, into: &outputs)
    afterCommitAsLeader(now: now, into: &outputs)
  }

  private var heldByMajority: LogIndex {
    #if PlantedFaults
      if has(.commitAtHighestMatch) { return peers.map(\.match).reduce(ownMatch, max) }
    #endif
    return LogIndex(rawValue: quorumValue(own: ownMatch.rawValue) { $0.match.rawValue })
  }

  /// Its own copy counts once it is durable, which may be after the followers'.
  private var ownMatch: LogIndex {
    #if PlantedFaults
      if has(.countLeaderBeforeDurable) { return log.lastIndex }
    #endif
    return persistence.stableIndex
  }

  private var commitsOldTerms: Bool {
    #if PlantedFaults
      return has(.commitOldTermByCounting)
    #else
      return false
    #endif
  }

  mutating func advanceCommit(to index: LogIndex, into outputs: inout RaftOutputs) {
    guard index > commit else { return }
    guard index <= log.lastIndex else {
      _ = violated("commit \(index) of a log up to \(log.lastIndex)")
      return
    }
    commit = index
    outputs.commitAdvanced = true
  }

  package enum ProposeRefusal: Error, Sendable { case notLeader, transferring, tooMuchUncommitted }

  /// Appends an entry. It is on its way to the followers after `flush`. Configurations go by
  /// `proposeConfiguration`.
  package mutating func propose(
    _ kind: EntryKind, payload: Bytes, wallMilliseconds: UInt64, now: Instant,
    into outputs: inout RaftOutputs
  ) throws(ProposeRefusal) -> LogIndex {
    precondition(kind != .configuration, "a configuration proposed as an entry")
    guard isLeader else { throw .notLeader }
    guard leadership.transfer == nil else { throw .transferring }
    let size = LogEntry.headerSize + payload.count
    let total = leadership.unappliedBytes + size
    // One entry always fits, however large.
    guard total <= settings.uncommittedBytes || leadership.unappliedBytes == 0 else {
      throw .tooMuchUncommitted
    }
    let index = appendOwn(kind, payload: payload, wallMilliseconds: wallMilliseconds)
    leadership.unappliedBytes = total
    noteUnapplied(upTo: index, bytes: size)
    return index
  }

  private mutating func noteUnapplied(upTo index: LogIndex, bytes: Int) {
    var sum = bytes
    // Full only where nothing is applied for long: then it is counted more coarsely.
    if leadership.unapplied.isFull, let last = leadership.unapplied.popLast() { sum += last.bytes }
    leadership.unapplied.append(.init(upTo: index, bytes: sum))
  }

  /// Appends an entry of this term, stamped.
  mutating func appendOwn(
    _ kind: EntryKind, payload: Bytes, wallMilliseconds: UInt64
  ) -> LogIndex {
    logTime = max(logTime, wallMilliseconds)
    let index = log.lastIndex.next
    log.append(
      LogEntry(
        index: index, term: term, kind: kind, logTimeMilliseconds: logTime, payload: payload))
    persistence.appended(from: index)
    return index
  }

  /// The node's own disk makes no progress: as leader, step down.
  package mutating func stepDown(now: Instant, into outputs: inout RaftOutputs) {
    guard isLeader else { return }
    askBestToTakeOver(now: now, into: &outputs)
    quorumHeardAt = now
    becomeFollower(term: term, leader: nil, now: now, into: &outputs)
  }

  /// Clears what only a leader has; the caller sets the new part.
  mutating func endLeadership(now: Instant, into outputs: inout RaftOutputs) {
    outputs.leadershipLost = true
    rounds.abort(into: &outputs.reads)
    quorumHeardAt = max(quorumHeardAt, quorumContact(now: now))
    peers.removeAll(keepingCapacity: true)
    leadership = Leadership()
    rearmElection(now: now)
  }
}
