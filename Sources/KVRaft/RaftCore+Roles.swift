package import KVBase

/// Changes of role, and of the term that brings them about (Raft paper figure 4 and §5.1). Nothing
/// else assigns `roleState`.
///
/// ```
///              deadline              majority              majority
///  follower ------------> preCandidate -----> candidate ------------> leader
///     ^  ^                    |   |               |                      |
///     |  '--------------------'---'---------------'                      |
///     |     refused, a leader of the term, or a higher term              |
///     '------------------------------------------------------------------'
///           a higher term, no majority in contact, or no longer a member
/// ```
extension RaftCore {
  /// Follows `leader`, or nobody, in `term`. A higher term comes with no vote. The election
  /// deadline stays as it is, but for a leader's: it had none.
  mutating func becomeFollower(
    term: Term, leader: ReplicaID?, now: Instant, into outputs: inout RaftOutputs
  ) {
    if roleState.isLeader { endLeadership(now: now, into: &outputs) }
    if term > persistent.term {
      persistent.enter(term)
      outputs.roleChanged = true
    }
    if roleState != .follower(leader: leader) {
      roleState = .follower(leader: leader)
      outputs.roleChanged = true
    }
  }

  /// Asks for pre-votes: the term stays, so that nothing is lost where the election can't be won.
  /// The answers to earlier questions count no longer, and its own is yes.
  mutating func becomePreCandidate(now: Instant, into outputs: inout RaftOutputs) {
    roleState = .preCandidate
    outputs.roleChanged = true
    election.beginCount()
    election.record(true, from: id)
    election.rearmAfterFailure(now: now)
  }

  /// Enters the next term with its own vote, which counts once it is durable: after a crash the
  /// same term could be entered again.
  mutating func becomeCandidate(now: Instant, into outputs: inout RaftOutputs) {
    persistent.enter(persistent.term.next, votingFor: id)
    roleState = .candidate(ownVote: persistent.durability.nextToken)
    outputs.roleChanged = true
    election.beginCount()
    election.rearm(now: now)
  }

  /// Leads: knows nothing of its peers' logs, and appends an entry of its own term, with which what
  /// came before commits (Raft paper §5.4.2 and §8).
  mutating func becomeLeader(now: Instant, into outputs: inout RaftOutputs) {
    roleState = .leader
    outputs.roleChanged = true
    election.endFastElection()
    rounds.abort(into: &outputs)
    replication.begin(
      as: persistent.configuration, without: id, electedBy: election.grantedBy,
      lastIndex: persistent.log.lastIndex, now: now)
    leadership = Leadership(
      firstIndex: persistent.appendOwn(.noop, payload: Bytes(), wallMilliseconds: 0),
      heartbeatAt: now + settings.heartbeatInterval)
    startFirstRound(now: now, into: &outputs)
  }

  /// Gives leadership up by its own choice: asks the voter with the longest log to campaign, so
  /// that the group need not wait for time-outs.
  mutating func handOverAndFollow(now: Instant, into outputs: inout RaftOutputs) {
    if let successor = replication.bestSuccessor(now: now) {
      askToCampaign(successor, into: &outputs)
    }
    election.quorumHeard(at: now)
    becomeFollower(term: persistent.term, leader: nil, now: now, into: &outputs)
  }

  /// Voters grant a transfer's votes whatever they would withhold, so from here on there is no
  /// lease.
  mutating func askToCampaign(_ replica: ReplicaID, into outputs: inout RaftOutputs) {
    rounds.giveUpLease()
    outputs.send(.timeoutNow, term: persistent.term, to: replica)
  }

  /// Clears what only a leader has; the caller sets the new role. What it appended and did not
  /// commit stays in the log, and its fate is unknown.
  private mutating func endLeadership(now: Instant, into outputs: inout RaftOutputs) {
    outputs.leadershipLost = true
    rounds.abort(into: &outputs)
    election.quorumHeard(at: majorityContact(now: now))
    replication.removePeers()
    leadership = .none
    election.rearm(now: now)
  }

  // MARK: Terms

  /// Whether another may name this term. One that is too far above its own is a protocol violation:
  /// once entered it could not be left, for the last number has no next one.
  package func admits(_ term: Term) -> Bool {
    guard term > persistent.term else { return true }
    return term.rawValue - persistent.term.rawValue <= Limits.termJump
      && term.rawValue <= Limits.highestTerm
  }

  /// A message of a higher term: false where it is not to be looked at any further.
  mutating func adoptTerm(
    of message: RaftMessage, from: ReplicaID, now: Instant, into outputs: inout RaftOutputs
  ) -> Bool {
    switch message.body {
    case .voteRequest(let request) where request.isPreVote:
      // The term is one that nobody is in yet.
      return true
    case .voteResponse(let response) where response.isPreVote && response.granted:
      return true
    case .voteRequest(let request) where !request.isTransfer && isWithinLeaderLease(now: now):
      // Neither term nor vote may change while a lease may be in use (dissertation §4.2.3).
      return false
    case .voteRequest, .voteResponse, .appendResponse, .heartbeatResponse, .timeoutNow:
      becomeFollower(term: message.term, leader: nil, now: now, into: &outputs)
      return true
    case .append, .heartbeat:
      becomeFollower(term: message.term, leader: from, now: now, into: &outputs)
      return true
    }
  }

  /// A message of a lower term. Its sender may not know the present one: an answer in it tells.
  func answerStale(
    _ message: RaftMessage, from: ReplicaID, into outputs: inout RaftOutputs
  ) {
    switch message.body {
    case .append, .heartbeat:
      // A leader of an earlier term that can't be heard by the others would else go on without end.
      outputs.send(.heartbeatResponse(.init(round: 0)), term: persistent.term, to: from)
    case .voteRequest(let request):
      outputs.send(
        .voteResponse(.init(isPreVote: request.isPreVote, granted: false)), term: persistent.term,
        to: from)
    case .voteResponse, .appendResponse, .heartbeatResponse, .timeoutNow:
      break
    }
  }

  /// No vote is given while this holds: a leader was accepted so lately that its lease may be
  /// valid, or this replica is the leader. Transfers are exempt, since their leader gave its lease
  /// up.
  func isWithinLeaderLease(now: Instant) -> Bool {
    roleState.isLeader || election.isWithinLeaderLease(now: now)
  }
}
