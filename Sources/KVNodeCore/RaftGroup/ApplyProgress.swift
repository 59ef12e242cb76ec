internal import KVBase
internal import KVRaft
internal import KVState

/// How far a replica's state has got: one batch is with the interpreter at a time. It may come back
/// in parts, where some of its entries need records that are not in memory.
///
/// Nobody waits for what a follower applies, so it does so once in a tick: larger batches cost
/// less, and followers' are two thirds of a node's applying. A session read that waits for an index
/// does not wait for the tick.
struct ApplyProgress: Sendable {
  private(set) var index: LogIndex
  private(set) var term: Term
  /// Of everything applied.
  private(set) var digest: UInt64
  private var isApplying = false
  /// A follower applies when a tick has come since it last had applied all that there was.
  private var mayApply = true
  /// The log read whose entries are to be applied.
  private var logRead: UInt64?
  /// The core handed out entries up to here to be read from the log and applied.
  private var readThrough: LogIndex?

  init(_ status: GroupStatus) {
    index = status.appliedIndex
    term = status.appliedTerm
    digest = status.digest
  }

  mutating func ticked() { mayApply = true }

  /// What is to be applied next, where that may begin now. `isUrgent`: somebody waits for it.
  mutating func next(
    from raft: inout RaftCore, isUrgent: Bool, maxBytes: Int
  ) -> RaftCore.NextToApply {
    guard !isApplying, logRead == nil else { return .nothing }
    let isLeader = raft.role == .leader
    guard isLeader || mayApply || isUrgent else { return .nothing }
    if let through = readThrough {
      if index < through { return .readLog(from: index.next, through: through) }
      readThrough = nil
    }
    let next = raft.nextToApply(maxBytes: maxBytes)
    // What a turn has no room for does not wait for the tick: large entries would outrun it.
    mayApply = isLeader || raft.hasMoreToApply
    return next
  }

  /// A batch was given to the interpreter.
  mutating func began() { isApplying = true }

  /// The log is asked for entries to apply.
  mutating func asked(_ read: UInt64) { logRead = read }

  /// Whether the answer to a log read is still wanted.
  mutating func receives(_ read: UInt64, through: LogIndex) -> Bool {
    guard logRead == read else { return false }
    logRead = nil
    readThrough = through
    return true
  }

  /// The interpreter applied a batch, or a part of it: the first index; `nil` where none was asked
  /// for.
  mutating func applied(_ result: ApplyResult) -> LogIndex? {
    guard isApplying else { return nil }
    isApplying = !result.isWhole
    let first = index.next
    index = result.index
    term = result.term
    digest = result.digest
    return first
  }

  /// A snapshot took the place of what was applied.
  mutating func replace(by status: GroupStatus) {
    index = status.appliedIndex
    term = status.appliedTerm
    digest = status.digest
    isApplying = false
    logRead = nil
    readThrough = nil
  }
}
