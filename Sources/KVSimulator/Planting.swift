import KVBase
import KVLog
import KVNodeCore

#if PlantedFaults
  import KVState
#endif

/// Faults that can be built in, to show that the checks catch them.
package enum Planting {
  /// What `SimulationOptions.plant` takes, each with a profile that brings it out; empty where the
  /// build has no planted faults.
  package static var all: [(name: String, profile: String)] {
    #if PlantedFaults
      return PlantedFault.allCases.map { ($0.rawValue, profile(for: $0)) }
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
      case .sessionsIgnored: "sessions"
      case .conditionIgnored, .appliedTwice, .entrySkippedOnOneReplica: "cp"
      case .linkNeverReconnects, .linkWithoutBackoff, .silentPeerUnnoticed: "links"
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
    #endif
  }
}
