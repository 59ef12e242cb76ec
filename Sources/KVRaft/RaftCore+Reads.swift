package import KVBase

/// Linearizable reads without a log entry (dissertation §6.4).
extension RaftCore {
  /// A linearizable read by ReadIndex (dissertation §6.4): answered by `outputs.reads`; `nil`
  /// where this is not the leader.
  package mutating func requestRead(now: Instant) -> ReadTicket? {
    guard isLeader else { return nil }
    return rounds.ask()
  }

  /// A linearizable read by lease (dissertation §6.4.1): the index that must be applied first;
  /// `nil` where there is no valid lease: use `requestRead`.
  package func leaseRead(now: Instant) -> LogIndex? {
    guard hasCommittedInOwnTerm, !leadership.gaveUpLease else { return nil }
    guard now < leadership.leaseUntil || ignoresLeaseEnd else { return nil }
    return commit
  }

  private var ignoresLeaseEnd: Bool {
    #if PlantedFaults
      return has(.leaseReadAfterLease)
    #else
      return false
    #endif
  }

  /// What reads of a new round are served at. Before an entry of this term is committed the commit
  /// index may lie behind what an earlier leader told its clients (dissertation §6.4, step 1):
  /// reads wait.
  var readIndexForNewRound: LogIndex? {
    #if PlantedFaults
      if has(.readBeforeOwnTermCommit) { return commit }
    #endif
    return hasCommittedInOwnTerm ? commit : nil
  }

  /// One round for all reads that came in this turn, begun after they came. It goes by heartbeat,
  /// whose answer waits for no disk.
  mutating func startReadRound(now: Instant, into outputs: inout RaftOutputs) {
    guard rounds.hasUnboundTickets, rounds.hasRoom, let index = readIndexForNewRound else {
      return
    }
    rounds.start(at: now, serving: index)
    broadcastHeartbeat(toVotersOnly: true, now: now, into: &outputs)
    confirmRounds(into: &outputs)
  }

  /// Rounds that a majority answered serve their reads and extend the lease, which counts from when
  /// the round was sent: a voter's promise began later.
  mutating func confirmRounds(into outputs: inout RaftOutputs) {
    let reached = roundOfMajority
    guard let startedAt = rounds.confirm(through: reached, into: &outputs.reads) else { return }
    leadership.leaseUntil = max(leadership.leaseUntil, startedAt + settings.leaseLength)
  }

  private var roundOfMajority: UInt64 {
    #if PlantedFaults
      if has(.readWithoutMajority) { return rounds.current }
    #endif
    return quorumValue(own: rounds.current) { $0.confirmedRound }
  }
}
