/// How often each kind of fault was carried out, and how often it had an effect.
package struct FaultCount: Hashable, Sendable {
  package var injected: UInt64 = 0
  package var bit: UInt64 = 0

  package init() {}
}

/// What happened in a run, counted.
package struct SimulationCounts: Hashable, Sendable {
  package var operations: UInt64 = 0
  package var definite: UInt64 = 0
  package var refusals: UInt64 = 0
  package var unknown: UInt64 = 0
  package var events: UInt64 = 0
  package var starts: UInt64 = 0
  package var cleanShutdowns: UInt64 = 0
  package var compactions: UInt64 = 0
  package var logReads: UInt64 = 0
  package var snapshotChunks: UInt64 = 0
  package var snapshotsInstalled: UInt64 = 0
  package var framesWithoutConnection: UInt64 = 0
  package var elections: UInt64 = 0
  package var entriesChecked: UInt64 = 0
  package var readsChecked: UInt64 = 0
  package var duplicatesSuppressed: UInt64 = 0
  package var leaseReads: UInt64 = 0
  package var network = NetworkCounts()
  package var disk = DiskCounts()

  package init() {}
}

/// The end of one run.
package struct SimulationReport: Sendable {
  package var seed: UInt64
  package var profile: String
  package var simulatedNanoseconds: UInt64
  package var violations: [Violation]
  /// Keys whose histories the checker gave up on.
  package var undecided: [String]
  package var counts: SimulationCounts
  /// By `FaultKind.index`.
  package var faults: [FaultCount]
  package var traceHash: UInt64
  package var traceLines: [String]
  package var history: [HistoryOperation]
  package var plan: FaultPlan
  /// From the last fault's end until every key could be read again.
  package var recoveryNanoseconds: UInt64
}
