internal import KVBase
internal import KVRaft

/// What a replica has to apply, held against its bound and the node's: what it tells its leader of
/// itself (`FollowerCondition`).
struct FollowerBacklog: Sendable {
  /// What the node's sum has of this replica.
  private var counted = 0
  /// It takes no entries until half of its bound is applied.
  private var isFull = false

  mutating func condition(
    _ raft: borrowing RaftCore, _ context: inout ShardContext
  ) -> FollowerCondition {
    let bytes = raft.backlogBytes
    context.backlogBytes += bytes - counted
    counted = bytes
    // Counted run by run only where there is much.
    let mayBeFull = bytes >= Limits.smallBacklogBytes
    let committed = mayBeFull ? raft.committedBacklogBytes : 0
    let isNodeFull = context.backlogBytes > Limits.nodeBacklogBytes
    let bound = isFull ? Limits.backlogBytes / 2 : Limits.backlogBytes
    isFull = committed > bound || isNodeFull && committed >= Limits.smallBacklogBytes
    var condition: FollowerCondition = isFull ? .takesNoEntries : []
    if context.isDiskStalled || context.isUnderPressure { condition.insert(.unfitToLead) }
    return condition
  }

  /// The replica leaves the node.
  mutating func close(_ context: inout ShardContext) {
    context.backlogBytes -= counted
    counted = 0
  }
}

/// Who lets others campaign first: a replica that can't store or apply what is committed would make
/// a poor leader. Where nobody else comes, it campaigns all the same.
enum Candidacy {
  /// In election time-outs.
  private static let deference: UInt64 = 8

  /// Whether the core may be told that time has passed. A node whose disk is stalled lets nothing
  /// happen that would have to be written.
  static func mayTick(
    _ raft: borrowing RaftCore, _ context: borrowing ShardContext, now: Instant
  ) -> Bool {
    guard !context.isDiskStalled else { return false }
    guard raft.role != .leader, context.isUnderPressure || raft.stableIndex < raft.commitIndex
    else { return true }
    return raft.timeWithoutQuorum(now: now) >= context.electionTimeout * deference
  }
}
