package import JepsenHistory

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
  /// Requests of which entries waited for records that were not in memory.
  package var parkedApplies: UInt64 = 0
  package var snapshotChunks: UInt64 = 0
  package var snapshotsInstalled: UInt64 = 0
  package var framesWithoutConnection: UInt64 = 0
  package var elections: UInt64 = 0
  package var entriesChecked: UInt64 = 0
  package var readsChecked: UInt64 = 0
  package var duplicatesSuppressed: UInt64 = 0
  package var leaseReads: UInt64 = 0
  package var imagesCompared: UInt64 = 0
  /// By `OperationKind.index`.
  package var kinds = [OperationCount](
    repeating: OperationCount(), count: OperationKind.allCases.count)
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
  /// Each with its victims and its proof.
  package var injected: [InjectedFault]
  package var traceHash: UInt64
  package var traceLines: [String]
  package var history: [HistoryOperation]
  package var plan: FaultPlan
  /// From the last fault's end until every key could be read again.
  package var recoveryNanoseconds: UInt64
}

extension SimulationCounts {
  package mutating func add(_ other: SimulationCounts) {
    operations += other.operations
    definite += other.definite
    refusals += other.refusals
    unknown += other.unknown
    events += other.events
    starts += other.starts
    cleanShutdowns += other.cleanShutdowns
    compactions += other.compactions
    logReads += other.logReads
    snapshotChunks += other.snapshotChunks
    snapshotsInstalled += other.snapshotsInstalled
    framesWithoutConnection += other.framesWithoutConnection
    elections += other.elections
    entriesChecked += other.entriesChecked
    readsChecked += other.readsChecked
    duplicatesSuppressed += other.duplicatesSuppressed
    leaseReads += other.leaseReads
    imagesCompared += other.imagesCompared
    for kind in kinds.indices {
      kinds[kind].tried += other.kinds[kind].tried
      kinds[kind].succeeded += other.kinds[kind].succeeded
    }
    network.add(other.network)
    disk.add(other.disk)
  }
}

extension NetworkCounts {
  mutating func add(_ other: NetworkCounts) {
    sent += other.sent
    delivered += other.delivered
    lost += other.lost
    duplicated += other.duplicated
    reordered += other.reordered
    held += other.held
    lostWithConnection += other.lostWithConnection
    delayed += other.delayed
    connectionsBroken += other.connectionsBroken
    halfOpened += other.halfOpened
    lostHalfOpen += other.lostHalfOpen
  }
}

extension DiskCounts {
  mutating func add(_ other: DiskCounts) {
    syncs += other.syncs
    slowSyncs += other.slowSyncs
    failedSyncs += other.failedSyncs
    flushes += other.flushes
    batchesLost += other.batchesLost
    batchesKept += other.batchesKept
    bytesLost += other.bytesLost
    stateBatchesLost += other.stateBatchesLost
  }
}
