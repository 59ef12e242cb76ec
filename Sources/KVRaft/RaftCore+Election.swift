package import KVBase

/// Elections (Raft paper §5.2 and §5.4.1), with pre-vote (dissertation §9.6) and a promise of
/// voters
/// that leases rest on (§6.4.1).
extension RaftCore {
  /// Elections, heartbeats, check-quorum.
  package mutating func tick(now: Instant, into outputs: inout RaftOutputs) {
    switch part {
    case .leader:
      tickLeader(now: now, into: &outputs)
    case .follower(let leader):
      guard now >= electionDeadline else { return }
      if isVoter {
        startPreVote(now: now, into: &outputs)
      } else {
        rearmElection(now: now)
        if leader != nil {
          part = .follower(leader: nil)
          outputs.roleChanged = true
        }
      }
    case .preCandidate, .candidate:
      guard now >= electionDeadline else { return }
      startPreVote(now: now, into: &outputs)
    }
  }

  /// Campaign soon: this replica is the one that should lead a group that has never had a leader.
  package mutating func campaignSoon(now: Instant) {
    guard !isLeader, isVoter else { return }
    hurry(now: now, delayUpTo: .zero)
  }

  /// The connection to a node broke and refuses to reopen: as follower of a replica there, ask for
  /// pre-votes soon instead of waiting for the time-out. Breaks no promise: voters still wait for
  /// the lease to run out.
  package mutating func nodeUnreachable(
    _ node: NodeID, now: Instant, into outputs: inout RaftOutputs
  ) {
    guard case .follower(let leader?) = part, leader.node == node, isVoter else { return }
    hurry(now: now, delayUpTo: ElectionPace.firstDelay)
  }

  private mutating func hurry(now: Instant, delayUpTo: TimeAmount) {
    hurryUntil = now + settings.electionTimeout * 2
    let soon = max(now, promiseUntil) + random.amount(from: .zero, to: delayUpTo)
    electionDeadline = min(electionDeadline, soon)
  }

  /// A random time in [T, 2T), so that two replicas rarely campaign at once.
  mutating func rearmElection(now: Instant) {
    let base = settings.electionTimeout
    electionDeadline =
      now + base + TimeAmount(nanoseconds: random.below(max(1, base.nanoseconds)))
  }

  /// The next try after one that failed: soon where the leader is known to be gone.
  private mutating func rearmAfterFailure(now: Instant) {
    if isHurrying(now) {
      electionDeadline =
        now + random.amount(from: ElectionPace.retryLow, to: ElectionPace.retryHigh)
    } else {
      rearmElection(now: now)
    }
  }

  /// No vote is given while this holds: a leader was accepted so lately that its lease may stand,
  /// or this replica is the leader. Transfers are exempt, since their leader gave its lease up.
  func promiseStands(now: Instant) -> Bool { isLeader || now < promiseUntil }

  /// Asks whether an election could be won, in a term that nobody enters yet.
  mutating func startPreVote(now: Instant, into outputs: inout RaftOutputs) {
    guard !isInstalling else {
      rearmElection(now: now)
      return
    }
    // A candidate is a voter too: its own promise binds it.
    guard now >= promiseUntil else {
      electionDeadline =
        promiseUntil + random.amount(from: .zero, to: ElectionPace.firstDelay)
      return
    }
    part = .preCandidate
    outputs.roleChanged = true
    tally.reset()
    tally.record(true, from: id)
    rearmAfterFailure(now: now)
    if tally.outcome(in: configuration) == .won {
      startElection(isTransfer: false, now: now, into: &outputs)
    } else {
      askForVotes(isPreVote: true, isTransfer: false, into: &outputs)
    }
  }

  /// Enters the next term and asks for votes, once term and own vote are durable. Before that its
  /// own vote doesn't count either: after a crash the same term could be entered again.
  mutating func startElection(
    isTransfer: Bool, now: Instant, into outputs: inout RaftOutputs
  ) {
    hardState = HardState(term: term.next, vote: id)
    persistence.hardStateChanged()
    part = .candidate(ownVote: persistence.nextToken)
    outputs.roleChanged = true
    tally.reset()
    rearmElection(now: now)
    askForVotes(isPreVote: false, isTransfer: isTransfer, into: &outputs)
  }

  private func askForVotes(
    isPreVote: Bool, isTransfer: Bool, into outputs: inout RaftOutputs
  ) {
    let request = RaftMessage.VoteRequest(
      isPreVote: isPreVote, lastIndex: log.lastIndex, lastTerm: log.lastTerm,
      isTransfer: isTransfer)
    let now = configuration
    for voter in now.voters where voter != id { ask(voter, request, into: &outputs) }
    for voter in now.outgoing where voter != id && !now.voters.contains(voter) {
      ask(voter, request, into: &outputs)
    }
  }

  private func ask(
    _ voter: ReplicaID, _ request: RaftMessage.VoteRequest, into outputs: inout RaftOutputs
  ) {
    send(
      .voteRequest(request), to: voter, term: request.isPreVote ? term.next : term,
      after: request.isPreVote ? nil : persistence.outstanding, into: &outputs)
  }

