/// The stamps of one follower at its leader, on their way back to it.
///
/// A stamp may be given back once a majority has confirmed a round that began after the stamp came:
/// then no other leader had committed anything when it was taken, and this one's commit index
/// covers what earlier ones had. Two are kept while they wait, the older one and the newest: were
/// it only the newest, answers that come faster than rounds are confirmed would replace it for
/// ever.
struct StampEcho: Sendable {
  private struct Received: Sendable {
    var stamp: FollowerStamp
    /// The latest round that had begun when it came: a later one must be confirmed.
    var round: UInt64
  }

  private var older: Received?
  private var newest: Received?
  /// To be given back.
  private(set) var confirmed: FollowerStamp?

  mutating func received(_ stamp: FollowerStamp, during round: UInt64) {
    if older == nil {
      older = Received(stamp: stamp, round: round)
    } else {
      newest = Received(stamp: stamp, round: round)
    }
  }

  /// A majority has confirmed rounds up to and including this one.
  mutating func confirm(through round: UInt64) {
    while let first = older, first.round < round {
      confirmed = first.stamp
      older = newest
      newest = nil
    }
  }
}
