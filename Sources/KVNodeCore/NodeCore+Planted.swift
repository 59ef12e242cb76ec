#if PlantedFaults
  package import KVBase
  internal import KVCommand
  internal import KVRaft
  internal import KVWire

  extension NodeCore {
    /// Builds a fault into this node and every replica of it.
    package mutating func plant(_ fault: PlantedFault) {
      plantedFault = fault
      for slot in replicas.indices { replicas[slot].raft.plantedFault = fault }
    }

    /// Tells a client that its write was done as soon as it is proposed. True where it was told.
    func acknowledgesEarly(
      _ encoded: Bytes, _ caller: Caller, index: LogIndex, slot: Int,
      into outputs: inout NodeOutputs
    ) -> Bool {
      guard plantedFault == .acknowledgeBeforeCommit,
        case .mutate(_, _, .put(let put))? = (try? Command(decoding: encoded))?.body,
        put.condition == .always
      else { return false }
      let receipt = Receipt(
        served: .commit, node: configuration.node, group: replicas[slot].group,
        term: replicas[slot].raft.term, index: index, replicas: 1)
      reply(caller, .applied(.written(version: index), receipt), into: &outputs)
      return true
    }
  }
#endif
