internal import KVBase

/// What must always hold of a replica.
extension RaftCore {
  /// Another replica did what Raft rules out: stops, or where a fault was planted on purpose notes
  /// it for the checks to find, and answers false.
  mutating func protocolViolation(_ message: String) -> Bool {
    #if PlantedFaults
      if plantedFault != nil {
        if violations.count < 64 { violations.append(describe(message)) }
        return false
      }
    #endif
    preconditionFailure(describe(message))
  }

  private func describe(_ message: String) -> String {
    "\(group) \(id) term \(persistent.term): \(message)"
  }

  #if PlantedFaults
    func has(_ fault: PlantedFault) -> Bool { plantedFault == fault }
  #endif

  /// Each part's own invariants, and those between them.
  func checkParts() {
    let last = persistent.log.lastIndex
    check(persistent.brokenInvariant)
    check(
      volatile.brokenInvariant(
        base: persistent.log.baseIndex, stable: persistent.stableIndex, last: last))
    check(rounds.brokenInvariant)
    check(leadership.brokenInvariant)
    check(replication.brokenInvariant(lastIndex: last, round: rounds.current))
    guard roleState.isLeader else {
      stopUnless(replication.peers.isEmpty, "peers of a \(roleState)")
      stopUnless(!leadership.isTransferring, "a transfer by a \(roleState)")
      return
    }
    stopUnless(persistent.hardState.vote == id, "leads without its own vote")
    stopUnless(
      persistent.log.lastTerm == persistent.term,
      "leads with a last entry of term \(persistent.log.lastTerm)")
    let members = persistent.configuration.members.filter { $0 != id }
    stopUnless(
      replication.peers.map(\.replica) == members,
      "peers \(replication.peers.map(\.replica)) of \(members)")
  }

  private func check(_ broken: String?) {
    if let broken { stopUnless(false, broken) }
  }

  private func stopUnless(_ condition: Bool, _ message: @autoclosure () -> String) {
    precondition(condition, describe(message()))
  }
}
