internal import KVBase
internal import KVLog

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

  /// The oldest write, where it is durable: since when it was on its way, and what it completes.
  mutating func popFinished(through number: UInt64) -> (since: Instant, done: Finished)? {
    guard let first = open.first, first.number <= number else { return nil }
    return open.popFirst().map { ($0.since, $0.done) }
  }
}
