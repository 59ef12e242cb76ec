package import KVBase

/// One replica of one Raft group: a value that takes inputs and appends outputs.
///
/// This file is the whole surface. Each input is given with `now` and appends to the caller's
/// `RaftOutputs`; the caller carries the outputs out and reports back by further inputs. What an
/// input does stands in the extension of its subject: roles (`+Roles`), votes (`+Elections`), the
/// follower's side (`+Following`), the leader's side (`+Leading`), reads and heartbeats
/// (`+Rounds`). These route and decide; the state is in parts with rules of their own:
///
/// | part | what it holds | Raft paper |
/// | --- | --- | --- |
/// | `roleState` | what the replica is in its term | figure 4 |
/// | `persistent` | term, vote, log with configurations; what is durable | figure 2, persistent |
/// | `volatile` | commit, handed out, applied | figure 2, volatile |
/// | `election` | when to campaign, when to withhold a vote, the votes given | §5.2 |
/// | `replication` | what the leader knows of each peer, and sends it | figure 2, leaders; §5.3 |
/// | `rounds` | reads, the rounds that confirm leadership, the lease | dissertation §6.4 |
/// | `leadership` | heartbeat, transfer and proposals of the term led | dissertation §3.10 |
///
/// **A turn.** The caller gives any number of inputs (messages by `receive`, proposals, reads,
/// `tick` at `nextDeadline`) and then calls `flush` once. Inputs only change the log in memory;
/// `flush` emits one persist for all that changed, one round for all reads that were asked, and
/// appends for the followers. So a batch forms by itself, and the leader's disk works in parallel
/// with the network.
///
/// **What waits for the disk.** A persist has a token. A message that vouches for something that is
/// not durable names the token in `after`, and the caller holds it until then: a vote and the
/// acknowledgement of entries wait for everything that came before; a rejection and the answer to a
/// heartbeat wait for the term only. `persisted` says that all up to a token is durable. The leader
/// counts its own copy, and a candidate its own vote, only then; so a commit may precede the
/// leader's own disk, but never a majority's.
///
/// **What waits for the commit.** `nextToApply` hands out, in order, what is committed *and*
/// durable here; `commitAdvanced` says when to ask. `applied` reports back, and lets memory go.
///
/// **Elections.** A voter that hears of no leader asks for pre-votes in a term that nobody enters
/// (dissertation §9.6), and campaigns once a majority would vote for it. A voter withholds its vote
/// for the lease length plus the clock drift after it last heard from a leader. A leader that hears
/// of no majority for an election time-out steps down (check-quorum, §6.2).
///
/// **Reads.** `requestRead` gives a ticket. The next flush starts a round: heartbeats to the
/// voters, whose answers confirm that no other leader had been elected when they were sent. Then
/// `outputs.reads` says at which applied index every ticket up to one may be served. A confirmed
/// round also extends the lease, during which `leaseRead` answers at once: the voters that
/// confirmed it withhold their votes for longer. Both need a commit in the leader's own term.
///
/// **Snapshots.** A follower that needs what the log no longer holds is named in `snapshotsNeeded`;
/// the caller transfers a snapshot and calls `snapshotFinished`. On the follower's side every chunk
/// is `offeredSnapshot`; `beginInstall` asks, directly before state and log are replaced, whether
/// that is still right, and stops appends until `installed` or `installAbandoned`.
///
/// **Membership** changes by joint consensus (§4.3): a configuration is in force from its append,
/// and a joint one is left by itself once it is committed. A leader that is no longer a member
/// steps down then.
package struct RaftCore: Sendable {
  package let group: GroupID
  package let id: ReplicaID
  package let settings: RaftSettings
  var roleState: RoleState = .follower(leader: nil)
  var persistent: PersistentState
  var volatile: VolatileState
  var election: ElectionState
  // The leader's parts; empty in any other role.
  var replication: Replication
  var rounds: ReadRounds
  var leadership: Leadership = .none
  #if PlantedFaults
    package var plantedFault: PlantedFault?
    /// What an ordinary build would have stopped for.
    package internal(set) var violations: [String] = []
  #endif

  package init(
    group: GroupID, id: ReplicaID, settings: RaftSettings, recovery: RaftRecovery,
    random: SeededRandom, now: Instant
  ) {
    precondition(
      settings.leaseLength + settings.leaseDriftBound < settings.electionTimeout,
      "lease \(settings.leaseLength), election time-out \(settings.electionTimeout)")
    self.group = group
    self.id = id
    self.settings = settings
    persistent = PersistentState(recovery, id: id)
    volatile = VolatileState(applied: recovery.appliedIndex, random: random, now: now)
    let configuration = persistent.configuration
    election = ElectionState(
      settings: settings, hasKnownATerm: recovery.hardState.term != .zero,
      isOnlyVoter: configuration.voters == [id] && !configuration.isJoint, random: random,
      now: now)
    replication = Replication(settings: settings)
    rounds = ReadRounds(leaseLength: settings.leaseLength)
  }

  // MARK: - What it says of itself

  package var role: RaftRole {
    switch roleState {
    case .follower: persistent.isVoter ? .follower : .learner
    case .preCandidate: .preCandidate
    case .candidate: .candidate
    case .leader: .leader
    }
  }

  package var term: Term { persistent.term }
  package var leader: ReplicaID? { roleState.isLeader ? id : roleState.followed }
  package var commitIndex: LogIndex { volatile.commitIndex }
  var appliedIndex: LogIndex { volatile.appliedIndex }
  package var lastIndex: LogIndex { persistent.log.lastIndex }
  package var lastTerm: Term { persistent.log.lastTerm }
  /// The last entry that is durable here.
  package var stableIndex: LogIndex { persistent.stableIndex }
  /// The entry before the first one that the log still knows.
  package var baseIndex: LogIndex { persistent.log.baseIndex }
  /// The configuration in force: that of the latest entry appended, committed or not.
  package var configuration: GroupConfiguration { persistent.configuration }
  /// The term of an entry, where the log still knows it.
  package func term(at index: LogIndex) -> Term? { persistent.log.term(at: index) }

  /// When `tick` next has something to do; calling it earlier or later is allowed.
  package var nextDeadline: Instant {
    switch roleState {
    case .leader: leadership.nextDeadline
    case .follower(nil) where !persistent.isVoter: .distantFuture
    case .follower, .preCandidate, .candidate: election.deadline
    }
  }

  /// As leader: an entry of its own term is committed, so reads can be served.
  package var hasCommittedInOwnTerm: Bool {
    roleState.isLeader && leadership.hasCommittedInOwnTerm(volatile.commitIndex)
  }

  package var isTransferring: Bool { leadership.isTransferring }

  /// For how long no leader has been heard from, or as leader no majority.
  package func timeWithoutQuorum(now: Instant) -> TimeAmount {
    now - (roleState.isLeader ? majorityContact(now: now) : election.quorumHeardAt)
  }

  /// How old what is applied here may be: nothing committed longer ago than this is missing. `nil`:
  /// not known, since no leader has said so yet.
  package func age(now: Instant) -> TimeAmount? {
    volatile.asOf.map { now - $0 }
  }

  // MARK: - Messages and time

  /// A message of another replica of the group. One of a term that is not admitted has no effect.
  package mutating func receive(
    _ message: RaftMessage, from: ReplicaID, now: Instant, into outputs: inout RaftOutputs
  ) {
    guard from != id, admits(message.term) else { return }
    if message.term < persistent.term {
      answerStale(message, from: from, into: &outputs)
      return
    }
    if message.term > persistent.term {
      guard adoptTerm(of: message, from: from, now: now, into: &outputs) else { return }
    }
    switch message.body {
    case .voteRequest(let request):
      handleVoteRequest(request, term: message.term, from: from, now: now, into: &outputs)
    case .voteResponse(let response):
      handleVoteResponse(response, term: message.term, from: from, now: now, into: &outputs)
    case .append(let request):
      handleAppend(request, from: from, now: now, into: &outputs)
    case .appendResponse(let response):
      handleAppendResponse(response, from: from, now: now, into: &outputs)
    case .heartbeat(let heartbeat):
      handleHeartbeat(heartbeat, from: from, now: now, into: &outputs)
    case .heartbeatResponse(let response):
      handleHeartbeatResponse(response, from: from, now: now, into: &outputs)
    case .timeoutNow:
      handleTimeoutNow(from: from, now: now, into: &outputs)
    }
  }

  /// Elections, heartbeats, check-quorum.
  package mutating func tick(now: Instant, into outputs: inout RaftOutputs) {
    if roleState.isLeader {
      tickAsLeader(now: now, into: &outputs)
    } else if now >= election.deadline {
      electionTimedOut(now: now, into: &outputs)
    }
  }

  /// Campaign soon: this replica is the one that should lead a group that has never had a leader.
  package mutating func campaignSoon(now: Instant) {
    guard !roleState.isLeader, persistent.isVoter else { return }
    election.startFastElection(now: now, delayUpTo: .zero)
  }

  /// The connection to a node broke and refuses to reopen: as follower of a replica there, ask for
  /// pre-votes soon instead of waiting for the time-out. Endangers no lease: voters still withhold
  /// their votes until it has run out.
  package mutating func nodeUnreachable(
    _ node: NodeID, now: Instant, into outputs: inout RaftOutputs
  ) {
    guard let leader = roleState.followed, leader.node == node, persistent.isVoter else { return }
    election.startFastElection(now: now, delayUpTo: ElectionState.fastFirstDelay)
  }

  /// The node's own disk makes no progress: as leader, step down, and ask the best successor to
  /// campaign.
  package mutating func stepDown(now: Instant, into outputs: inout RaftOutputs) {
    guard roleState.isLeader else { return }
    handOverAndFollow(now: now, into: &outputs)
  }

  // MARK: - Proposals

  /// Appends an entry. It is on its way to the followers after `flush`. Configurations go by
  /// `proposeConfiguration`.
  package mutating func propose(
    _ kind: EntryKind, payload: Bytes, wallMilliseconds: UInt64, now: Instant,
    into outputs: inout RaftOutputs
  ) throws(ProposeRefusal) -> LogIndex {
    precondition(kind != .configuration, "a configuration proposed as an entry")
    guard roleState.isLeader else { throw .notLeader }
    guard !leadership.isTransferring else { throw .transferring }
    guard replication.majorityTakesEntries else { throw .followersAreFull }
    let bytes = LogEntry.headerSize + payload.count
    guard leadership.admits(bytes: bytes, limit: settings.uncommittedBytes) else {
      throw .tooMuchUncommitted
    }
    let index = persistent.appendOwn(kind, payload: payload, wallMilliseconds: wallMilliseconds)
    leadership.proposed(upTo: index, bytes: bytes)
    return index
  }

  /// Moves the group to `voters` and `learners`: a joint configuration where more than learners
  /// change, left by itself once it is committed (dissertation §4.3).
  ///
  /// A voter that is named as learner stays as learner: its vote counts until the joint
  /// configuration is left. What can't be a configuration is refused, and changes nothing.
  package mutating func proposeConfiguration(
    voters: [ReplicaID], learners: [ReplicaID], wallMilliseconds: UInt64, now: Instant,
    into outputs: inout RaftOutputs
  ) throws(ConfigurationRefusal) -> LogIndex {
    guard roleState.isLeader else { throw .notLeader }
    guard !leadership.isTransferring else { throw .transferring }
    guard mayChangeConfiguration else { throw .inProgress }
    return try appendConfiguration(
      movingTo: voters, learners: learners, wallMilliseconds: wallMilliseconds, now: now,
      into: &outputs)
  }

  /// As leader, hands over to `target` once it has caught up; given up after an election time-out.
  /// False where it can't begin.
  package mutating func transferLeadership(
    to target: ReplicaID, now: Instant, into outputs: inout RaftOutputs
  ) -> Bool {
    guard roleState.isLeader, target != id else { return false }
    return beginTransfer(to: target, now: now, into: &outputs)
  }

  // MARK: - Reads

  /// A linearizable read by ReadIndex (dissertation §6.4): answered by `outputs.reads`; `nil`
  /// where this is not the leader.
  package mutating func requestRead() -> ReadTicket? {
    roleState.isLeader ? rounds.ask() : nil
  }

  /// A linearizable read by lease (dissertation §6.4.1): the index that must be applied first;
  /// `nil` where there is no valid lease: use `requestRead`.
  package func leaseRead(now: Instant) -> LogIndex? {
    hasCommittedInOwnTerm && hasLease(now: now) ? volatile.commitIndex : nil
  }

  // MARK: - The end of a turn, and the disk

  /// Ends a turn: emits what is to be persisted, sends appends for what was proposed, and begins a
  /// read round for the tickets given out since the last one.
  package mutating func flush(now: Instant, into outputs: inout RaftOutputs) {
    var batch = persistent.emitPersist(into: &outputs)
    guard roleState.isLeader else { return }
    startReadRound(now: now, into: &outputs)
    replication.sendEntries(
      of: persistent.log, heading, sharing: &batch, now: now, into: &outputs)
  }

  /// Everything up to and including this token is durable.
  package mutating func persisted(
    _ token: PersistToken, now: Instant, into outputs: inout RaftOutputs
  ) {
    let before = volatile.applicableIndex(stable: persistent.stableIndex)
    let hasRisen = persistent.complete(token)
    countOwnVote(now: now, into: &outputs)
    if hasRisen {
      if roleState.isLeader, persistent.stableIndex > volatile.commitIndex {
        advanceCommitByMajority(now: now, into: &outputs)
      }
      persistent.evict(applied: volatile.appliedIndex, settings: settings)
    }
    if volatile.applicableIndex(stable: persistent.stableIndex) > before {
      outputs.commitAdvanced = true
    }
  }

  /// Answers the open `ReadLog`: its entries, or `nil` where they are no longer kept.
  package mutating func logRead(
    from: LogIndex, entries: [LogEntry]?, now: Instant, into outputs: inout RaftOutputs
  ) {
    guard replication.endLogRead(from: from), roleState.isLeader else { return }
    replication.logRead(
      from: from, entries: entries, log: persistent.log, heading, now: now, into: &outputs)
  }

  /// The store no longer keeps entries up to and including this one.
  package mutating func compacted(through index: LogIndex) {
    precondition(
      index <= volatile.appliedIndex, "compacted to \(index), applied \(volatile.appliedIndex)")
    persistent.compact(through: index)
  }

  // MARK: - Applying

  /// What is committed and durable here and follows what was last handed out by this call; marks it
  /// as handed out.
  package mutating func nextToApply(maxBytes: Int) -> NextToApply {
    let ready = volatile.readyToApply(stable: persistent.stableIndex)
    guard let (from, through) = ready else { return .nothing }
    guard from >= persistent.log.tailFirst else {
      let end = min(through, persistent.log.tailFirst.previous)
      volatile.handOut(through: end)
      return .readLog(from: from, through: end)
    }
    let entries = persistent.log.entries(from: from, through: through, maxBytes: maxBytes)
    volatile.handOut(through: from.previous + entries.count)
    return .entries(entries)
  }

  /// Applied through this index: older entries may leave the memory.
  package mutating func applied(through index: LogIndex) {
    guard volatile.applied(through: index) else { return }
    leadership.applied(through: index)
    persistent.evict(applied: index, settings: settings)
  }

  // MARK: - Snapshots

  /// The transfer to a follower ended: it now holds everything up to `index`, or `nil`: it failed.
  package mutating func snapshotFinished(
    to: ReplicaID, index: LogIndex?, now: Instant, into outputs: inout RaftOutputs
  ) {
    guard roleState.isLeader else { return }
    handleSnapshotEnd(at: to, index: index, now: now, into: &outputs)
  }

  /// A leader of `term` offers a snapshot up to `index`: true where it is of use. Counts as a
  /// heartbeat of the leader, so it may be called for every chunk.
  package mutating func offeredSnapshot(
    from: ReplicaID, term: Term, index: LogIndex, snapshotTerm: Term, now: Instant,
    into outputs: inout RaftOutputs
  ) -> Bool {
    handleSnapshotOffer(
      from: from, term: term, index: index, snapshotTerm: snapshotTerm, now: now, into: &outputs)
  }

  /// Asks, directly before a snapshot replaces state and log, whether that is still right: more may
  /// have been appended since it was offered. Everything emitted so far comes before the
  /// replacement in the log, so `flush` must have been called. True: from now on nothing is
  /// appended and nothing is handed out to be applied, until `installed` or `installAbandoned`.
  package mutating func beginInstall(index: LogIndex, term: Term) -> Bool {
    guard case .follower = roleState, isUseful(snapshot: index, term: term) else { return false }
    precondition(
      persistent.durability.dirtyFrom == nil, "beginInstall(\(index)) with entries not flushed")
    volatile.beginInstall()
    return true
  }

  /// The installation was given up with nothing changed. Look at `nextToApply`.
  package mutating func installAbandoned() { volatile.abandonInstall() }

  /// A snapshot was installed, durably, and the log now begins after it.
  package mutating func installed(
    index: LogIndex, term: Term, configuration: GroupConfiguration, from: ReplicaID, now: Instant,
    into outputs: inout RaftOutputs
  ) {
    precondition(
      !roleState.isLeader && index >= volatile.commitIndex,
      "snapshot \(index) installed on a \(role) over commit \(commitIndex): see beginInstall")
    let before = role
    persistent.install(index: index, term: term, configuration: configuration)
    volatile.installed(through: index)
    outputs.configurationChanged = true
    if role != before { outputs.roleChanged = true }
    acknowledgeSnapshot(index, from: from, into: &outputs)
  }

  // MARK: - Checks

  /// Stops where anything is wrong that can be checked of one replica: too much for every step of a
  /// real node, right for every step of a simulated one.
  package func checkInvariants() { checkParts() }
}
