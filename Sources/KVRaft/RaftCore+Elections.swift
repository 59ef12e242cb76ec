internal import KVBase

/// Elections (Raft paper §5.2 and §5.4.1), with pre-vote (dissertation §9.6) and with votes that
/// are withheld while a lease may be valid (§6.4.1).
extension RaftCore {
  /// No leader was heard from, or no majority answered, for an election time-out.
  mutating func electionTimedOut(now: Instant, into outputs: inout RaftOutputs) {
    if case .follower(let leader) = roleState, !persistent.isVoter {
      election.rearm(now: now)
      if leader != nil {
        becomeFollower(term: persistent.term, leader: nil, now: now, into: &outputs)
      }
      return
    }
    startPreVote(now: now, into: &outputs)
  }

  /// Asks whether an election could be won, in a term that nobody enters yet.
  private mutating func startPreVote(now: Instant, into outputs: inout RaftOutputs) {
    guard !volatile.isInstalling else {
      election.rearm(now: now)
      return
    }
    // A candidate is a voter too: it withholds its own vote as well.
    guard !election.isWithinLeaderLease(now: now) else {
      election.rearmAfterLeaderLease()
      return
    }
    becomePreCandidate(now: now, into: &outputs)
    if election.outcome(in: persistent.configuration) == .won {
      startElection(isTransfer: false, now: now, into: &outputs)
    } else {
      requestVotes(isPreVote: true, isTransfer: false, into: &outputs)
    }
  }

  /// Enters the next term and asks for votes, once term and own vote are durable.
  private mutating func startElection(
    isTransfer: Bool, now: Instant, into outputs: inout RaftOutputs
  ) {
    becomeCandidate(now: now, into: &outputs)
    requestVotes(isPreVote: false, isTransfer: isTransfer, into: &outputs)
  }

  /// The leader gave up its lease and asks this replica to campaign: no pre-vote, and the votes are
  /// not withheld.
  mutating func handleTimeoutNow(
    from: ReplicaID, now: Instant, into outputs: inout RaftOutputs
  ) {
    guard roleState.followed == from, persistent.isVoter, !volatile.isInstalling else { return }
    startElection(isTransfer: true, now: now, into: &outputs)
  }

  private func requestVotes(
    isPreVote: Bool, isTransfer: Bool, into outputs: inout RaftOutputs
  ) {
    let request = RaftMessage.VoteRequest(
      isPreVote: isPreVote, lastIndex: persistent.log.lastIndex,
      lastTerm: persistent.log.lastTerm, isTransfer: isTransfer)
    let configuration = persistent.configuration
    for voter in configuration.voters where voter != id {
      requestVote(of: voter, request, into: &outputs)
    }
    for voter in configuration.outgoing
    where voter != id && !configuration.voters.contains(voter) {
      requestVote(of: voter, request, into: &outputs)
    }
  }

  private func requestVote(
    of voter: ReplicaID, _ request: RaftMessage.VoteRequest, into outputs: inout RaftOutputs
  ) {
    outputs.send(
      .voteRequest(request), term: request.isPreVote ? persistent.term.next : persistent.term,
      to: voter, after: request.isPreVote ? nil : persistent.durability.outstanding)
  }

  // MARK: Voting

  /// Any replica votes when asked, a learner too: the asker may know a later configuration, in
  /// which this one is a voter (Raft paper §6).
  mutating func handleVoteRequest(
    _ request: RaftMessage.VoteRequest, term: Term, from: ReplicaID, now: Instant,
    into outputs: inout RaftOutputs
  ) {
    if request.isPreVote {
      handlePreVoteRequest(request, term: term, from: from, now: now, into: &outputs)
      return
    }
    let isFree: Bool
    if let vote = persistent.hardState.vote {
      isFree = vote == from
    } else {
      isFree =
        roleState.followed == nil && !roleState.isLeader
        && (request.isTransfer || !isWithinLeaderLease(now: now))
    }
    let granted = isFree && isUpToDate(request)
    if granted {
      persistent.vote(for: from)
      if roleState == .preCandidate {
        becomeFollower(term: persistent.term, leader: nil, now: now, into: &outputs)
      }
      election.rearm(now: now)
    }
    outputs.send(
      .voteResponse(.init(isPreVote: false, granted: granted)), term: persistent.term, to: from,
      after: granted ? voteIsDurable : nil)
  }

