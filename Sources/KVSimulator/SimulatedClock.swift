import KVBase

/// A machine's clocks: a monotonic one that runs at a rate of its own, and a wall clock that may
/// jump.
struct SimulatedClock: Sendable {
  /// Milliseconds since 1970 at the beginning of every run.
  static let wallStart: UInt64 = 1_700_000_000_000

  private var anchorTrue: UInt64 = 0
  private var anchorLocal: UInt64
  private(set) var partsPerMillion: Int64
  private var wallOffsetMilliseconds: Int64

  init(start: UInt64, partsPerMillion: Int64, wallOffsetMilliseconds: Int64) {
    anchorLocal = start
    self.partsPerMillion = partsPerMillion
    self.wallOffsetMilliseconds = wallOffsetMilliseconds
  }

  private func local(at time: UInt64) -> UInt64 {
    let elapsed = Int64(time - anchorTrue)
    return anchorLocal + UInt64(elapsed + elapsed / 1_000 * partsPerMillion / 1_000)
  }

  func now(at time: UInt64) -> Now {
    let wall = Int64(Self.wallStart + time / 1_000_000) + wallOffsetMilliseconds
    return Now(
      instant: Instant(nanoseconds: local(at: time)), wallMilliseconds: UInt64(max(0, wall)))
  }

  mutating func setRate(partsPerMillion: Int64, at time: UInt64) {
    anchorLocal = local(at: time)
    anchorTrue = time
    self.partsPerMillion = partsPerMillion
  }

  mutating func jumpWall(milliseconds: Int64) {
    wallOffsetMilliseconds += milliseconds
  }
}
