internal import FaultControl
internal import Glibc

/// Faults of the disk. `pattern` is a part of the paths that a fault is for: `/log/`, `.sst`; where
/// it is empty, all files under the root.
extension FaultHandle {
  /// The next `count` syncs answer EIO, and what they should have made durable never is.
  package func failSyncs(_ count: Int, of pattern: String = "") {
    control.set(FAULT_PATTERN_SYNC, pattern)
    control[FAULT_SYNC_FAILURES] = UInt64(count)
  }

  /// Syncs answer success without having synced: what a disk does that lies, or a program that
  /// forgets to sync. For tests: it shows that a power loss loses what was not synced.
  package func lieAboutSyncs(_ lies: Bool, of pattern: String = "") {
    control.set(FAULT_PATTERN_LIE, pattern)
    control[FAULT_SYNC_LIES] = lies ? 1 : 0
  }

  /// The disk has room for so many more bytes, then answers ENOSPC.
  ///
  /// - Parameter countsOverwrites: also writes that do not make a file longer use the space up, as
  ///   on a file system that never writes in place. Else a file written beforehand can be filled.
  package func limitSpace(
    toBytes bytes: Int, of pattern: String = "", countsOverwrites: Bool = false
  ) {
    control.set(FAULT_PATTERN_SPACE, pattern)
    control[FAULT_SPACE_LEFT] = UInt64(bytes)
    control[FAULT_SPACE_MODE] = countsOverwrites ? 2 : 1
  }

  package func freeSpace() { control[FAULT_SPACE_MODE] = 0 }

  /// Each write and each sync takes that much longer, and up to `jitter` besides. Zeros end it.
  package func slowDisk(
    writeMicroseconds write: Int, syncMicroseconds sync: Int, jitterMicroseconds jitter: Int = 0,
    of pattern: String = ""
  ) {
    control.set(FAULT_PATTERN_SLOW, pattern)
    control[FAULT_DELAY_JITTER_NS] = UInt64(jitter) * 1000
    control[FAULT_WRITE_DELAY_NS] = UInt64(write) * 1000
    control[FAULT_SYNC_DELAY_NS] = UInt64(sync) * 1000
  }

  /// Every sync (and write, where `includesWrites`) from now on waits until that time is over or
  /// `endStall()`. Uses the pattern of `slowDisk`.
  package func stall(
    forMilliseconds length: Int, includesWrites: Bool = false, of pattern: String = ""
  ) {
    control.set(FAULT_PATTERN_SLOW, pattern)
    let until = RealClock.monotonic() + UInt64(length) * 1_000_000
    control[FAULT_SYNC_STALL_UNTIL] = until
    control[FAULT_WRITE_STALL_UNTIL] = includesWrites ? until : 0
  }

  package func endStall() {
    control[FAULT_SYNC_STALL_UNTIL] = 0
    control[FAULT_WRITE_STALL_UNTIL] = 0
  }

  /// So many reads out of a million have one bit of their answer flipped; 0 ends it.
  package func flipReads(perMillion: Int, of pattern: String = "") {
    control.set(FAULT_PATTERN_READ, pattern)
    control[FAULT_READ_FLIPS_PPM] = UInt64(perMillion)
  }

  /// Each read of a file takes that much longer; 0 ends it. Uses the pattern of `flipReads`.
  package func delayReads(byMicroseconds delay: Int, of pattern: String = "") {
    control.set(FAULT_PATTERN_READ, pattern)
    control[FAULT_READ_DELAY_NS] = UInt64(delay) * 1000
  }

  package func healDisk() {
    control[FAULT_SYNC_FAILURES] = 0
    control[FAULT_SYNC_LIES] = 0
    freeSpace()
    slowDisk(writeMicroseconds: 0, syncMicroseconds: 0)
    endStall()
    flipReads(perMillion: 0)
    delayReads(byMicroseconds: 0)
  }
}
