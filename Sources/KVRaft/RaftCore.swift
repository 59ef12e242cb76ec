package import KVBase

/// One replica of one Raft group: a value that takes inputs and appends outputs.
///
/// The caller: gives every input with `now`; calls `flush` at the end of each turn in which
/// anything was given; carries the outputs out; reports back by `persisted`, `logRead`, `applied`
/// and `snapshotFinished`.
package struct RaftCore: Sendable {
  /// The replica's part, with what only that part needs.
  enum Part: Sendable, Equatable {
    case follower(leader: ReplicaID?)
    case preCandidate
    /// Its own vote counts once this token is durable.
    case candidate(ownVote: PersistToken)
    case leader
  }

  package let group: GroupID
  package let id: ReplicaID
  package let settings: RaftSettings
  #if PlantedFaults
    package var plantedFault: PlantedFault?
    /// What an ordinary build would have stopped for.
    package internal(set) var violations: [String] = []
  #endif

  var random: SeededRandom
  var part: Part = .follower(leader: nil)
  var hardState: HardState
  var log: RaftLog
  var configurations: ConfigurationHistory
  var persistence: Persistence
  var commit: LogIndex
  /// Handed out by `nextToApply` up to here.
  var handedOut: LogIndex
  var appliedIndex: LogIndex
  /// The highest log time seen.
  var logTime: UInt64
  /// A snapshot is about to replace the log: no appends are taken.
  var isInstalling = false

  // Time.
  /// When a follower campaigns, or a candidate begins anew.
  var electionDeadline: Instant
  /// No vote or pre-vote is given before this, whatever is asked (dissertation §6.4.1): a leader
  /// may be serving reads under a lease that this replica confirmed.
  var promiseUntil: Instant
  /// When a leader, or as leader a majority, was last heard from.
  var quorumHeardAt: Instant
  var freshness = Freshness()
  /// Before this, elections are tried in quick succession: the leader is known to be gone.
  var hurryUntil: Instant = .zero

  // Candidate.
  var tally = VoteTally()

  // Leader; empty otherwise. Kept beside the part, so that nothing is copied out and back.
  var peers: [Progress] = []
  /// Whether this replica's own copy counts, in each set of voters.
  var isIncomingVoter = false
  var isOutgoingVoter = false
  var rounds = ReadRounds()
  var leadership = Leadership()
  /// The read of older entries that is under way, for followers far behind.
  var openLogRead: LogIndex?

  package init(
    group: GroupID, id: ReplicaID, settings: RaftSettings, recovery: RaftRecovery,
    random: SeededRandom, now: Instant
  ) {
    precondition(
      recovery.appliedIndex >= recovery.baseIndex && recovery.appliedIndex <= recovery.lastIndex,
      "applied \(recovery.appliedIndex), log \(recovery.baseIndex)...\(recovery.lastIndex)")
    precondition(
      settings.leaseLength + settings.leaseDriftBound < settings.electionTimeout,
      "lease \(settings.leaseLength), election time-out \(settings.electionTimeout)")
    self.group = group
    self.id = id
    self.settings = settings
    self.random = random
    hardState = recovery.hardState
    log = RaftLog(
      baseIndex: recovery.baseIndex, baseTerm: recovery.baseTerm, lastIndex: recovery.lastIndex,
      runs: recovery.termRuns)
    configurations = ConfigurationHistory(recovery.configurations)
    persistence = Persistence(stableIndex: recovery.lastIndex)
    commit = recovery.appliedIndex
    handedOut = recovery.appliedIndex
    appliedIndex = recovery.appliedIndex
    logTime = recovery.logTimeMilliseconds
    quorumHeardAt = now
    electionDeadline = now
    // The replica may have confirmed a lease just before it stopped; one that never knew a term
    // never did.
    promiseUntil =
      recovery.hardState.term == .zero
      ? .zero : now + settings.leaseLength + settings.leaseDriftBound
    rearmElection(now: now)
    if configuration.voters == [id] && !configuration.isJoint {
      electionDeadline = max(now, promiseUntil)
    }
  }

  // MARK: What it says of itself

  package var role: RaftRole {
    switch part {
    case .follower: configuration.isVoter(id) ? .follower : .learner
    case .preCandidate: .preCandidate
    case .candidate: .candidate
    case .leader: .leader
    }
  }

  package var term: Term { hardState.term }

  package var leader: ReplicaID? {
    switch part {
    case .follower(let leader): leader
    case .leader: id
    case .preCandidate, .candidate: nil
    }
  }

  package var commitIndex: LogIndex { commit }
  package var lastIndex: LogIndex { log.lastIndex }
  package var lastTerm: Term { log.lastTerm }
  /// The last entry that is durable here.
  package var stableIndex: LogIndex { persistence.stableIndex }
  package var baseIndex: LogIndex { log.baseIndex }
  /// The configuration in force: that of the latest entry appended, committed or not.
  package var configuration: GroupConfiguration { configurations.current.configuration }
  /// The term of an entry, where the log still knows it.
  package func term(at index: LogIndex) -> Term? { log.term(at: index) }

  /// When `tick` next has something to do; calling it earlier or later is allowed.
  package var nextDeadline: Instant {
    switch part {
    case .leader: min(leadership.heartbeatAt, leadership.transfer?.deadline ?? .distantFuture)
    case .follower(nil) where !configuration.isVoter(id): .distantFuture
    case .follower, .preCandidate, .candidate: electionDeadline
    }
  }

  /// As leader: what is known of each other replica.
  package var progress: [PeerProgress] {
    peers.map {
      PeerProgress(
        replica: $0.replica, match: $0.match, state: .init($0.state), isLearner: !$0.isVoter,
        lastContact: $0.lastContact)
    }
  }

  /// As leader: an entry of its own term is committed, so reads can be served.
  package var hasCommittedInOwnTerm: Bool { isLeader && commit >= leadership.termStart }
  package var isTransferring: Bool { leadership.transfer != nil }

  /// For how long no leader has been heard from, or as leader no majority.
  package func timeWithoutQuorum(now: Instant) -> TimeAmount {
    now - (isLeader ? quorumContact(now: now) : quorumHeardAt)
  }

  /// How old what is applied here may be: nothing committed longer ago than this is missing. `nil`:
  /// not known, since no leader has said so yet.
  package func age(now: Instant) -> TimeAmount? {
    if isLeader { return hasCommittedInOwnTerm ? now - leadershipConfirmedAt : nil }
    return freshness.asOf(applied: appliedIndex).map { now - $0 }
  }

  package struct PeerProgress: Sendable, Hashable {
    package enum State: Sendable, Hashable { case probe, replicate, snapshot }
    package var replica: ReplicaID
    package var match: LogIndex
    package var state: State
    package var isLearner: Bool
    /// When it was last heard from.
    package var lastContact: Instant?
  }

  var isLeader: Bool { part == .leader }
  var isVoter: Bool { configuration.isVoter(id) }

  func isHurrying(_ now: Instant) -> Bool { now < hurryUntil }

  #if PlantedFaults
    func has(_ fault: PlantedFault) -> Bool { plantedFault == fault }
  #endif
}

/// What a leader keeps for its term, beside its peers and its rounds.
struct Leadership: Sendable {
  struct Transfer: Sendable {
    var target: ReplicaID
    /// Given up then.
    var deadline: Instant
    /// The target was told to campaign.
    var isAsked = false
  }

  var startedAt: Instant = .zero
  /// Its first entry. Once that is committed, so is everything before it (Raft paper §8).
  var termStart: LogIndex = .zero
  var heartbeatAt: Instant = .zero
  /// Reads may be served without asking, before this.
  var leaseUntil: Instant = .zero
  /// Another was asked to take over, against which no lease stands: no more leases in this term.
  var gaveUpLease = false
  var transfer: Transfer?
  /// Entries proposed and not applied: bytes, and how they go by index.
  var unappliedBytes = 0
  var unapplied = RingQueue<Unapplied>(limit: 4096)

  struct Unapplied: Sendable {
    var upTo: LogIndex
    var bytes: Int
  }
}

extension RaftCore.PeerProgress.State {
  init(_ state: Progress.State) {
    switch state {
    case .probe: self = .probe
    case .replicate: self = .replicate
    case .snapshot: self = .snapshot
    }
  }
}