  private var voteIsDurable: PersistToken? {
    #if PlantedFaults
      if has(.voteBeforePersist) { return nil }
    #endif
    return persistent.durability.outstanding
  }

  private mutating func handlePreVoteRequest(
    _ request: RaftMessage.VoteRequest, term: Term, from: ReplicaID, now: Instant,
    into outputs: inout RaftOutputs
  ) {
    let granted =
      term > persistent.term && !isWithinLeaderLease(now: now) && isUpToDate(request)
    outputs.send(
      .voteResponse(.init(isPreVote: true, granted: granted)),
      term: granted ? term : persistent.term, to: from)
    // Of two that ask at once the one with the shorter log, or else the lower id, yields, so that
    // they don't split the votes.
    let log = (persistent.log.lastTerm, persistent.log.lastIndex, id)
    if granted, roleState == .preCandidate, (request.lastTerm, request.lastIndex, from) > log {
      becomeFollower(term: persistent.term, leader: nil, now: now, into: &outputs)
      election.rearmAfterFailure(now: now)
    }
  }

  /// Lexicographic by term, then index (Raft paper §5.4.1).
  private func isUpToDate(_ request: RaftMessage.VoteRequest) -> Bool {
    #if PlantedFaults
      if has(.voteWithoutComparingLogs) { return true }
    #endif
    return (request.lastTerm, request.lastIndex)
      >= (persistent.log.lastTerm, persistent.log.lastIndex)
  }

  // MARK: Counting

  mutating func handleVoteResponse(
    _ response: RaftMessage.VoteResponse, term: Term, from: ReplicaID, now: Instant,
    into outputs: inout RaftOutputs
  ) {
    if response.isPreVote {
      guard roleState == .preCandidate else { return }
      // A grant names the term that was asked for: one for an earlier question doesn't count.
      guard !response.granted || term == persistent.term.next else { return }
      election.record(response.granted, from: from)
      decidePreVote(now: now, into: &outputs)
    } else {
      guard case .candidate = roleState, term == persistent.term else { return }
      election.record(response.granted, from: from)
      decideElection(now: now, into: &outputs)
      // Split votes are tried again soon where the leader is known to be gone.
      if case .candidate = roleState, !response.granted, election.isFast(now: now) {
        election.rearmAfterFailure(now: now)
      }
    }
  }

  /// The candidate's own vote counts once it is durable.
  mutating func countOwnVote(now: Instant, into outputs: inout RaftOutputs) {
    guard case .candidate(let token) = roleState, persistent.durability.completed >= token else {
      return
    }
    election.record(true, from: id)
    decideElection(now: now, into: &outputs)
  }

  private mutating func decidePreVote(now: Instant, into outputs: inout RaftOutputs) {
    switch election.outcome(in: persistent.configuration) {
    case .won: startElection(isTransfer: false, now: now, into: &outputs)
    case .lost: loseElection(now: now, into: &outputs)
    case .pending: break
    }
  }

  private mutating func decideElection(now: Instant, into outputs: inout RaftOutputs) {
    #if PlantedFaults
      if has(.electionWithoutMajority) { return becomeLeader(now: now, into: &outputs) }
    #endif
    switch election.outcome(in: persistent.configuration) {
    case .won: becomeLeader(now: now, into: &outputs)
    case .lost: loseElection(now: now, into: &outputs)
    case .pending: break
    }
  }

  private mutating func loseElection(now: Instant, into outputs: inout RaftOutputs) {
    becomeFollower(term: persistent.term, leader: nil, now: now, into: &outputs)
    election.rearmAfterFailure(now: now)
  }
}
