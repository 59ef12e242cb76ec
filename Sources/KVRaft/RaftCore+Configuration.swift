package import KVBase

/// Changes of membership by joint consensus (Raft paper §6, dissertation §4.3). A configuration is
/// in
/// force from the moment its entry is appended, committed or not.
extension RaftCore {
  package enum ConfigurationRefusal: Error, Sendable {
    case notLeader, transferring
    /// Another change is not committed yet, or the leader has not committed in its own term.
    case inProgress
  }

  /// Moves the group to `voters` and `learners`: a joint configuration where more than learners
  /// change, left by itself once it is committed (dissertation §4.3).
  ///
  /// A voter can't become a learner: it leaves, and comes back as a new replica.
  package mutating func proposeConfiguration(
    voters: [ReplicaID], learners: [ReplicaID], wallMilliseconds: UInt64, now: Instant,
    into outputs: inout RaftOutputs
  ) throws(ConfigurationRefusal) -> LogIndex {
    guard isLeader else { throw .notLeader }
    guard leadership.transfer == nil else { throw .transferring }
    let present = configurations.current
    // A leader that has not committed in its own term may not know the present configuration
    // (the single-server change fault of 2015).
    guard hasCommittedInOwnTerm, present.index <= commit, !present.configuration.isJoint else {
      throw .inProgress
    }
    let old = present.configuration
    let remaining = learners.filter { !old.isVoter($0) }
    let target = GroupConfiguration(voters: voters, learners: remaining)
    precondition(!target.voters.isEmpty, "a configuration without voters")
    let next =
      target.voters == old.voters
      ? target
      : GroupConfiguration(voters: voters, outgoing: old.voters, learners: remaining)
    precondition(
      next.memberCountLimitHolds, "\(next.members.count) replicas in \(group)")
    return appendConfiguration(next, wallMilliseconds: wallMilliseconds, now: now, into: &outputs)
  }

  private mutating func appendConfiguration(
    _ configuration: GroupConfiguration, wallMilliseconds: UInt64, now: Instant,
    into outputs: inout RaftOutputs
  ) -> LogIndex {
    let index = appendOwn(
      .configuration, payload: configuration.encoded, wallMilliseconds: wallMilliseconds)
    configurations.append(configuration, at: index)
    arrangePeers(now: now)
    outputs.configurationChanged = true
    return index
  }

  /// Peers as the configuration in force has them; what is known of those that stay is kept.
  mutating func arrangePeers(now: Instant) {
    let configuration = self.configuration
    isIncomingVoter = configuration.voters.contains(id)
    isOutgoingVoter = configuration.outgoing.contains(id)
    var arranged: [Progress] = []
    for replica in configuration.members where replica != id {
      var peer =
        position(of: replica).map { peers[$0] }
        ?? Progress(replica: replica, next: log.lastIndex.next, now: now)
      peer.isIncomingVoter = configuration.voters.contains(replica)
      peer.isOutgoingVoter = configuration.outgoing.contains(replica)
      arranged.append(peer)
    }
    peers = arranged
  }

  /// What a new commit index means for the configuration: a joint one is left, and a leader that is
  /// no longer a member goes once that is committed (dissertation §4.2.2).
  mutating func afterCommitAsLeader(now: Instant, into outputs: inout RaftOutputs) {
    let present = configurations.current
    guard present.index <= commit, hasCommittedInOwnTerm else { return }
    if present.configuration.isJoint {
      let next = GroupConfiguration(
        voters: present.configuration.voters, learners: present.configuration.learners)
      _ = appendConfiguration(next, wallMilliseconds: 0, now: now, into: &outputs)
    } else if !present.configuration.isVoter(id) {
      // The others should know that it is committed before they elect.
      broadcastHeartbeat(toVotersOnly: false, now: now, into: &outputs)
      askBestToTakeOver(now: now, into: &outputs)
      quorumHeardAt = now
      becomeFollower(term: term, leader: nil, now: now, into: &outputs)
    }
  }
}
