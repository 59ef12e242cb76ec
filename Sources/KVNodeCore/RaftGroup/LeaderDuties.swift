internal import KVBase
internal import KVRaft

/// When a group's leader hands over to the node that the map prefers: after both have been there
/// for a while, and ever less often where that does not last.
struct LeaderBalance: Sendable {
  /// A leader, and the node that should lead, must have been there for this long.
  static let settlingTime = TimeAmount.seconds(2)
  /// Entries that the next leader may lack when it is asked: proposals are refused until it has
  /// them.
  private static let transferLag = 64
  private static let shortestPause = TimeAmount.seconds(2)
  private static let longestPause = TimeAmount.seconds(60)

  private var leaderSince: Instant?
  private var nextAttempt = Instant.zero
  private var pause = LeaderBalance.shortestPause

  /// The role, the term or the leader changed.
  mutating func roleChanged(isLeader: Bool, preferredLeads: Bool, now: Instant) {
    if isLeader {
      leaderSince = leaderSince ?? now
    } else {
      leaderSince = nil
      if preferredLeads { pause = Self.shortestPause }
    }
  }

  /// Whether leadership should go to `target` now. Notes the attempt.
  mutating func attempts(
    _ target: RaftCore.PeerProgress, lastIndex: LogIndex, now: Instant
  ) -> Bool {
    guard let leaderSince, now - leaderSince > Self.settlingTime, now >= nextAttempt,
      target.state == .replicate, !target.isLearner,
      lastIndex - target.match <= Self.transferLag
    else { return false }
    nextAttempt = now + pause
    pause = min(pause * 2, Self.longestPause)
    return true
  }
}

/// A leader whose followers answer and do not store is of no use, and who waits for an answer gets
/// one: a leader with entries to commit that commits none for a while steps down.
struct CommitWatch: Sendable {
  private static let limit = TimeAmount.seconds(2)

  /// The commit index seen last, and since when it has stood still below the last entry.
  private var stalled: (index: LogIndex, since: Instant)?

  mutating func mustStepDown(commit: LogIndex, hasUncommitted: Bool, now: Instant) -> Bool {
    guard hasUncommitted else {
      stalled = nil
      return false
    }
    guard let stalled, stalled.index == commit else {
      stalled = (commit, now)
      return false
    }
    guard now - stalled.since > Self.limit else { return false }
    self.stalled = nil
    return true
  }
}

/// Keyspaces that were dropped: the leader of each group proposes an entry that deletes the group's
/// records of them.
struct DropProposals: Sendable {
  /// Dropped in this group's state, sorted.
  private var dropped: [KeyspaceID]
  /// Proposed by this leader and not applied.
  private var proposed: [KeyspaceID] = []

  init(dropped: [KeyspaceID]) { self.dropped = dropped }

  mutating func applied(_ dropped: [KeyspaceID]) {
    self.dropped = dropped
    proposed.removeAll { dropped.contains($0) }
  }

  mutating func leadershipEnded() { proposed.removeAll() }

  /// `all` are those that the map has dropped; what is dropped here is among them.
  func isBehind(_ all: [KeyspaceID]) -> Bool { all.count > dropped.count + proposed.count }

  func isDue(_ keyspace: KeyspaceID) -> Bool {
    !dropped.contains(keyspace) && !proposed.contains(keyspace)
  }

  mutating func noteProposed(_ keyspace: KeyspaceID) { proposed.append(keyspace) }
}

/// What a group's leader does beside replicating.
struct LeaderDuties: Sendable {
  /// The map's first choice; `nil`: not known yet.
  private var preferredLeader: NodeID?
  private var balance = LeaderBalance()
  private var commits = CommitWatch()
  private var drops: DropProposals

  init(dropped: [KeyspaceID]) { drops = DropProposals(dropped: dropped) }

  mutating func setPreferredLeader(_ node: NodeID?) { preferredLeader = node }

  mutating func roleChanged(isLeader: Bool, leader: NodeID?, now: Instant) {
    if !isLeader { drops.leadershipEnded() }
    balance.roleChanged(
      isLeader: isLeader, preferredLeads: leader != nil && leader == preferredLeader, now: now)
  }

  mutating func isCommitStalled(commit: LogIndex, hasUncommitted: Bool, now: Instant) -> Bool {
    commits.mustStepDown(commit: commit, hasUncommitted: hasUncommitted, now: now)
  }

  /// Who should take over now, if anybody.
  mutating func successor(
    in raft: borrowing RaftCore, _ context: borrowing ShardContext, now: Instant
  ) -> ReplicaID? {
    guard let preferredLeader, preferredLeader != context.node,
      context.peers.isUp(preferredLeader, for: LeaderBalance.settlingTime, now: now),
      let target = raft.progress.first(where: { $0.replica.node == preferredLeader }),
      balance.attempts(target, lastIndex: raft.lastIndex, now: now)
    else { return nil }
    return target.replica
  }

  mutating func applied(dropped: [KeyspaceID]) { drops.applied(dropped) }
  func hasDropsDue(_ all: [KeyspaceID]) -> Bool { drops.isBehind(all) }
  func isDropDue(_ keyspace: KeyspaceID) -> Bool { drops.isDue(keyspace) }
  mutating func noteDropProposed(_ keyspace: KeyspaceID) { drops.noteProposed(keyspace) }
}
