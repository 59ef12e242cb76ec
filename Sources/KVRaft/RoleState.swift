internal import KVBase

/// What a replica is in its term (Raft paper figure 4, with the pre-candidate of dissertation
/// §9.6), and what only that role needs. A leader's arrays stand beside it in `RaftCore`, so that
/// they are changed in place.
enum RoleState: Sendable, Equatable {
  /// `leader` is `nil` until one of this term is heard from.
  case follower(leader: ReplicaID?)
  case preCandidate
  /// Its own vote counts once this token is durable.
  case candidate(ownVote: PersistToken)
  case leader

  var isLeader: Bool {
    if case .leader = self { return true }
    return false
  }

  /// The leader that a follower follows.
  var followed: ReplicaID? {
    if case .follower(let leader) = self { return leader }
    return nil
  }
}
