import KVBase
import KVLog
import KVNodeCore

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
      case .forgetSessionsInSnapshot, .snapshotMissesRecords: "snapshot"
      case .voteWithoutComparingLogs, .commitAtHighestMatch, .acknowledgeBeforeCommit,
        .truncateOnEveryAppend:
        "network"
      case .failedSyncIgnored, .deleteLostOnRestart, .neededSegmentRecycled: "disk"
      case .sessionsIgnored: "sessions"
      case .conditionIgnored, .appliedTwice, .entrySkippedOnOneReplica: "cp"
      case .linkNeverReconnects, .linkWithoutBackoff, .silentPeerUnnoticed: "links"
      }
    }
  #endif
}

extension Simulation {
  #if PlantedFaults
    private func plantedFault(of node: NodeID) -> PlantedFault? {
      guard let fault = options.plant.flatMap({ PlantedFault(rawValue: $0) }) else { return nil }
      return fault.isPlanted(in: node) ? fault : nil
    }
  #endif

  /// Builds the fault of this run into a node that has just started.
  func plant(in node: SimulatedNode) {
    #if PlantedFaults
      guard let fault = plantedFault(of: node.id) else { return }
      node.core?.plant(fault)
      node.machines.plantedFault = fault
    #endif
  }

  /// The same for its log, which outlives its processes.
  func plant(in log: inout LogOptions, of node: NodeID) {
    #if PlantedFaults
      log.plantedFault = plantedFault(of: node)
    #endif
  }

  var saysPersistedBeforeSync: Bool {
    #if PlantedFaults
      return options.plant == PlantedFault.persistedBeforeSync.rawValue
    #else
      return false
    #endif
  }
}
