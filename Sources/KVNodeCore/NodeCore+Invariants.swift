internal import KVBase
internal import KVRaft

/// What must always hold of a node: too much for every turn of a real one.
extension NodeCore {
  /// Stops where a replica finds itself broken, or where its core and what stands around it differ.
  package func checkInvariants() {
    for slot in replicas.indices {
      replicas[slot].raft.checkInvariants()
      replicas[slot].checkInvariants()
    }
  }
}

extension Replica {
  fileprivate func checkInvariants() {
    precondition(
      appliedIndex <= raft.commitIndex || isResetting,
      "\(group): applied \(appliedIndex), commit \(raft.commitIndex)")
    precondition(
      isLeader || proposals.isEmpty,
      "\(group): \(proposals.count) proposals wait at a \(raft.role)")
    precondition(
      isLeader || ticketReads.isEmpty,
      "\(group): \(ticketReads.count) reads wait for a round of a \(raft.role)")
  }
}
