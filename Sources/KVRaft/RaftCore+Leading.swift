internal import KVBase

/// Leading: the followers' answers, the commit index, membership and transfers. Every function here
/// is called on a leader, or returns at once.
extension RaftCore {
  // MARK: Log time

  /// The next entry's is not less: that of the last entry, or a later one that was truncated.
  package var logTimeMilliseconds: UInt64 { persistent.logTime }

  /// The state has reached that log time, by entries of before this process or by a snapshot.
  package mutating func noteLogTime(_ milliseconds: UInt64) {
    persistent.note(logTime: milliseconds)
  }

  mutating func tickAsLeader(now: Instant, into outputs: inout RaftOutputs) {
    leadership.giveUpExpiredTransfer(now: now)
    // Check-quorum (dissertation §6.2): one that reaches no majority makes room, and tells clients.
    if now - majorityContact(now: now) >= settings.electionTimeout {
      becomeFollower(term: persistent.term, leader: nil, now: now, into: &outputs)
      return
    }
    if leadership.beginHeartbeat(now: now, interval: settings.heartbeatInterval) {
      startHeartbeatRound(now: now, into: &outputs)
    }
  }

  /// When a majority, itself counted, was last heard from.
  func majorityContact(now: Instant) -> Instant { replication.majorityContact(now: now) }

  // MARK: Answers

  mutating func handleAppendResponse(
    _ response: RaftMessage.AppendResponse, from: ReplicaID, now: Instant,
    into outputs: inout RaftOutputs
  ) {
    guard roleState.isLeader, let position = replication.position(of: from) else { return }
    heard(fromPeerAt: position, round: response.round, now: now, into: &outputs)
    let hasAdvanced = replication.receive(
      response.outcome, fromPeerAt: position, log: persistent.log, now: now)
    replication.noteCondition(response.condition, ofPeerAt: position)
    if hasAdvanced { matchAdvanced(ofPeerAt: position, now: now, into: &outputs) }
  }

  mutating func handleHeartbeatResponse(
    _ response: RaftMessage.HeartbeatResponse, from: ReplicaID, now: Instant,
    into outputs: inout RaftOutputs
  ) {
    guard roleState.isLeader, let position = replication.position(of: from) else { return }
    heard(fromPeerAt: position, round: response.round, now: now, into: &outputs)
    if let stamp = response.stamp {
      replication.received(
        stamp, fromPeerAt: position, during: rounds.current, confirmed: rounds.confirmed)
    }
    replication.noteCondition(response.condition, ofPeerAt: position)
    replication.receiveHeartbeatResponse(
      fromPeerAt: position, log: persistent.log, heading, now: now, into: &outputs)
  }

  mutating func handleSnapshotEnd(
    at replica: ReplicaID, index: LogIndex?, now: Instant, into outputs: inout RaftOutputs
  ) {
    guard let position = replication.position(of: replica) else { return }
    if replication.snapshotEnded(
      forPeerAt: position, index: index, lastIndex: persistent.log.lastIndex, now: now)
    {
      matchAdvanced(ofPeerAt: position, now: now, into: &outputs)
    }
  }

  private mutating func heard(
    fromPeerAt position: Int, round: UInt64, now: Instant, into outputs: inout RaftOutputs
  ) {
    // No honest peer answers a round that has not begun.
    guard round <= rounds.current else { return }
    if replication.heard(fromPeerAt: position, round: round, now: now) {
      confirmRounds(into: &outputs)
    }
  }

  private mutating func matchAdvanced(
    ofPeerAt position: Int, now: Instant, into outputs: inout RaftOutputs
  ) {
    let replica = replication.peers[position].replica
    if replication.peers[position].match > volatile.commitIndex {
      advanceCommitByMajority(now: now, into: &outputs)
    }
    continueTransfer(to: replica, into: &outputs)
  }

  // MARK: Commit

  /// Commits what a majority holds durably, if it is of this term: an entry of an earlier term on a
  /// majority can still be replaced (Raft paper §5.4.2, figure 8).
  mutating func advanceCommitByMajority(now: Instant, into outputs: inout RaftOutputs) {
    let held = heldByMajority
    guard held > volatile.commitIndex, leadership.hasCommittedInOwnTerm(held) || commitsOldTerms
    else { return }
    advanceCommit(to: held, into: &outputs)
    followUpCommit(now: now, into: &outputs)
  }

