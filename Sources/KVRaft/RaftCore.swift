package import KVBase

/// One replica of one Raft group: a value that takes inputs and appends outputs.
///
/// The caller: gives every input with `now`; calls `flush` at the end of each turn in which
/// anything was given; carries the outputs out; reports back by `persisted`, `logRead`, `applied`
/// and `snapshotFinished`.
package struct RaftCore: Sendable {
  package let group: GroupID
  package let id: ReplicaID
  package let settings: RaftSettings

  package init(
    group: GroupID, id: ReplicaID, settings: RaftSettings, recovery: RaftRecovery,
    random: SeededRandom, now: Instant
  ) {
    self.group = group
    self.id = id
    self.settings = settings
  }

  // MARK: What it says of itself

  package var role: RaftRole { .follower }
  package var term: Term { .zero }
  package var leader: ReplicaID? { nil }
  package var commitIndex: LogIndex { .zero }
  package var lastIndex: LogIndex { .zero }
  package var lastTerm: Term { .zero }
  /// The last entry that is durable here.
  package var stableIndex: LogIndex { .zero }
  package var baseIndex: LogIndex { .zero }
  /// The configuration in force: that of the latest entry appended, committed or not.
  package var configuration: GroupConfiguration { GroupConfiguration(voters: []) }
  /// The term of an entry, where the log still knows it.
  package func term(at index: LogIndex) -> Term? { nil }
  /// When `tick` next has something to do; calling it earlier or later is allowed.
  package var nextDeadline: Instant { .distantFuture }
  /// As leader: what is known of each other replica.
  package var progress: [PeerProgress] { [] }
  /// As leader: an entry of its own term is committed, so reads can be served.
  package var hasCommittedInOwnTerm: Bool { false }
  package var isTransferring: Bool { false }
  /// For how long no leader has been known, or as leader no majority was heard from.
  package func timeWithoutQuorum(now: Instant) -> TimeAmount { .zero }

  package struct PeerProgress: Sendable, Hashable {
    package enum State: Sendable, Hashable { case probe, replicate, snapshot }
    package var replica: ReplicaID
    package var match: LogIndex
    package var state: State
    package var isLearner: Bool
    /// When it was last heard from.
    package var lastContact: Instant?
  }

  // MARK: Inputs

  package mutating func receive(
    _ message: RaftMessage, from: ReplicaID, now: Instant, into outputs: inout RaftOutputs
  ) {}

  /// Elections, heartbeats, check-quorum.
  package mutating func tick(now: Instant, into outputs: inout RaftOutputs) {}

  /// Ends a turn: emits what is to be persisted, sends appends for what was proposed, and begins a
  /// read round for the tickets given out since the last one.
  package mutating func flush(now: Instant, into outputs: inout RaftOutputs) {}

  package enum ProposeRefusal: Error, Sendable { case notLeader, transferring, tooMuchUncommitted }

  /// Appends an entry. It is on its way to the followers after `flush`.
  package mutating func propose(
    _ kind: EntryKind, payload: Bytes, wallMilliseconds: UInt64, now: Instant,
    into outputs: inout RaftOutputs
  ) throws(ProposeRefusal) -> LogIndex {
    throw .notLeader
  }

  package enum ConfigurationRefusal: Error, Sendable {
    case notLeader, transferring
    /// Another change is not committed yet, or the leader has not committed in its own term.
    case inProgress
  }

  /// Moves the group to `voters` and `learners`: a joint configuration where more than learners
  /// change, left by itself once it is committed (dissertation §4.3).
  package mutating func proposeConfiguration(
    voters: [ReplicaID], learners: [ReplicaID], wallMilliseconds: UInt64, now: Instant,
    into outputs: inout RaftOutputs
  ) throws(ConfigurationRefusal) -> LogIndex {
    throw .notLeader
  }

  /// A linearizable read by ReadIndex (dissertation §6.4): answered by `outputs.reads`; `nil`
  /// where this is not the leader.
  package mutating func requestRead(now: Instant) -> ReadTicket? { nil }

  /// A linearizable read by lease (dissertation §6.4.1): the index that must be applied first;
  /// `nil` where there is no valid lease: use `requestRead`.
  package func leaseRead(now: Instant) -> LogIndex? { nil }

  /// Everything up to and including this token is durable.
  package mutating func persisted(
    _ token: PersistToken, now: Instant, into outputs: inout RaftOutputs
  ) {}

  /// Answers the open `ReadLog`: its entries, or `nil` where they are no longer kept.
  package mutating func logRead(
    from: LogIndex, entries: [LogEntry]?, now: Instant, into outputs: inout RaftOutputs
  ) {}

  package enum NextToApply: Sendable {
    case nothing
    case entries([LogEntry])
    /// Read these from the store, then apply them; contiguous with what was applied.
    case readLog(from: LogIndex, through: LogIndex)
  }

  /// What is committed and durable here and lies behind what was last handed out by this call;
  /// marks it as handed out.
  package mutating func nextToApply(maxBytes: Int) -> NextToApply { .nothing }

  /// Applied through this index: older entries may leave the memory.
  package mutating func applied(through index: LogIndex) {}

  /// The store no longer keeps entries up to and including this one.
  package mutating func compacted(through index: LogIndex) {}

  /// A leader of `term` offers a snapshot up to `index`: true where it is wanted. Counts as word
  /// from the leader.
  package mutating func offeredSnapshot(
    from: ReplicaID, term: Term, index: LogIndex, snapshotTerm: Term, now: Instant,
    into outputs: inout RaftOutputs
  ) -> Bool { false }

  /// A snapshot was installed, durably, and the log now begins behind it.
  package mutating func installed(
    index: LogIndex, term: Term, configuration: GroupConfiguration, from: ReplicaID, now: Instant,
    into outputs: inout RaftOutputs
  ) {}

  /// The transfer to a follower ended: it now holds everything up to `index`, or `nil`: it failed.
  package mutating func snapshotFinished(
    to: ReplicaID, index: LogIndex?, now: Instant, into outputs: inout RaftOutputs
  ) {}

  /// As leader, hands over to `target` once it has caught up; given up after an election time-out.
  /// False where it can't begin.
  package mutating func transferLeadership(
    to target: ReplicaID, now: Instant, into outputs: inout RaftOutputs
  ) -> Bool { false }

  /// The connection to a node broke and refuses to reopen: as follower of a replica there, ask for
  /// pre-votes soon instead of waiting for the time-out. Breaks no promise: voters still wait for
  /// the lease to run out.
  package mutating func nodeUnreachable(
    _ node: NodeID, now: Instant, into outputs: inout RaftOutputs
  ) {}

  /// Campaign soon: this replica is the one that should lead a group that has never had a leader.
  package mutating func campaignSoon(now: Instant) {}

  /// The node's own disk makes no progress: as leader, step down.
  package mutating func stepDown(now: Instant, into outputs: inout RaftOutputs) {}
}
