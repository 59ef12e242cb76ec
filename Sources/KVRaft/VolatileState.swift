internal import KVBase

/// How far a replica has committed and applied (Raft paper figure 2, "volatile state on all
/// servers"), and how fresh what it has applied is.
///
/// Entries are handed out to be applied once they are committed and durable here: else the state
/// could be ahead of the log after a crash.
///
/// Invariant: applied ≤ handed out ≤ commit.
struct VolatileState: Sendable {
  private(set) var commitIndex: LogIndex
  /// Handed out to be applied up to here.
  private(set) var handedOutIndex: LogIndex
  private(set) var appliedIndex: LogIndex
  /// A snapshot is about to replace state and log: nothing is appended or handed out.
  private(set) var isInstalling = false
  private var freshness: Freshness
  private(set) var backlog = ApplyBacklog()
  /// What this replica says of itself with its answers to a leader.
  var condition: FollowerCondition = []

  init(applied: LogIndex, random: SeededRandom, now: Instant) {
    freshness = Freshness(random: random, now: now)
    commitIndex = applied
    handedOutIndex = applied
    appliedIndex = applied
  }

  /// True where it rose.
  mutating func advanceCommit(to index: LogIndex) -> Bool {
    guard index > commitIndex else { return false }
    commitIndex = index
    return true
  }

  /// May be applied up to here, given what is durable.
  func applicableIndex(stable: LogIndex) -> LogIndex { min(commitIndex, stable) }

  /// What is to be handed out next; `nil` where nothing is.
  func readyToApply(stable: LogIndex) -> (from: LogIndex, through: LogIndex)? {
    let through = applicableIndex(stable: stable)
    guard handedOutIndex < through, !isInstalling else { return nil }
    return (handedOutIndex.next, through)
  }

  mutating func handOut(through index: LogIndex) {
    precondition(
      index > handedOutIndex && index <= commitIndex,
      "hand out \(index) after \(handedOutIndex), commit \(commitIndex)")
    handedOutIndex = index
  }

  /// True where it rose.
  mutating func applied(through index: LogIndex) -> Bool {
    guard index > appliedIndex else { return false }
    precondition(index <= handedOutIndex, "applied \(index), handed out \(handedOutIndex)")
    appliedIndex = index
    backlog.applied(through: index)
    return true
  }

  // MARK: What waits to be applied

  /// As follower: these entries, new or not, are in the log.
  mutating func received(_ entries: [LogEntry], logEnd: LogIndex) {
    backlog.received(entries, logEnd: logEnd)
  }

  /// Bytes of entries that a leader sent, that are committed, and that are not applied.
  var committedBacklogBytes: Int { backlog.bytes(through: commitIndex) }

  // MARK: Snapshots

  mutating func beginInstall() { isInstalling = true }
  mutating func abandonInstall() { isInstalling = false }

  mutating func installed(through index: LogIndex) {
    isInstalling = false
    commitIndex = index
    handedOutIndex = index
    appliedIndex = index
    backlog = ApplyBacklog()
  }

  // MARK: Freshness

  /// What the next answer to the leader carries, to be given back.
  func stamp(at now: Instant) -> FollowerStamp { freshness.stamp(at: now) }

  /// When this replica took the stamp, nobody had committed more than `commit`.
  mutating func noteLeaderCommit(_ commit: LogIndex, asOf stamp: FollowerStamp, now: Instant) {
    freshness.note(leaderCommit: commit, asOf: stamp, applied: appliedIndex, now: now)
  }

  /// As leader: when a round began that a majority has confirmed, nobody had committed more than is
  /// committed here.
  mutating func noteConfirmedRound(startedAt time: Instant) {
    freshness.note(commit: commitIndex, at: time, applied: appliedIndex)
  }

  /// Nothing that was committed at this time is missing from what is applied; `nil`: not known.
  var asOf: Instant? { freshness.asOf(applied: appliedIndex) }

  /// What must always be true of it; `nil` where it is.
  func brokenInvariant(base: LogIndex, stable: LogIndex, last: LogIndex) -> String? {
    if commitIndex > last { return "commit \(commitIndex) of \(last)" }
    if base > appliedIndex { return "base \(base), applied \(appliedIndex)" }
    if appliedIndex > handedOutIndex {
      return "applied \(appliedIndex), handed out \(handedOutIndex)"
    }
    if handedOutIndex > commitIndex { return "handed out \(handedOutIndex), commit \(commitIndex)" }
    if handedOutIndex > stable && !isInstalling {
      return "handed out \(handedOutIndex), stable \(stable)"
    }
    return nil
  }
}