  private var heldByMajority: LogIndex {
    #if PlantedFaults
      if has(.commitAtHighestMatch) {
        return replication.peers.map(\.match).reduce(ownMatch, max)
      }
    #endif
    return replication.majorityMatch(own: ownMatch)
  }

  /// Its own copy counts once it is durable, which may be after the followers'.
  private var ownMatch: LogIndex {
    #if PlantedFaults
      if has(.countLeaderBeforeDurable) { return persistent.log.lastIndex }
    #endif
    return persistent.stableIndex
  }

  private var commitsOldTerms: Bool {
    #if PlantedFaults
      return has(.commitOldTermByCounting)
    #else
      return false
    #endif
  }

  /// What a new commit index means for the configuration: a joint one is left, and a leader that is
  /// no longer a member goes once that is committed (dissertation §4.2.2).
  private mutating func followUpCommit(now: Instant, into outputs: inout RaftOutputs) {
    guard persistent.configurationIndex <= volatile.commitIndex,
      leadership.hasCommittedInOwnTerm(volatile.commitIndex)
    else { return }
    if persistent.configuration.isJoint {
      _ = appendConfiguration(
        persistent.configuration.afterJoint, wallMilliseconds: 0, now: now, into: &outputs)
    } else if !persistent.isVoter {
      // The others should know that it is committed before they elect.
      sendHeartbeats(toVotersOnly: false, into: &outputs)
      handOverAndFollow(now: now, into: &outputs)
    }
  }

  // MARK: Membership (Raft paper §6, dissertation §4.3)

  /// A leader that has not committed in its own term may not know the present configuration (the
  /// single-server change fault of 2015).
  var mayChangeConfiguration: Bool {
    leadership.hasCommittedInOwnTerm(volatile.commitIndex)
      && persistent.configurationIndex <= volatile.commitIndex
      && !persistent.configuration.isJoint
  }

  mutating func appendConfiguration(
    movingTo voters: [ReplicaID], learners: [ReplicaID], wallMilliseconds: UInt64, now: Instant,
    into outputs: inout RaftOutputs
  ) throws(ConfigurationRefusal) -> LogIndex {
    guard !voters.isEmpty else { throw .noVoters }
    guard !learners.contains(where: voters.contains) else { throw .voterAndLearner }
    let old = persistent.configuration.voters
    let target = GroupConfiguration(voters: voters, learners: learners)
    let next =
      target.voters == old
      ? target : GroupConfiguration(voters: voters, outgoing: old, learners: learners)
    guard next.memberCountLimitHolds else { throw .tooManyReplicas }
    return appendConfiguration(next, wallMilliseconds: wallMilliseconds, now: now, into: &outputs)
  }

  /// In force from here on, committed or not.
  private mutating func appendConfiguration(
    _ configuration: GroupConfiguration, wallMilliseconds: UInt64, now: Instant,
    into outputs: inout RaftOutputs
  ) -> LogIndex {
    let index = persistent.appendOwn(
      .configuration, payload: configuration.encoded, wallMilliseconds: wallMilliseconds,
      configuration: configuration)
    replication.arrange(
      as: configuration, without: id, lastIndex: persistent.log.lastIndex, now: now)
    outputs.configurationChanged = true
    return index
  }

  // MARK: Transfer (dissertation §3.10)

  mutating func beginTransfer(
    to target: ReplicaID, now: Instant, into outputs: inout RaftOutputs
  ) -> Bool {
    guard persistent.configuration.voters.contains(target),
      let position = replication.position(of: target)
    else { return false }
    if let present = leadership.transferTarget { return present == target }
    guard replication.isInContact(peerAt: position, now: now) else { return false }
    leadership.beginTransfer(to: target, deadline: now + settings.electionTimeout)
    continueTransfer(to: target, into: &outputs)
    return true
  }

  /// Once the target holds all there is, it is told to campaign.
  private mutating func continueTransfer(
    to replica: ReplicaID, into outputs: inout RaftOutputs
  ) {
    guard leadership.isAwaitingTransfer(to: replica),
      let position = replication.position(of: replica),
      replication.peers[position].match == persistent.log.lastIndex
    else { return }
    leadership.transferRequested()
    askToCampaign(replica, into: &outputs)
  }
}