  /// Any replica votes when asked, a learner too: the asker may know a later configuration, in
  /// which this one is a voter (Raft paper §6).
  mutating func handle(
    _ request: RaftMessage.VoteRequest, asking asked: Term, from: ReplicaID, now: Instant,
    into outputs: inout RaftOutputs
  ) {
    if request.isPreVote {
      handlePreVote(request, asking: asked, from: from, now: now, into: &outputs)
      return
    }
    let isFree: Bool
    if let vote = hardState.vote {
      isFree = vote == from
    } else {
      isFree = leader == nil && (request.isTransfer || !promiseStands(now: now))
    }
    let granted = isFree && isUpToDate(request)
    if granted {
      if hardState.vote != from {
        hardState.vote = from
        persistence.hardStateChanged()
      }
      if part == .preCandidate {
        part = .follower(leader: nil)
        outputs.roleChanged = true
      }
      rearmElection(now: now)
    }
    send(
      .voteResponse(.init(isPreVote: false, granted: granted)), to: from,
      after: granted ? voteMayGoAfter : nil, into: &outputs)
  }

  private var voteMayGoAfter: PersistToken? {
    #if PlantedFaults
      if has(.voteBeforePersist) { return nil }
    #endif
    return persistence.outstanding
  }

  private mutating func handlePreVote(
    _ request: RaftMessage.VoteRequest, asking asked: Term, from: ReplicaID, now: Instant,
    into outputs: inout RaftOutputs
  ) {
    let granted = asked > term && !promiseStands(now: now) && isUpToDate(request)
    send(
      .voteResponse(.init(isPreVote: true, granted: granted)), to: from,
      term: granted ? asked : term, into: &outputs)
    // Of two that ask at once the one with the shorter log, or else the lower id, yields, so that
    // they don't split the votes.
    if granted, part == .preCandidate,
      (request.lastTerm, request.lastIndex, from) > (log.lastTerm, log.lastIndex, id)
    {
      part = .follower(leader: nil)
      outputs.roleChanged = true
      rearmAfterFailure(now: now)
    }
  }

  /// Lexicographic by term, then index (Raft paper §5.4.1).
  private func isUpToDate(_ request: RaftMessage.VoteRequest) -> Bool {
    #if PlantedFaults
      if has(.voteWithoutComparingLogs) { return true }
    #endif
    return (request.lastTerm, request.lastIndex) >= (log.lastTerm, log.lastIndex)
  }

  mutating func handle(
    _ response: RaftMessage.VoteResponse, term answered: Term, from: ReplicaID, now: Instant,
    into outputs: inout RaftOutputs
  ) {
    if response.isPreVote {
      guard part == .preCandidate else { return }
      // A grant names the term that was asked for: one for an earlier question doesn't count.
      guard !response.granted || answered == term.next else { return }
      tally.record(response.granted, from: from)
      settlePreVote(now: now, into: &outputs)
    } else {
      guard case .candidate = part, answered == term else { return }
      tally.record(response.granted, from: from)
      settleElection(now: now, into: &outputs)
      // Split votes are tried again soon where the leader is known to be gone.
      if case .candidate = part, !response.granted, isHurrying(now) { rearmAfterFailure(now: now) }
    }
  }

  private mutating func settlePreVote(now: Instant, into outputs: inout RaftOutputs) {
    switch tally.outcome(in: configuration) {
    case .won: startElection(isTransfer: false, now: now, into: &outputs)
    case .lost:
      part = .follower(leader: nil)
      outputs.roleChanged = true
      rearmAfterFailure(now: now)
    case .pending: break
    }
  }

  private mutating func settleElection(now: Instant, into outputs: inout RaftOutputs) {
    #if PlantedFaults
      if has(.electionWithoutMajority) { return becomeLeader(now: now, into: &outputs) }
    #endif
    switch tally.outcome(in: configuration) {
    case .won: becomeLeader(now: now, into: &outputs)
    case .lost:
      becomeFollower(term: term, leader: nil, now: now, into: &outputs)
      rearmAfterFailure(now: now)
    case .pending: break
    }
  }

  /// The candidate's own vote counts once it is durable.
  mutating func countOwnVote(now: Instant, into outputs: inout RaftOutputs) {
    guard case .candidate(let token) = part, persistence.completed >= token else { return }
    tally.record(true, from: id)
    settleElection(now: now, into: &outputs)
  }

  /// Follows `leader`, or nobody, in `term`.
  mutating func becomeFollower(
    term newTerm: Term, leader: ReplicaID?, now: Instant, into outputs: inout RaftOutputs
  ) {
    if isLeader { endLeadership(now: now, into: &outputs) }
    if newTerm > term {
      hardState = HardState(term: newTerm)
      persistence.hardStateChanged()
      outputs.roleChanged = true
    }
    if part != .follower(leader: leader) {
      part = .follower(leader: leader)
      outputs.roleChanged = true
    }
  }
}

/// How quickly elections are tried where the leader is known to be gone.
enum ElectionPace {
  /// Up to this much is waited at first, so that the followers don't all ask at once.
  static var firstDelay: TimeAmount { .milliseconds(30) }
  static var retryLow: TimeAmount { .milliseconds(30) }
  static var retryHigh: TimeAmount { .milliseconds(50) }
}
