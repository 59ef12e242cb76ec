internal import KVBase

/// A moment on a follower's own clock, as a number that means nothing to anybody else. A leader
/// gives it back, and only the replica that took it can read it.
package struct FollowerStamp: Hashable, Sendable {
  package let rawValue: UInt64
  package init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// When a replica's state was last known to lack nothing, by its own clock: for reads with a
/// maximum age. A leader knows it by its confirmed rounds, a follower by stamps.
///
/// Each answer to a heartbeat carries a stamp. The leader gives a stamp back, with its commit
/// index, once a majority has confirmed a round that began after the stamp had come (`StampEcho`).
/// So when the stamp was taken nobody had committed more than that, however long stamp or echo were
/// on their way and however long either side was paused: nothing is concluded from when a message
/// arrives (etcd#20418). What is applied up to that index is as fresh as the stamp.
///
/// A stamp is the clock shifted by a random number of this life of the replica, so that one of an
/// earlier life, whose clock began elsewhere, is not taken for one of this.
struct Freshness: Sendable {
  private let offset: UInt64
  private let startedAt: Instant
  private var reached: Instant?
  /// Waits until its commit index is applied, and is replaced by a newer one only then, so that a
  /// follower that always lags a little still has an age.
  private var next: (commit: LogIndex, at: Instant)?

  init(random: SeededRandom, now: Instant) {
    var random = random
    offset = random.next()
    startedAt = now
  }

  func stamp(at now: Instant) -> FollowerStamp {
    FollowerStamp(rawValue: now.nanoseconds &+ offset)
  }

  /// A leader had committed no more than `leaderCommit` when this replica took the stamp. One that
  /// it can't have taken is passed over.
  mutating func note(
    leaderCommit: LogIndex, asOf stamp: FollowerStamp, applied: LogIndex, now: Instant
  ) {
    let time = Instant(nanoseconds: stamp.rawValue &- offset)
    guard time >= startedAt, time <= now else { return }
    note(commit: leaderCommit, at: time, applied: applied)
  }

  /// Nobody had committed more than this at `time`, by this replica's clock.
  mutating func note(commit: LogIndex, at time: Instant, applied: LogIndex) {
    if let waiting = next {
      guard waiting.commit <= applied else { return }
      reached = max(reached ?? .zero, waiting.at)
    }
    next = (commit, time)
  }

  func asOf(applied: LogIndex) -> Instant? {
    guard let next, next.commit <= applied else { return reached }
    return max(reached ?? .zero, next.at)
  }
}
