/// Time as cores see it: values given with each input, never read.

/// A point on a node's monotonic clock, one that runs while the machine is suspended.
@frozen
@usableFromInline
package struct Instant: Hashable, Comparable, Sendable, CustomStringConvertible {
  @usableFromInline package let nanoseconds: UInt64
  @inlinable package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }
  @inlinable package static var zero: Instant { Instant(nanoseconds: 0) }
  /// Later than every instant that a clock shows.
  @inlinable package static var distantFuture: Instant { Instant(nanoseconds: .max) }
  @inlinable package static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }
  @inlinable package static func + (a: Self, b: TimeAmount) -> Self {
    let (sum, overflow) = a.nanoseconds.addingReportingOverflow(b.nanoseconds)
    return overflow ? .distantFuture : Instant(nanoseconds: sum)
  }
  /// That long before; the beginning of time where that is later.
  @inlinable package func earlier(by amount: TimeAmount) -> Self {
    Instant(nanoseconds: nanoseconds > amount.nanoseconds ? nanoseconds - amount.nanoseconds : 0)
  }
  /// The time from `b` to `a`; zero where `a` is the earlier.
  @inlinable package static func - (a: Self, b: Self) -> TimeAmount {
    TimeAmount(nanoseconds: a.nanoseconds > b.nanoseconds ? a.nanoseconds - b.nanoseconds : 0)
  }
  @usableFromInline package var description: String { "\(nanoseconds / 1_000_000)ms" }
}

/// A length of time, never negative.
@frozen
@usableFromInline
package struct TimeAmount: Hashable, Comparable, Sendable, CustomStringConvertible {
  @usableFromInline package let nanoseconds: UInt64
  @inlinable package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }
  @inlinable package static func microseconds(_ n: UInt64) -> Self {
    TimeAmount(nanoseconds: n * 1_000)
  }
  @inlinable package static func milliseconds(_ n: UInt64) -> Self {
    TimeAmount(nanoseconds: n * 1_000_000)
  }
  @inlinable package static func seconds(_ n: UInt64) -> Self {
    TimeAmount(nanoseconds: n * 1_000_000_000)
  }
  @inlinable package static var zero: TimeAmount { TimeAmount(nanoseconds: 0) }
  @inlinable package var milliseconds: UInt64 { nanoseconds / 1_000_000 }
  @inlinable package var microseconds: UInt64 { nanoseconds / 1_000 }
  @inlinable package static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }
  @inlinable package static func + (a: Self, b: Self) -> Self {
    TimeAmount(nanoseconds: a.nanoseconds + b.nanoseconds)
  }
  @inlinable package static func * (a: Self, b: UInt64) -> Self {
    TimeAmount(nanoseconds: a.nanoseconds * b)
  }
  @usableFromInline package var description: String {
    switch nanoseconds {
    case 10_000_000_000...: "\(nanoseconds / 1_000_000_000) s"
    case 1_000_000...: "\(nanoseconds / 1_000_000) ms"
    case 1_000...: "\(nanoseconds / 1_000) µs"
    case 0: "0 ms"
    default: "\(nanoseconds) ns"
    }
  }
}

/// What a core is told about the time with every input.
@frozen
@usableFromInline
package struct Now: Sendable {
  /// For intervals: time-outs, leases, latencies.
  @usableFromInline package let instant: Instant
  /// Milliseconds since 1970 on the node's wall clock: for log time only, and never trusted.
  @usableFromInline package let wallMilliseconds: UInt64
  @inlinable package init(instant: Instant, wallMilliseconds: UInt64) {
    self.instant = instant
    self.wallMilliseconds = wallMilliseconds
  }
}
