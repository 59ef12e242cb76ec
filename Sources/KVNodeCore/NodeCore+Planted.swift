#if PlantedFaults
  package import KVBase
  internal import KVRaft

  extension NodeCore {
    /// Builds a fault into every replica of this node.
    package mutating func plant(_ fault: PlantedFault) {
      for slot in replicas.indices { replicas[slot].raft.plantedFault = fault }
    }
  }
#endif
