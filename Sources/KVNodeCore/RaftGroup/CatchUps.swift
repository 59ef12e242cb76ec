internal import KVBase
internal import KVRaft

/// Followers that have installed a snapshot and lack what followed it. Under load that may be more
/// than a group's share of the log: until they have come within it, what they lack is kept, as it
/// was while the snapshot was on its way. Kept by the leader, for its term.
struct CatchUps: Sendable {
  /// A follower that gets no further for this long is waited for no longer.
  private static let standstillLimit = TimeAmount.seconds(10)

  private struct CatchUp: Sendable {
    let follower: ReplicaID
    var match: LogIndex
    var risenAt: Instant
  }

  private var open: [CatchUp] = []

  mutating func installed(_ follower: ReplicaID, through index: LogIndex, now: Instant) {
    open.removeAll { $0.follower == follower }
    open.append(CatchUp(follower: follower, match: index, risenAt: now))
  }

  /// The entries after it are needed; `nil`: nobody catches up. `share`: the first entry of the
  /// group's share of the log.
  mutating func lowestIndex(
    _ raft: borrowing RaftCore, share: LogIndex?, now: Instant
  ) -> LogIndex? {
    guard !open.isEmpty else { return nil }
    guard raft.role == .leader else {
      open = []
      return nil
    }
    var lowest: LogIndex?
    for at in open.indices.reversed() {
      guard let peer = raft.progress.first(where: { $0.replica == open[at].follower }) else {
        open.remove(at: at)
        continue
      }
      if peer.match > open[at].match {
        open[at].match = peer.match
        open[at].risenAt = now
      }
      let isWithinShare = share.map { open[at].match >= $0.previous } ?? false
      guard !isWithinShare, now - open[at].risenAt < Self.standstillLimit else {
        open.remove(at: at)
        continue
      }
      lowest = min(lowest ?? open[at].match, open[at].match)
    }
    return lowest
  }
}
