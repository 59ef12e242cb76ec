internal import Glibc

/// Time since the load of a run began, in nanoseconds. One clock for history, faults and states.
package struct RunClock: Sendable {
  private let beganNanoseconds: UInt64

  package init() { beganNanoseconds = Self.read() }

  package var now: UInt64 { Self.read() &- beganNanoseconds }

  private static func read() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
