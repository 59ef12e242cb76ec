internal import KVBase
internal import KVLog

/// The log writes that are on their way, in order: one for each turn that had anything to write.
struct LogWrites: Sendable {
  private struct Write: Sendable {
    var number: UInt64
    var since: Instant
    var completions: [LogBatch.Completion]
  }

  private var number: UInt64 = 0
  private var open = RingQueue<Write>(limit: Limits.persistsInFlight)

  var isFull: Bool { open.isFull }
  var oldest: (number: UInt64, since: Instant)? { open.first.map { ($0.number, $0.since) } }

  mutating func begin(_ completions: [LogBatch.Completion], now: Instant) -> UInt64 {
    number += 1
    open.append(Write(number: number, since: now, completions: completions))
    return number
  }

  /// The oldest write, where it is durable: since when it was on its way, and its completions.
  mutating func popFinished(
    through number: UInt64
  ) -> (since: Instant, completions: [LogBatch.Completion])? {
    guard let first = open.first, first.number <= number else { return nil }
    return open.popFirst().map { ($0.since, $0.completions) }
  }
}
