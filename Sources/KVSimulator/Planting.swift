import KVBase
import KVLog
import KVNodeCore

#if PlantedFaults
  import KVState
#endif

/// Faults that can be built in, to show that the checks catch them.
package enum Planting {
  /// What `SimulationOptions.plant` takes, each with a profile that brings it out, and the checks
  /// that are there to catch it: another one that fails first does not count. Empty where the build
  /// has no planted faults.
  package static var all: [(name: String, profile: String, checks: [Check])] {
    #if PlantedFaults
      return PlantedFault.allCases.map { ($0.rawValue, profile(for: $0), checks(for: $0)) }
    #else
      return []
    #endif
  }

  #if PlantedFaults
    private static func profile(for fault: PlantedFault) -> String {
      switch fault {
      case .voteBeforePersist, .voteForgottenOnRestart, .countLeaderBeforeDurable,
        .persistedBeforeSync, .skippedSync, .acknowledgeBeforeDurable:
        "crash-votes"
      case .commitOldTermByCounting: "figure-8"
      case .leaseReadAfterLease, .readWithoutMajority, .readBeforeOwnTermCommit,
        .readFromFollower, .electionWithoutMajority:
        "lease"
      case .forgetSessionsInSnapshot, .snapshotMissesRecords, .compactedPastFlush,
        .installBeforeDurable:
        "snapshot"
      case .voteWithoutComparingLogs, .commitAtHighestMatch, .acknowledgeBeforeCommit,
        .truncateOnEveryAppend:
        "network"
      case .failedSyncIgnored, .deleteLostOnRestart, .neededSegmentRecycled, .lostDiskAdmitted,
        .formsWithoutAsking:
        "disk"
      case .sessionsIgnored, .evictedWithoutFloor, .lastUseForgotten,
        .creationTimeUnchecked:
        "sessions"
      case .fingerprintIgnored: "sessions"
      case .ageFromArrival: "stale"
      case .sessionReadTooEarly: "cp"
      case .conditionIgnored, .appliedTwice, .entrySkippedOnOneReplica, .oneEffectLost: "cp"
      case .linkNeverReconnects, .linkWithoutBackoff, .silentPeerUnnoticed: "links"
      }
    }

    private static func checks(for fault: PlantedFault) -> [Check] {
      switch fault {
      case .voteBeforePersist: [.electionSafety, .sentBeforeDurable]
      case .voteForgottenOnRestart: [.durability]
      case .persistedBeforeSync: [.durability, .sentBeforeDurable]
      case .voteWithoutComparingLogs, .commitOldTermByCounting: [.leaderCompleteness]
      // The entries of two leaders of one term may be seen before the second of them is.
      case .electionWithoutMajority: [.electionSafety, .logMatching]
      case .countLeaderBeforeDurable, .commitAtHighestMatch: [.durableMajority]
      case .acknowledgeBeforeDurable: [.durableMajority, .sentBeforeDurable]
      case .acknowledgeBeforeCommit: [.realTime, .linearizability]
      case .truncateOnEveryAppend: [.leaderCompleteness, .durableMajority]
      // A log that lacks entries that the state has applied is refused as it is opened.
      case .skippedSync, .failedSyncIgnored: [.durability, .nodeStopped, .sentBeforeDurable]
      case .neededSegmentRecycled: [.nodeStopped]
      case .leaseReadAfterLease, .readWithoutMajority, .readBeforeOwnTermCommit,
        .readFromFollower:
        [.realTime]
      case .sessionReadTooEarly: [.sessionOrder]
      case .sessionsIgnored: [.exactlyOnce, .commandIdentity]
      case .evictedWithoutFloor: [.exactlyOnce]
      // Replicas that evict different clients answer them differently.
      case .lastUseForgotten: [.stateMachineSafety, .equalState]
      case .creationTimeUnchecked: [.creationTime]
      case .fingerprintIgnored: [.commandIdentity]
      case .ageFromArrival: [.staleness]
      case .conditionIgnored: [.stateMachineSafety]
      case .forgetSessionsInSnapshot: [.stateMachineSafety, .equalState]
      case .snapshotMissesRecords, .entrySkippedOnOneReplica, .deleteLostOnRestart, .appliedTwice:
        [.stateMachineSafety, .readContent, .equalState]
      case .oneEffectLost: [.equalState]
      // The log begins after what the state has after a crash.
      case .compactedPastFlush, .installBeforeDurable: [.nodeStopped]
      // What it acknowledged before may be missed before it is seen to be let in.
      case .lostDiskAdmitted, .formsWithoutAsking: [.admission, .stateMachineSafety]
      case .linkNeverReconnects, .silentPeerUnnoticed: [.connection]
      case .linkWithoutBackoff: [.backoff]
      }
    }
  #endif
}

extension SimulationOptions {
  #if PlantedFaults
    fileprivate func plantedFault(of node: NodeID) -> PlantedFault? {
      guard let fault = plant.flatMap({ PlantedFault(rawValue: $0) }) else { return nil }
      return fault.isPlanted(in: node) ? fault : nil
    }

    /// Another one for each seed, among those of the first seconds.
    fileprivate var plantedEntry: PlantedEntry {
      var random = SeededRandom(seed: seed &+ 0x0E11)
      return PlantedEntry(
        group: GroupID(1 + UInt32(random.below(UInt64(profile.partitions)))),
        index: LogIndex(5 + random.below(150)))
    }
  #endif

  /// Builds the fault of this run into a node's log, which outlives its processes.
  func plant(in log: inout LogOptions, of node: NodeID) {
    #if PlantedFaults
      log.plantedFault = plantedFault(of: node)
    #endif
  }

  var saysPersistedBeforeSync: Bool {
    #if PlantedFaults
      return plant == PlantedFault.persistedBeforeSync.rawValue
    #else
      return false
    #endif
  }
}

extension SimulatedNode {
  /// The same for the node, which has just started.
  func plant(_ options: SimulationOptions) {
    #if PlantedFaults
      guard let fault = options.plantedFault(of: id) else { return }
      process.plant(fault)
      state.machines.plantedFault = fault
      state.machines.plantedEntry = options.plantedEntry
    #endif
  }
}
