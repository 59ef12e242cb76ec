package import KVBase

/// How long to wait before the next try.
///
/// Exponential back-off with jitter: each failure doubles the length, from `shortest` to `longest`,
/// and the wait is drawn from the upper half of that length, so that those that failed together do
/// not come back together.
package struct Backoff: Sendable {
  package let shortest: TimeAmount
  package let longest: TimeAmount
  /// The length of the last wait before its jitter; zero after a success.
  private var length: TimeAmount = .zero
  private var random: SeededRandom

  package init(shortest: TimeAmount, longest: TimeAmount, random: SeededRandom) {
    precondition(
      shortest > .zero && shortest <= longest, "back-off from \(shortest) to \(longest)")
    self.shortest = shortest
    self.longest = longest
    self.random = random
  }

  /// The wait after one more failure.
  package mutating func next() -> TimeAmount {
    length = min(max(length * 2, shortest), longest)
    let half = TimeAmount(nanoseconds: length.nanoseconds / 2)
    return random.amount(from: half, to: length)
  }

  /// A try succeeded: the next failure waits for the shortest length.
  package mutating func reset() { length = .zero }

  /// Nothing failed since the last success. For tests: what shows that `reset` did it.
  package var isReset: Bool { length == .zero }
}
