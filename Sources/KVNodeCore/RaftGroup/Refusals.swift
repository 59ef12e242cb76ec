internal import KVBase
internal import KVCommand
internal import KVRaft
internal import KVWire

/// What a group says where it can't serve: what failed, why, and what to do.
enum Refusals {
  static func name(of group: GroupID) -> String {
    group.partition.map { "partition \($0.rawValue)" } ?? "the meta group"
  }

  static func shuttingDown(_ node: NodeID, leader: NodeID? = nil) -> Failure {
    Failure(
      .unavailable, .shuttingDown, notStarted: true, "node \(node.rawValue) is shutting down",
      leader: leader, retryAfter: .milliseconds(5))
  }

  /// Where this replica does not lead: who does, or why nobody does.
  static func notLeader(
    of group: GroupID, _ raft: borrowing RaftCore, now: Instant, _ context: ShardContext
  ) -> Failure {
    let name = name(of: group)
    if let leader = raft.leader, leader.node != context.node {
      return Failure(
        .unavailable, .notLeader, notStarted: true,
        "node \(leader.node.rawValue) leads \(name)", leader: leader.node)
    }
    if context.isShuttingDown { return shuttingDown(context.node) }
    if raft.isRemoved { return removed(group, context.node) }
    guard raft.timeWithoutQuorum(now: now) >= context.electionTimeout * 2 else {
      return Failure(
        .unavailable, .noLeader, notStarted: true, "\(name) is electing a leader: retry",
        retryAfter: .milliseconds(20))
    }
    let reachable = context.peers.describe(
      raft.configuration.voters, own: context.node, now: now)
    return Failure(
      .unavailable, .noQuorum, notStarted: true,
      "no quorum for \(name) (\(reachable)): retry, or read with --consistency stale",
      retryAfter: .milliseconds(200))
  }

  static func followersAreFull(of group: GroupID) -> Failure {
    Failure(
      .resourceExhausted, .overloaded, notStarted: true,
      "no majority of the replicas of \(name(of: group)) can take more before it has applied what "
        + "it has: retry later", retryAfter: .milliseconds(50))
  }

  /// Where the client of an encoded command says that it was created later than can be. Its session
  /// would raise the floor above everybody else's creation time when it is evicted.
  ///
  /// A session that there is is not refused here: it was admitted by a leader's clock, and the log
  /// time of its entry, which this leader has seen, is at least what that clock was.
  static func createdAhead(
    _ command: Bytes, in raft: borrowing RaftCore, now: Now, _ context: ShardContext
  ) -> Failure? {
    let created = Command.createdMilliseconds(inEncoded: command)
    let present = max(now.wallMilliseconds, raft.logTimeMilliseconds)
    guard created > present, created - present > Limits.creationAheadMilliseconds else {
      return nil
    }
    #if PlantedFaults
      if raft.plantedFault == .creationTimeUnchecked { return nil }
    #endif
    return Failure(
      .failedPrecondition, .createdAhead, notStarted: true,
      "the client's id was created \(created - present) ms after the present time of node "
        + "\(context.node.rawValue): set the clock of the client's machine", renewAt: present)
  }

  static func leadershipLost(
    of group: GroupID, _ raft: borrowing RaftCore, _ context: ShardContext
  ) -> Failure {
    let leader = raft.leader?.node
    return Failure(
      .unavailable, .leadershipLost, notStarted: false,
      "node \(context.node.rawValue) lost the leadership of \(name(of: group)) before the command "
        + "was committed: it may yet take effect",
      leader: leader == context.node ? nil : leader)
  }

  static func tooOld(age: TimeAmount?, limit: TimeAmount, node: NodeID) -> Failure {
    let what =
      age.map {
        "may be \($0) old, and \(limit) was the limit: give a higher --max-age, or leave it out"
      } ?? "may be of any age, since it has heard of no leader since it started: leave --max-age "
      + "out, or retry once there is a leader"
    return Failure(
      .unavailable, .tooOld, notStarted: true, "what node \(node.rawValue) has \(what)")
  }

  static func readLevel(_ level: Consistency) -> Failure {
    Failure(
      .invalidArgument, .wrongMode, notStarted: true,
      "a cp keyspace has no reads at level \(level.name): use linearizable, quorum, session or "
        + "stale")
  }

  static func unconfirmed(_ group: GroupID, _ node: NodeID) -> Failure {
    Failure(
      .deadlineExceeded, .expired, notStarted: true,
      "no majority confirmed in time that node \(node.rawValue) leads \(name(of: group))")
  }

  static func notApplied(
    _ group: GroupID, applied: LogIndex, required: LogIndex, _ node: NodeID
  ) -> Failure {
    Failure(
      .deadlineExceeded, .expired, notStarted: true,
      "node \(node.rawValue) has applied entry \(applied) of group \(group.rawValue), and "
        + "\(required) was asked for")
  }

  static func beyondLog(
    _ group: GroupID, last: LogIndex, required: LogIndex, _ node: NodeID
  ) -> Failure {
    Failure(
      .outOfRange, .malformed, notStarted: true,
      "entry \(required) of group \(group.rawValue) was asked for, and there is none: the log of "
        + "node \(node.rawValue), which leads it, ends at \(last). Give --after what a receipt of "
        + "this cluster said")
  }

  static func removed(_ group: GroupID, _ node: NodeID, leader: NodeID? = nil) -> Failure {
    Failure(
      .unavailable, .notReplica, notStarted: true,
      "node \(node.rawValue) no longer holds a replica of \(name(of: group))", leader: leader)
  }
}
