internal import KVBase
internal import KVLog
internal import KVRaft

/// The log writes that are on their way, in order: one or several for each turn that had anything
/// to write.
struct LogWrites: Sendable {
  private struct Write: Sendable {
    var number: UInt64
    var since: Instant
    var done: Finished
  }

  /// What a write has made durable.
  struct Finished: Sendable {
    var completions: [LogBatch.Completion]
    var bytes: Int
  }

  private var number: UInt64 = 0
  private var open = RingQueue<Write>(limit: Limits.persistsInFlight)

  var isFull: Bool { open.isFull }
  var oldest: (number: UInt64, since: Instant)? { open.first.map { ($0.number, $0.since) } }

  mutating func begin(_ batch: LogBatch, now: Instant) -> UInt64 {
    number += 1
    let done = Finished(completions: batch.completions, bytes: batch.bytes)
    open.append(Write(number: number, since: now, done: done))
    return number
  }

  /// What the oldest write completes, where it is durable.
  mutating func popFinished(through number: UInt64) -> Finished? {
    guard let first = open.first, first.number <= number else { return nil }
    return open.popFirst()?.done
  }
}

/// A leader whose own disk makes no progress gives up its leaderships: alive means "makes
/// progress", and a follower whose disk works does better. Not for a node that is alone, where
/// there is nobody who could.
struct DiskWatch: Sendable {
  private static let longestLimit = TimeAmount.seconds(10)

  /// A write that takes longer than this is stalled.
  private var limit: TimeAmount
  /// The number of the stalled write.
  private var stalled: UInt64?

  init(_ settings: RaftSettings) {
    limit = settings.electionTimeout * 2
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
    // Where all disks are that slow, stepping down must not be all that is done.
    limit = min(limit * 2, Self.longestLimit)
    return true
  }
}
