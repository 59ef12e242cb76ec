internal import KVBase

/// How many bytes of snapshots a node sends in a tick: as many as its other work leaves room for.
///
/// A busy node's rate falls fast, and an idle one's rises slowly (additive increase, multiplicative
/// decrease). Busy is a node whose log has writes waiting for long, whose state store is under
/// pressure, or whose ticks come late. The rate never falls to nothing: a follower that is not
/// served by the time that its leader's log has gone on by `Limits.transferLogBytes` begins again.
struct SnapshotRate: Sendable {
  private static let busyWrite = TimeAmount.milliseconds(50)
  private static let lateTick = NodeCore.tickInterval * 4

  private var bytesPerTick = Limits.snapshotBytesPerTick
  private var lastTick: Instant?

  mutating func tick(oldestWrite: Instant?, isUnderPressure: Bool, now: Instant) -> Int {
    let isLate = lastTick.map { now - $0 > Self.lateTick } ?? false
    lastTick = now
    let waits = oldestWrite.map { now - $0 > Self.busyWrite } ?? false
    if isLate || waits || isUnderPressure {
      bytesPerTick = max(Limits.lowestSnapshotBytesPerTick, bytesPerTick / 2)
    } else {
      let step = Limits.snapshotBytesPerTick / 64
      bytesPerTick = min(Limits.snapshotBytesPerTick, bytesPerTick + step)
    }
    return bytesPerTick
  }
}
