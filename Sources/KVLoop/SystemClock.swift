internal import Glibc
package import KVBase

/// The node's clocks, read here and given to cores as values.
package enum SystemClock {
  /// Runs while the machine is suspended, so that a lease is over after a long sleep.
  package static func instant() -> Instant {
    Instant(nanoseconds: read(CLOCK_BOOTTIME))
  }

  /// Milliseconds since 1970; may jump either way.
  package static func wallMilliseconds() -> UInt64 { read(CLOCK_REALTIME) / 1_000_000 }

  package static func now() -> Now {
    Now(instant: instant(), wallMilliseconds: wallMilliseconds())
  }

  private static func read(_ clock: clockid_t) -> UInt64 {
    var time = timespec()
    let status = unsafe clock_gettime(clock, &time)
    precondition(status == 0, "clock \(clock) answered \(status)")
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
