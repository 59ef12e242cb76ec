internal import KVBase
internal import KVRaft

/// A leader whose own disk makes no progress gives up its leaderships: alive means "makes
/// progress", and a follower whose disk works does better. Not for a node that is alone, where
/// there is nobody who could.
///
/// A write that takes longer than the limit is stalled. Each stall doubles the limit, since where
/// all disks are that slow stepping down must not be all that is done. What the disk does
/// afterwards halves it again, down to what it was: `steadyTime` of writes none of which took more
/// than a quarter of the limit, so that after the halving there is still twice as much room as
/// they need.
struct DiskWatch: Sendable {
  private static let longestLimit = TimeAmount.seconds(10)
  /// Of good writes, until the limit is halved.
  private static let steadyTime = TimeAmount.milliseconds(500)
  /// Good writes in that time that say enough of the disk.
  private static let steadyWrites = 4

  private let shortestLimit: TimeAmount
  /// A write that takes longer than this is stalled.
  private var limit: TimeAmount
  /// The number of the stalled write.
  private var stalled: UInt64?
  /// Since when all writes have been good, and how many they were.
  private var steady: (since: Instant, writes: Int)?

  init(_ settings: RaftSettings) {
    shortestLimit = settings.electionTimeout * 2
    limit = shortestLimit
  }

  /// A write is done that was begun at `since`.
  mutating func finished(since: Instant, now: Instant) {
    guard limit > shortestLimit else { return }
    guard (now - since) * 4 <= limit else {
      steady = nil
      return
    }
    guard var steady else {
      steady = (now, 1)
      return
    }
    steady.writes += 1
    self.steady = steady
    guard steady.writes >= Self.steadyWrites, now - steady.since >= Self.steadyTime else { return }
    limit = max(shortestLimit, TimeAmount(nanoseconds: limit.nanoseconds / 2))
    self.steady = nil
  }

  /// Whether the disk has begun or ceased to stall; `nil`: no change.
  mutating func tick(
    oldest: (number: UInt64, since: Instant)?, now: Instant, _ outputs: inout NodeOutputs
  ) -> Bool? {
    if let stalled, oldest?.number == stalled { return nil }
    let late = oldest.flatMap { now - $0.since > limit ? $0.number : nil }
    guard (late != nil) != (stalled != nil) else {
      stalled = late
      return nil
    }
    stalled = late
    guard late != nil else {
      outputs.events.append(.note(.warning, "log writes are done again"))
      return false
    }
    outputs.events.append(
      .note(
        .warning,
        "a log write has taken more than \(limit): this node leads nothing until it is done"))
    limit = min(limit * 2, Self.longestLimit)
    steady = nil
    return true
  }
}

/// A leader whose state store can't keep up refuses writes; where that lasts, it hands its
/// leaderships to followers whose stores can.
struct PressureWatch: Sendable {
  private static let limit = TimeAmount.milliseconds(500)

  private var since: Instant?

  mutating func tick(isUnderPressure: Bool, now: Instant) {
    since = isUnderPressure ? since ?? now : nil
  }

  func lasts(now: Instant) -> Bool { since.map { now - $0 >= Self.limit } ?? false }
}
