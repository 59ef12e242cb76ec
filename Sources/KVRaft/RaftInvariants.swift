internal import KVBase

/// What must always hold of a replica.
extension RaftCore {
  func stopUnless(_ condition: Bool, _ message: @autoclosure () -> String) {
    precondition(condition, "\(group) \(id) term \(term): \(message())")
  }

  /// Something that Raft rules out was found: stops, or where a fault was planted on purpose notes
  /// it for the checks to find, and answers false.
  mutating func violated(_ message: String) -> Bool {
    #if PlantedFaults
      if plantedFault != nil {
        if violations.count < 64 { violations.append("\(group) \(id) term \(term): \(message)") }
        return false
      }
    #endif
    preconditionFailure("\(group) \(id) term \(term): \(message)")
  }

  /// Everything that can be checked of one replica: too much for every step of a real node, right
  /// for every step of a simulated one.
  package func checkInvariants() {
    let last = log.lastIndex
    stopUnless(commit <= last, "commit \(commit) of \(last)")
    stopUnless(log.baseIndex <= appliedIndex, "base \(log.baseIndex), applied \(appliedIndex)")
    stopUnless(appliedIndex <= handedOut, "applied \(appliedIndex), handed out \(handedOut)")
    stopUnless(handedOut <= commit, "handed out \(handedOut), commit \(commit)")
    stopUnless(
      handedOut <= persistence.stableIndex || isInstalling,
      "handed out \(handedOut), stable \(persistence.stableIndex)")
    stopUnless(log.lastTerm <= term, "an entry of term \(log.lastTerm)")
    checkLog()
    if let broken = persistence.brokenInvariant(lastIndex: last) { stopUnless(false, broken) }
    stopUnless(
      log.tailFirst <= persistence.stableIndex.next,
      "tail from \(log.tailFirst), stable \(persistence.stableIndex)")
    if isLeader { checkLeader() } else { stopUnless(peers.isEmpty, "peers of a \(role)") }
  }

  private func checkLog() {
    var previous = log.baseTerm
    var first = log.baseIndex
    for run in log.runs {
      stopUnless(run.term >= previous, "term \(run.term) behind \(previous)")
      stopUnless(run.firstIndex > first, "run \(run.firstIndex) behind \(first)")
      stopUnless(run.firstIndex <= log.lastIndex, "run \(run.firstIndex) of \(log.lastIndex)")
      previous = run.term
      first = run.firstIndex
    }
    if log.tailFirst <= log.lastIndex {
      let tail = log.entries(from: log.tailFirst, through: log.lastIndex, maxBytes: .max)
      var bytes = 0
      for (offset, entry) in tail.enumerated() {
        stopUnless(entry.index == log.tailFirst + offset, "entry \(entry.index) at \(offset)")
        stopUnless(
          log.term(at: entry.index) == entry.term, "entry \(entry.index) of \(entry.term)")
        bytes += entry.encodedSize
      }
      stopUnless(bytes == log.tailBytes, "tail of \(bytes) bytes, counted \(log.tailBytes)")
    }
    var index: LogIndex?
    for one in configurations.all {
      if let index { stopUnless(one.index > index, "configuration \(one.index) behind \(index)") }
      index = one.index
    }
    if let index { stopUnless(index <= log.lastIndex, "configuration \(index) behind the end") }
  }

  private func checkLeader() {
    stopUnless(hardState.vote == id, "leads without its own vote")
    stopUnless(log.lastTerm == term, "leads with a last entry of term \(log.lastTerm)")
    stopUnless(
      peers.map(\.replica) == configuration.members.filter { $0 != id },
      "peers \(peers.map(\.replica)) of \(configuration.members)")
    for peer in peers {
      if let broken = peer.brokenInvariant(lastIndex: log.lastIndex) { stopUnless(false, broken) }
      stopUnless(peer.confirmedRound <= rounds.current, "round \(peer.confirmedRound)")
    }
  }
}
