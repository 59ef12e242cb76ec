internal import KVBase

/// When a replica campaigns, when it grants votes, and which votes it was given.
///
/// Two times rule elections. At `deadline` a voter that has heard of no leader asks for pre-votes.
/// Before `voteWithheldUntil` it grants no vote and asks for none itself (dissertation §4.2.3 and
/// §6.4.1): the leader that it accepted last may be serving reads under a lease, which this
/// replica's answer confirmed. Whatever the leader sends moves both times on.
///
/// Where the leader is known to be gone (its node refuses connections) elections are fast for a
/// while: the deadline comes early, and a failed one is tried again soon. What is withheld stays
/// withheld.
struct ElectionState: Sendable {
  /// In fast elections, up to this much is waited at first, so that the followers don't all ask at
  /// once.
  static var fastFirstDelay: TimeAmount { .milliseconds(30) }
  static var fastRetryLow: TimeAmount { .milliseconds(30) }
  static var fastRetryHigh: TimeAmount { .milliseconds(50) }

  private let timeout: TimeAmount
  /// For how long after a message of the leader its lease may be valid, by this replica's clock.
  private let leaseGuard: TimeAmount
  private var random: SeededRandom
  /// When a follower campaigns, or a candidate begins anew.
  private(set) var deadline: Instant
  private(set) var voteWithheldUntil: Instant
  /// When a leader, or as leader a majority, was last heard from.
  private(set) var quorumHeardAt: Instant
  private var fastUntil: Instant = .zero
  private var votes = VoteTally()

  /// A replica that knows a term may have confirmed a lease just before it stopped; one that never
  /// knew a term never did. One that is the only voter has nobody to wait for.
  init(
    settings: RaftSettings, hasKnownATerm: Bool, isOnlyVoter: Bool, random: SeededRandom,
    now: Instant
  ) {
    timeout = settings.electionTimeout
    leaseGuard = settings.leaseLength + settings.leaseDriftBound
    self.random = random
    deadline = now
    quorumHeardAt = now
    voteWithheldUntil = hasKnownATerm ? now + leaseGuard : .zero
    rearm(now: now)
    if isOnlyVoter { deadline = max(now, voteWithheldUntil) }
  }

  // MARK: Time

  /// The leader of the present term was heard from.
  mutating func leaderHeard(now: Instant) {
    voteWithheldUntil = now + leaseGuard
    quorumHeardAt = now
    fastUntil = .zero
    rearm(now: now)
  }

  /// This replica led until now, and a majority was last heard from at `time`.
  mutating func quorumHeard(at time: Instant) { quorumHeardAt = max(quorumHeardAt, time) }

  func isWithinLeaderLease(now: Instant) -> Bool { now < voteWithheldUntil }

  /// A random time in [T, 2T), so that two replicas rarely campaign at once (Raft paper §5.2).
  mutating func rearm(now: Instant) {
    deadline = now + timeout + TimeAmount(nanoseconds: random.below(max(1, timeout.nanoseconds)))
  }

  /// The next try after one that failed: soon in fast elections.
  mutating func rearmAfterFailure(now: Instant) {
    if isFast(now: now) {
      deadline = now + random.amount(from: Self.fastRetryLow, to: Self.fastRetryHigh)
    } else {
      rearm(now: now)
    }
  }

  /// The next try once votes are no longer withheld.
  mutating func rearmAfterLeaderLease() {
    deadline = voteWithheldUntil + random.amount(from: .zero, to: Self.fastFirstDelay)
  }

  /// The leader is known to be gone, or there never was one.
  mutating func startFastElection(now: Instant, delayUpTo: TimeAmount) {
    fastUntil = now + timeout * 2
    let soon = max(now, voteWithheldUntil) + random.amount(from: .zero, to: delayUpTo)
    deadline = min(deadline, soon)
  }

  mutating func endFastElection() { fastUntil = .zero }

  func isFast(now: Instant) -> Bool { now < fastUntil }

  // MARK: Votes

  /// A new request for votes or pre-votes: earlier answers count no longer.
  mutating func beginCount() { votes.reset() }

  mutating func record(_ granted: Bool, from voter: ReplicaID) {
    votes.record(granted, from: voter)
  }

  var grantedBy: [ReplicaID] { votes.granted }

  func outcome(in configuration: GroupConfiguration) -> VoteTally.Outcome {
    votes.outcome(in: configuration)
  }
}
