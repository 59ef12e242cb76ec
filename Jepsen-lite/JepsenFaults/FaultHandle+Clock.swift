internal import FaultControl
internal import Glibc
internal import KVBase

/// The clocks of this machine, as the harness itself reads them.
package enum RealClock {
  package static func monotonic() -> UInt64 { read(CLOCK_MONOTONIC) }
  package static func wall() -> UInt64 { read(CLOCK_REALTIME) }

  private static func read(_ clock: clockid_t) -> UInt64 {
    var time = timespec()
    let status = unsafe clock_gettime(clock, &time)
    precondition(status == 0, "clock \(clock) answered \(status)")
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}

/// Faults of the clocks. All are about what the process reads; how long it really waits is
/// unchanged unless `setRate` is told otherwise.
extension FaultHandle {
  /// The wall clock is that far off from now on: not added to what was set before.
  package func setWallOffset(milliseconds: Int) {
    change { control.set(FAULT_WALL_OFFSET_NS, signed: Int64(milliseconds) * 1_000_000) }
  }

  /// The wall clock jumps there and back: that far off in every other stretch of `period`.
  package func strobeWall(milliseconds: Int, periodMilliseconds period: Int) {
    change {
      control.set(FAULT_STROBE_OFFSET_NS, signed: Int64(milliseconds) * 1_000_000)
      control[FAULT_STROBE_PERIOD_NS] = UInt64(period) * 1_000_000
    }
  }

  /// The monotonic clocks (`CLOCK_MONOTONIC`, `_RAW`, `_COARSE`, `CLOCK_BOOTTIME`) run that much
  /// faster, or slower where negative; above -1,000,000. Continuous: they never go back.
  ///
  /// - Parameter scalesWaits: time-outs of epoll_wait, poll and sleeps shrink or grow with it, as
  ///   they would on a machine with such an oscillator. Else they stay real.
  package func setRate(partsPerMillion rate: Int, scalesWaits: Bool = false) {
    precondition(rate > -1_000_000, "a rate of \(rate) ppm: a clock does not stand or run back")
    change {
      anchor()
      control.set(FAULT_RATE_PPM, signed: Int64(rate))
      control[FAULT_SCALE_WAITS] = scalesWaits ? 1 : 0
    }
  }

  /// The monotonic clocks jump forward, as after a suspended machine wakes. For tests: no nemesis
  /// suspends a machine.
  package func jumpMonotonic(milliseconds: Int) {
    precondition(milliseconds >= 0, "a jump of \(milliseconds) ms: a monotonic clock can't go back")
    change {
      let shift = control.signed(FAULT_RATE_SHIFT_NS)
      control.set(FAULT_RATE_SHIFT_NS, signed: shift + Int64(milliseconds) * 1_000_000)
    }
  }

  /// The wall clock is right again; the monotonic ones run at their right rate from where they are.
  package func healClocks() {
    setWallOffset(milliseconds: 0)
    strobeWall(milliseconds: 0, periodMilliseconds: 0)
    setRate(partsPerMillion: 0)
  }

  /// All clocks are real again. Only between two processes of the node: it may set them back.
  /// For tests: in a run the clocks are healed, and never go back.
  package func resetClocks() {
    healClocks()
    change { control.set(FAULT_RATE_SHIFT_NS, signed: 0) }
  }

  /// How far off the monotonic clocks should be now, by what was set.
  package var monotonicOffsetNanoseconds: Int64 {
    let since = Int64(RealClock.monotonic()) - control.signed(FAULT_RATE_ANCHOR_NS)
    let rate = control.signed(FAULT_RATE_PPM)
    return control.signed(FAULT_RATE_SHIFT_NS)
      + (since / 1_000_000 * rate + since % 1_000_000 * rate / 1_000_000)
  }

  /// What the process was last shown by clocks that were changed.
  package var clockReading: ClockReading { ClockReading(control) }

  /// Makes what the rate has added so far a part of the shift, and counts from now.
  private func anchor() {
    let shift = monotonicOffsetNanoseconds
    control.set(FAULT_RATE_SHIFT_NS, signed: shift)
    control[FAULT_RATE_ANCHOR_NS] = RealClock.monotonic()
  }

  /// Readers try again while the sequence is odd or has moved.
  private func change(_ body: () -> Void) {
    changes.withLock { _ in
      control[FAULT_CLOCK_SEQUENCE] += 1
      body()
      let settings = [
        FAULT_WALL_OFFSET_NS, FAULT_STROBE_OFFSET_NS, FAULT_RATE_SHIFT_NS, FAULT_RATE_PPM,
      ]
      control[FAULT_CLOCK_ACTIVE] = settings.contains { control[$0] != 0 } ? 1 : 0
      control[FAULT_CLOCK_SEQUENCE] += 1
    }
  }
}
