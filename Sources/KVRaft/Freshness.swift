internal import KVBase

/// When a follower's state was last known to lack nothing: a leader that a majority followed at a
/// time had committed no more than what is applied here now. For reads with a maximum age.
struct Freshness: Sendable {
  private var reached: Instant?
  /// Waits until its commit index is applied, and is replaced by a newer one only then, so that a
  /// follower that always lags a little still has an age.
  private var next: (commit: LogIndex, at: Instant)?

  mutating func note(leaderCommit: LogIndex, at time: Instant, applied: LogIndex) {
    if let waiting = next {
      guard waiting.commit <= applied else { return }
      reached = max(reached ?? .zero, waiting.at)
    }
    next = (leaderCommit, time)
  }

  func asOf(applied: LogIndex) -> Instant? {
    guard let next, next.commit <= applied else { return reached }
    return max(reached ?? .zero, next.at)
  }
}
