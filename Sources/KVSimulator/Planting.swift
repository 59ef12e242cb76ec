import KVBase
import KVNodeCore
import KVStorage

/// Faults that can be built in, to show that the checks catch them.
package enum Planting {
  /// The interpreter says that writes are durable before they are.
  static let persistedBeforeSync = "persistedBeforeSync"

  /// What `SimulationOptions.plant` takes, each with a profile that brings it out; empty where the
  /// build has no planted faults.
  package static var all: [(name: String, profile: String)] {
    #if PlantedFaults
      return PlantedFault.allCases.map { ($0.rawValue, profile(for: $0)) }
        + [(persistedBeforeSync, "crash-votes")]
    #else
      return []
    #endif
  }

  #if PlantedFaults
    private static func profile(for fault: PlantedFault) -> String {
      switch fault {
      case .voteBeforePersist, .countLeaderBeforeDurable: "crash-votes"
      case .commitOldTermByCounting: "figure-8"
      case .leaseReadAfterLease: "lease"
      case .forgetSessionsInSnapshot: "snapshot"
      }
    }
  #endif
}

extension Simulation {
  /// Builds the fault of this run into a node that has just started.
  func plant(in node: SimulatedNode) {
    #if PlantedFaults
      guard let name = options.plant, let fault = PlantedFault(rawValue: name) else { return }
      node.core?.plant(fault)
      node.machines.plantedFault = fault
    #endif
  }

  var saysPersistedBeforeSync: Bool {
    #if PlantedFaults
      return options.plant == Planting.persistedBeforeSync
    #else
      return false
    #endif
  }
}
