package import KVSimulator

/// What many runs came to.
package struct SimulationSummary: Sendable {
  package private(set) var runs = 0
  package private(set) var violated: [UInt64] = []
  package private(set) var undecided: [UInt64] = []
  package private(set) var simulatedNanoseconds: UInt64 = 0
  package private(set) var counts = SimulationCounts()
  package private(set) var faults = [FaultCount](
    repeating: FaultCount(), count: FaultKind.allCases.count)
  private var slowestRecovery: UInt64 = 0

  package init() {}

  /// Every profile flushes and compacts well before that, and every one with faults installs
  /// snapshots.
  private static let operationsThatFillALog: UInt64 = 10_000
  /// Of so many of a kind, a third must have bitten: those that wait for something, such as an
  /// election, and those that are about a leader where nobody leads, miss often.
  private static let faultsToJudge: UInt64 = 12
  /// Of so many of a kind, one in so many must have succeeded.
  private static let triesToJudge: UInt64 = 40
  private static let triesPerSuccess: UInt64 = 20

  package mutating func add(_ report: SimulationReport) {
    runs += 1
    if !report.violations.isEmpty { violated.append(report.seed) }
    if !report.undecided.isEmpty { undecided.append(report.seed) }
    simulatedNanoseconds += report.simulatedNanoseconds
    slowestRecovery = max(slowestRecovery, report.recoveryNanoseconds)
    for kind in faults.indices {
      faults[kind].injected += report.faults[kind].injected
      faults[kind].bit += report.faults[kind].bit
    }
    counts.add(report.counts)
  }

  /// A run that proves nothing: clients learned too little, or a kind of fault never had an effect.
  package var problems: [String] {
    var found: [String] = []
    let answered = counts.definite + counts.unknown + counts.refusals
    if counts.definite * 2 < answered || counts.definite < UInt64(runs) * 20 {
      found.append(
        "\(counts.definite) of \(answered) operations had a definite outcome: too few to judge")
    }
    if counts.definite >= Self.operationsThatFillALog {
      // Recovery was always from the whole log, and no follower needed a snapshot.
      if counts.compactions == 0 {
        found.append("\(counts.definite) operations, and no log was ever compacted")
      } else if counts.snapshotsInstalled == 0, faults.contains(where: { $0.injected > 0 }) {
        // Without faults no follower is behind the compacted log.
        found.append("\(counts.definite) operations, and no snapshot was ever installed")
      }
    }
    for kind in OperationKind.allCases {
      let count = counts.kinds[kind.index]
      // Reads alone can make up what is definite.
      if count.tried >= Self.triesToJudge, count.succeeded * Self.triesPerSuccess < count.tried {
        found.append("\(count.succeeded) of \(count.tried) \(kind.rawValue) operations succeeded")
      }
      if counts.definite >= Self.operationsThatFillALog, count.tried == 0 {
        found.append("no \(kind.rawValue) operation was tried")
      }
    }
    for kind in FaultKind.allCases {
      let count = faults[kind.index]
      if count.injected >= 5, count.bit == 0 {
        found.append("\(kind.rawValue) was injected \(count.injected) times and never bit")
      } else if count.injected >= Self.faultsToJudge, count.bit * 3 < count.injected {
        found.append(
          "\(kind.rawValue) was injected \(count.injected) times and bit \(count.bit) times only")
      }
    }
    return found
  }

  package func lines(realSeconds: Double) -> [String] {
    let simulated = Double(simulatedNanoseconds) / 1e9
    var lines = [
      "\(runs) runs, \(Tenths.text(simulated)) simulated seconds "
        + "in \(Tenths.text(realSeconds)) "
        + "real ones: \(Tenths.text(simulated / max(realSeconds, 1e-9))) a second",
      "operations: \(counts.operations), definite \(counts.definite), refused "
        + "\(counts.refusals), unknown \(counts.unknown)",
      "checked: \(counts.entriesChecked) log entries, \(counts.elections) elections, "
        + "\(counts.readsChecked) reads, \(counts.duplicatesSuppressed) retries answered once, "
        + "\(counts.leaseReads) reads by lease, \(counts.imagesCompared) states compared",
      "succeeded: "
        + OperationKind.allCases.map {
          "\($0.rawValue) \(counts.kinds[$0.index].succeeded)/\(counts.kinds[$0.index].tried)"
        }.joined(separator: ", "),
      "nodes: \(counts.starts) starts, \(counts.cleanShutdowns) clean shutdowns, "
        + "\(counts.snapshotsInstalled) snapshots installed in \(counts.snapshotChunks) chunks, "
        + "\(counts.compactions) compactions, \(counts.logReads) reads of the log",
    ]
    let net = counts.network
    lines.append(
      "network: \(net.sent) frames, \(net.lost) lost, \(net.duplicated) doubled, "
        + "\(net.reordered) reordered, \(net.held) held back, \(net.delayed) slowed, "
        + "\(net.lostWithConnection) gone with \(net.connectionsBroken) broken and "
        + "\(net.halfOpened) half-open connections")
    let disk = counts.disk
    lines.append(
      "disks: \(disk.syncs) syncs, \(disk.slowSyncs) slow, \(disk.failedSyncs) failed, "
        + "\(disk.flushes) flushes; crashes lost \(disk.bytesLost) log bytes "
        + "(\(disk.batchesLost) times) and \(disk.stateBatchesLost) state batches")
    let done = FaultKind.allCases.filter { faults[$0.index].injected > 0 }
    if !done.isEmpty {
      lines.append(
        "faults (bit/injected): "
          + done.map {
            "\($0.rawValue) \(faults[$0.index].bit)/\(faults[$0.index].injected)"
          }.joined(separator: ", "))
      lines.append("slowest recovery: \(Tenths.text(Double(slowestRecovery) / 1e9)) s")
    }
    return lines
  }
}
