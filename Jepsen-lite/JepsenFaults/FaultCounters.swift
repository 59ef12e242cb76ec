internal import FaultControl

/// What the library in a node's process counted: the proof that a fault had an effect.
package struct FaultCounters: Hashable, Sendable {
  /// Processes of the node that had the library.
  package var loads: UInt64
  package var writes: UInt64
  package var bytesWritten: UInt64
  /// Of files, answered with success and done.
  package var syncs: UInt64
  package var directorySyncs: UInt64
  /// Names made, changed and removed.
  package var nameChanges: UInt64
  /// Syncs answered with EIO.
  package var syncsFailed: UInt64
  /// Syncs answered with success that were not done.
  package var syncsLied: UInt64
  /// Writes cut short or refused, and files not made, since the disk was full.
  package var spaceRefusals: UInt64
  /// Calls that were slowed, and by how much in all.
  package var delays: UInt64
  package var delayNanoseconds: UInt64
  /// Calls that wait in a stall at this moment, and all that ever did.
  package var stalledNow: UInt64
  package var stalls: UInt64
  package var reads: UInt64
  package var readsFlipped: UInt64
  /// Reads that were made to take longer.
  package var readsDelayed: UInt64
  package var wallReads: UInt64
  package var monotonicReads: UInt64
  /// Reads of a clock that were not answered with the real time.
  package var clockReadsChanged: UInt64
  /// Waits that were shortened or stretched.
  package var waitsChanged: UInt64
  /// What the journal could not follow; a power loss is exact only where all are zero.
  package var journalOverflows: UInt64
  package var sharedMappings: UInt64
  package var untrackedWrites: UInt64
  package var untrackedNames: UInt64
  /// Bytes of the journal that are in use.
  package var journalBytes: UInt64
  package var compactions: UInt64

  init(_ control: ControlFile) {
    loads = control[FAULT_LOADS]
    writes = control[FAULT_WRITES]
    bytesWritten = control[FAULT_BYTES_WRITTEN]
    syncs = control[FAULT_SYNCS]
    directorySyncs = control[FAULT_DIRECTORY_SYNCS]
    nameChanges = control[FAULT_NAME_CHANGES]
    syncsFailed = control[FAULT_SYNCS_FAILED]
    syncsLied = control[FAULT_SYNCS_LIED]
    spaceRefusals = control[FAULT_SPACE_REFUSALS]
    delays = control[FAULT_DELAYS]
    delayNanoseconds = control[FAULT_DELAY_TOTAL_NS]
    stalledNow = control[FAULT_STALLED_NOW]
    stalls = control[FAULT_STALLS]
    reads = control[FAULT_READS]
    readsFlipped = control[FAULT_READS_FLIPPED]
    readsDelayed = control[FAULT_READS_DELAYED]
    wallReads = control[FAULT_WALL_READS]
    monotonicReads = control[FAULT_MONOTONIC_READS]
    clockReadsChanged = control[FAULT_CLOCK_READS_CHANGED]
    waitsChanged = control[FAULT_WAITS_CHANGED]
    journalOverflows = control[FAULT_JOURNAL_OVERFLOWS]
    sharedMappings = control[FAULT_SHARED_MAPPINGS]
    untrackedWrites = control[FAULT_UNTRACKED_WRITES]
    untrackedNames = control[FAULT_UNTRACKED_NAMES]
    journalBytes = control[FAULT_JOURNAL_BYTES]
    compactions = control[FAULT_COMPACTIONS]
  }

  /// What the journal could not follow, in words; empty where a power loss is exact.
  package var caveats: [String] {
    var found: [String] = []
    if journalOverflows > 0 { found.append("the journal was full \(journalOverflows) times") }
    if sharedMappings > 0 { found.append("\(sharedMappings) writable shared mappings") }
    if untrackedWrites > 0 { found.append("\(untrackedWrites) writes past the journal") }
    if untrackedNames > 0 { found.append("\(untrackedNames) changes of names past the journal") }
    return found
  }
}

/// What a process was last shown by clocks that were changed, beside the real time at that moment.
/// Zeros where none was read since the clocks were first changed.
package struct ClockReading: Hashable, Sendable {
  package var wallShown: UInt64
  package var wallReal: UInt64
  package var monotonicShown: UInt64
  package var monotonicReal: UInt64
  package var bootShown: UInt64
  package var bootReal: UInt64

  init(_ control: ControlFile) {
    wallShown = control[FAULT_LAST_WALL_SHOWN]
    wallReal = control[FAULT_LAST_WALL_REAL]
    monotonicShown = control[FAULT_LAST_MONOTONIC_SHOWN]
    monotonicReal = control[FAULT_LAST_MONOTONIC_REAL]
    bootShown = control[FAULT_LAST_BOOT_SHOWN]
    bootReal = control[FAULT_LAST_BOOT_REAL]
  }

  /// How far off the wall clock was: `clock read back: +5.0 s`.
  package var wallOffsetNanoseconds: Int64 { Int64(bitPattern: wallShown &- wallReal) }
  package var monotonicOffsetNanoseconds: Int64 {
    Int64(bitPattern: monotonicShown &- monotonicReal)
  }
  package var bootOffsetNanoseconds: Int64 { Int64(bitPattern: bootShown &- bootReal) }
}
