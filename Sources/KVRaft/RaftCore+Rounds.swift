internal import KVBase

/// Rounds: the heartbeats that keep followers, and by whose answers linearizable reads and the
/// lease go (dissertation §6.4).
extension RaftCore {
  /// What every append and heartbeat says at this moment.
  var heading: Replication.Heading {
    Replication.Heading(
      term: persistent.term, commit: volatile.commitIndex, round: rounds.current)
  }

  /// The first round of a term; the peers learn of it by the appends that follow in the same turn.
  mutating func startFirstRound(now: Instant, into outputs: inout RaftOutputs) {
    rounds.start(at: now, serving: nil)
    confirmRounds(into: &outputs)
  }

  /// One round for all reads that came in this turn, begun after they came. It goes by heartbeat,
  /// whose answer waits for no disk.
  mutating func startReadRound(now: Instant, into outputs: inout RaftOutputs) {
    guard rounds.hasUnassignedTickets, rounds.hasRoom, let index = readIndexForNewRound else {
      return
    }
    rounds.start(at: now, serving: index)
    sendHeartbeats(toVotersOnly: true, into: &outputs)
    confirmRounds(into: &outputs)
  }

  /// The heartbeat of every interval is a round too, so that the lease goes on.
  mutating func startHeartbeatRound(now: Instant, into outputs: inout RaftOutputs) {
    rounds.start(at: now, serving: readIndexForNewRound)
    sendHeartbeats(toVotersOnly: false, into: &outputs)
    confirmRounds(into: &outputs)
  }

  mutating func sendHeartbeats(toVotersOnly: Bool, into outputs: inout RaftOutputs) {
    replication.sendHeartbeats(
      toVotersOnly: toVotersOnly, heading, echoing: roundForEchoes, into: &outputs)
  }

  /// Stamps that came before this round began may be given back; `nil`: none may. Before an entry
  /// of this term is committed an earlier leader may have committed more, whoever follows this one.
  private var roundForEchoes: UInt64? {
    leadership.hasCommittedInOwnTerm(volatile.commitIndex) ? rounds.confirmed : nil
  }

  mutating func confirmRounds(into outputs: inout RaftOutputs) {
    guard let startedAt = rounds.confirm(through: roundOfMajority, into: &outputs),
      leadership.hasCommittedInOwnTerm(volatile.commitIndex)
    else { return }
    volatile.noteConfirmedRound(startedAt: startedAt)
  }

  private var roundOfMajority: UInt64 {
    #if PlantedFaults
      if has(.readWithoutMajority) { return rounds.current }
    #endif
    return replication.majorityRound(own: rounds.current)
  }

  /// What reads of a new round are served at. Before an entry of this term is committed the commit
  /// index may be lower than what an earlier leader told its clients (dissertation §6.4, step 1):
  /// reads wait.
  private var readIndexForNewRound: LogIndex? {
    #if PlantedFaults
      if has(.readBeforeOwnTermCommit) { return volatile.commitIndex }
    #endif
    return leadership.hasCommittedInOwnTerm(volatile.commitIndex) ? volatile.commitIndex : nil
  }

  func hasLease(now: Instant) -> Bool {
    #if PlantedFaults
      if has(.leaseReadAfterLease) { return rounds.hasEndlessLease }
    #endif
    return rounds.hasLease(now: now)
  }
}
