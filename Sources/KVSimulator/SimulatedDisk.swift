import KVBase

/// What the disks did, so that a run can prove that its faults bit.
package struct DiskCounts: Sendable, Hashable {
  package var syncs: UInt64 = 0
  package var slowSyncs: UInt64 = 0
  package var failedSyncs: UInt64 = 0
  package var flushes: UInt64 = 0
  /// Crashes that found log batches which were not durable, and what became of them.
  package var batchesLost: UInt64 = 0
  package var batchesKept: UInt64 = 0
  package var bytesLost: UInt64 = 0
  package var stateBatchesLost: UInt64 = 0
}

/// How long a node's disk takes.
struct SimulatedDisk {
  var random: SeededRandom
  /// 1: healthy.
  var slowness: UInt64 = 1
  /// Until when nothing ends.
  var stuckUntil: UInt64 = 0
  /// The next sync fails.
  var failsNextSync = false
  var counts = DiskCounts()

  init(random: SeededRandom) {
    self.random = random
  }

  /// When a sync that begins now ends.
  mutating func syncEnds(_ time: UInt64) -> UInt64 {
    counts.syncs += 1
    let draw = random.next()
    var latency = 100_000 + draw & 0x7_FFFF
    if (draw >> 32) & 0x7F == 0 { latency += 5_000_000 + (draw >> 40) & 0x7F_FFFF }
    if slowness > 1 || stuckUntil > time { counts.slowSyncs += 1 }
    return max(time, stuckUntil) + latency * slowness
  }

  mutating func flushEnds(_ time: UInt64) -> UInt64 {
    counts.flushes += 1
    return max(time, stuckUntil) + (500_000 + random.below(5_000_000)) * slowness
  }

  /// When a read that needs the file ends.
  mutating func readEnds(_ time: UInt64) -> UInt64 {
    max(time, stuckUntil) + (50_000 + random.below(500_000)) * slowness
  }
}
