/// A replica's part in its group (Raft paper §5.1; pre-candidate: dissertation §9.6).
package enum RaftRole: UInt8, Sendable {
  case follower, preCandidate, candidate, leader, learner
}

/// What happened inside a node: for its log, its `--events` file, and the checks of the harness.
package enum NodeEvent: Sendable {
  case role(group: GroupID, role: RaftRole, term: Term, leader: ReplicaID?)
  case committed(group: GroupID, index: LogIndex)
  case configuration(group: GroupID, index: LogIndex, GroupConfiguration)
  case snapshotInstalled(group: GroupID, index: LogIndex, term: Term)
  case peer(NodeID, connected: Bool)
  /// A connection that somebody opened to this node was closed, and why.
  case connectionRefused(remote: String, String)
  case note(Severity, String)

  package enum Severity: UInt8, Sendable { case info, warning, error }
}
