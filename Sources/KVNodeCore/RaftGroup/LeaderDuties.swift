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
      !target.condition.contains(.unfitToLead), target.state == .replicate, !target.isLearner,
      lastIndex - target.match <= Self.transferLag
    else { return false }
    nextAttempt = now + pause
    pause = min(pause * 2, Self.longestPause)
    return true
  }
}

/// An index that should rise, and since when it has stood still.
private struct Standstill: Sendable {
  private var seen: (index: LogIndex, since: Instant)?

  /// Whether it has stood still for `limit`; only while something waits for it to rise.
  mutating func lasts(
    _ limit: TimeAmount, at index: LogIndex, isWaitedFor: Bool, now: Instant
  ) -> Bool {
    guard isWaitedFor else {
      seen = nil
      return false
    }
    guard let seen, seen.index == index else {
      self.seen = (index, now)
      return false
    }
    guard now - seen.since > limit else { return false }
    self.seen = nil
    return true
  }
}

/// Alive means "makes progress": a leader steps down that for a while
/// - commits nothing of what it has to commit: its followers answer and do not store, and who waits
///   for an answer gets one. Followers that take no entries are no reason, nor is one that a
///   snapshot is on its way to: nobody else could do better, and a new term begins it again;
/// - stores nothing of what is committed: its followers are faster, and its clients wait for its
///   disk;
/// - applies nothing of what it could, where a follower is there that is fit to lead.
struct ProgressWatch: Sendable {
  private static let commitLimit = TimeAmount.seconds(2)
  private static let storeLimit = TimeAmount.seconds(1)
  private static let applyLimit = TimeAmount.seconds(2)

  private var commit = Standstill()
  private var stable = Standstill()
  private var applied = Standstill()

  mutating func mustStepDown(
    _ raft: borrowing RaftCore, applied index: LogIndex, hasFitSuccessor: Bool, now: Instant
  ) -> Bool {
    let isOneOfMany = raft.role == .leader && raft.configuration.voters.count > 1
    let commits = commit.lasts(
      Self.commitLimit, at: raft.commitIndex,
      isWaitedFor: isOneOfMany && raft.lastIndex > raft.commitIndex && raft.majorityTakesEntries
        && !Self.sendsSnapshot(raft, now: now),
      now: now)
    let stores = stable.lasts(
      Self.storeLimit, at: raft.stableIndex,
      isWaitedFor: isOneOfMany && raft.stableIndex < raft.commitIndex, now: now)
    let applies = applied.lasts(
      Self.applyLimit, at: index,
      isWaitedFor: isOneOfMany && hasFitSuccessor
        && index < min(raft.commitIndex, raft.stableIndex), now: now)
    return commits || stores || applies
  }

  /// To a voter that is there: it may be what the majority lacks.
  private static func sendsSnapshot(_ raft: borrowing RaftCore, now: Instant) -> Bool {
    for peer in raft.progress where !peer.isLearner && peer.state == .snapshot {
      if let contact = peer.lastContact, now - contact < commitLimit { return true }
    }
    return false
  }
}

/// Keyspaces that were dropped: the leader of each group proposes an entry that deletes the group's
/// records of them. What is settled costs nothing: the sets are compared by their sizes.
struct DropProposals: Sendable {
  /// Dropped in this group's state.
  private var dropped: KeyspaceIDSet
  /// Proposed by this leader and not applied.
  private var proposed: [KeyspaceID] = []
  /// Both.
  private var known: KeyspaceIDSet

  init(dropped: KeyspaceIDSet) {
    self.dropped = dropped
    known = dropped
  }

  mutating func applied(_ dropped: KeyspaceIDSet) {
    self.dropped = dropped
    known = dropped
    proposed.removeAll { !known.insert($0) }
  }

  mutating func leadershipEnded() {
    proposed.removeAll()
    known = dropped
  }

  /// What is to be proposed now. `all` are those that the map has dropped; what is dropped here is
  /// among them.
  func due(_ all: KeyspaceIDSet) -> [KeyspaceID] {
    guard all.count > known.count else { return [] }
    return all.subtracting(known, limit: Limits.dropsInFlight - proposed.count)
  }

  mutating func noteProposed(_ keyspace: KeyspaceID) {
    proposed.append(keyspace)
    known.insert(keyspace)
  }
}

/// How a leader whose store can't keep up finds one that can.
struct Yielding: Sendable {
  /// From one attempt to the next.
  private static let pause = TimeAmount.seconds(1)

  private var nextAttempt = Instant.zero

  mutating func successor(
    in raft: borrowing RaftCore, _ context: borrowing ShardContext, now: Instant
  ) -> ReplicaID? {
    guard now >= nextAttempt, let best = Self.successor(in: raft),
      context.peers.connection(to: best.node) != nil
    else { return nil }
    nextAttempt = now + Self.pause
    return best
  }

  /// The follower with the longest log of those that are fit to lead and hold all that is
  /// committed.
  static func successor(in raft: borrowing RaftCore) -> ReplicaID? {
    var best: RaftCore.PeerProgress?
    for candidate in raft.progress {
      guard !candidate.isLearner, candidate.state == .replicate, candidate.condition.isEmpty,
        candidate.match >= raft.commitIndex
      else { continue }
      if best.map({ candidate.match > $0.match }) ?? true { best = candidate }
    }
    return best?.replica
  }
}

/// What a group's leader does beside replicating.
struct LeaderDuties: Sendable {
  /// The map's first choice; `nil`: not known yet.
  private var preferredLeader: NodeID?
  private var balance = LeaderBalance()
  private var progress = ProgressWatch()
  private var yielding = Yielding()
  private var drops: DropProposals

  init(dropped: KeyspaceIDSet) { drops = DropProposals(dropped: dropped) }

  mutating func setPreferredLeader(_ node: NodeID?) { preferredLeader = node }

  mutating func roleChanged(isLeader: Bool, leader: NodeID?, now: Instant) {
    if !isLeader { drops.leadershipEnded() }
    balance.roleChanged(
      isLeader: isLeader, preferredLeads: leader != nil && leader == preferredLeader, now: now)
  }

  mutating func makesNoProgress(
    _ raft: borrowing RaftCore, applied: LogIndex, now: Instant
  ) -> Bool {
    progress.mustStepDown(
      raft, applied: applied, hasFitSuccessor: Yielding.successor(in: raft) != nil, now: now)
  }

  /// Who could do better than a leader whose store can't keep up, where it is time to ask.
  mutating func fitSuccessor(
    in raft: borrowing RaftCore, _ context: borrowing ShardContext, now: Instant
  ) -> ReplicaID? {
    yielding.successor(in: raft, context, now: now)
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

  mutating func applied(dropped: KeyspaceIDSet) { drops.applied(dropped) }
  func dropsDue(_ all: KeyspaceIDSet) -> [KeyspaceID] { drops.due(all) }
  mutating func noteDropProposed(_ keyspace: KeyspaceID) { drops.noteProposed(keyspace) }
}
