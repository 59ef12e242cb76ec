internal import KVBase

/// What a leader knows of one other replica, and all that changes it.
///
/// Probing, it sends one message at a time, until one is accepted; then it replicates: ahead of the
/// answers, within a window. A rejection, or a sign that what was in flight is lost, leads back to
/// probing; an entry that the log no longer holds leads to a snapshot, whose end leads to probing.
///
/// Invariants: match < next; what is in flight lies between the two.
struct Progress: Sendable {
  enum State: Sendable, Equatable {
    /// Where its log ends is not known: one message at a time.
    case probe
    /// It follows: messages are sent ahead of their acknowledgements, within a window.
    case replicate
    /// It needs what the log no longer holds.
    case snapshot
  }

  private struct Inflight: Sendable {
    var lastIndex: LogIndex
    var bytes: Int
  }

  let replica: ReplicaID
  /// Which sets of voters it belongs to.
  private(set) var isIncomingVoter: Bool
  private(set) var isOutgoingVoter: Bool
  /// Its log equals the leader's up to here, durably.
  private(set) var match: LogIndex
  /// The next entry to send.
  private(set) var next: LogIndex
  private(set) var state: State = .probe
  /// A probe is out; nothing is sent before an answer or a later sign of life.
  private(set) var isPaused = false
  /// `nil`: it was not heard from in this term.
  private(set) var lastContact: Instant?
  /// When this leader made it a voter; `nil` where it was one from the begin of the term on.
  private var votesSince: Instant?
  /// What it last said of itself.
  private(set) var condition: FollowerCondition = []
  /// The latest round of this term that it answered.
  private(set) var confirmedRound: UInt64 = 0
  /// Its stamps, which are given back for reads with a maximum age.
  var echo = StampEcho()
  private var inflight = RingQueue<Inflight>(limit: Limits.inflightAppends)
  private(set) var inflightBytes = 0
  /// When a probe was sent, or `match` last rose while something was in flight.
  private var lastStep: Instant

  init(replica: ReplicaID, next: LogIndex, now: Instant) {
    self.replica = replica
    isIncomingVoter = false
    isOutgoingVoter = false
    match = .zero
    self.next = next
    lastStep = now
  }

  var isVoter: Bool { isIncomingVoter || isOutgoingVoter }

  /// What check-quorum goes by. One that is made a voter has an election time-out to be heard from;
  /// else one that was never heard from does not count as heard.
  var contactForQuorum: Instant { max(lastContact ?? .zero, votesSince ?? .zero) }

  mutating func setVoter(incoming: Bool, outgoing: Bool, since: Instant?) {
    if !isVoter, incoming || outgoing { votesSince = since }
    isIncomingVoter = incoming
    isOutgoingVoter = outgoing
  }

  /// True where this is the latest round that it answered.
  mutating func heard(round: UInt64, at now: Instant) -> Bool {
    lastContact = max(now, lastContact ?? now)
    guard round > confirmedRound else { return false }
    confirmedRound = round
    return true
  }

  /// It said this of itself. Where it takes no more entries, what is in flight is lost, and is sent
  /// again from `match` on once it takes them again.
  mutating func noteCondition(_ condition: FollowerCondition) {
    self.condition = condition
    guard condition.contains(.takesNoEntries), state == .replicate else { return }
    clearInflight()
    next = match.next
  }

  func maySend(upTo lastIndex: LogIndex, windowBytes: Int) -> Bool {
    guard !condition.contains(.takesNoEntries) else { return false }
    return switch state {
    case .probe: !isPaused
    case .replicate: next <= lastIndex && inflightBytes < windowBytes && !inflight.isFull
    case .snapshot: false
    }
  }

  /// A message with entries up to `last` (or none) is on its way.
  mutating func sent(upTo last: LogIndex, bytes: Int, at now: Instant) {
    switch state {
    case .probe:
      isPaused = true
      lastStep = now
    case .replicate:
      guard last >= next else { return }
      if inflight.isEmpty { lastStep = now }
      inflight.append(Inflight(lastIndex: last, bytes: bytes))
      inflightBytes += bytes
      next = last.next
    case .snapshot:
      preconditionFailure("append up to \(last) sent to \(replica), which awaits a snapshot")
    }
  }

  /// It holds everything up to `index`. `base` is the entry before the leader's first. True where
  /// `match` rose.
  mutating func acknowledge(upTo index: LogIndex, base: LogIndex, at now: Instant) -> Bool {
    let hasRisen = index > match
    if hasRisen {
      match = index
      next = max(next, match.next)
      lastStep = now
    }
    switch state {
    case .probe:
      if index >= match { becomeReplicate() }
    case .snapshot:
      if index >= match && index >= base { becomeReplicate() }
    case .replicate:
      while let first = inflight.first, first.lastIndex <= index {
        inflightBytes -= first.bytes
        _ = inflight.popFirst()
      }
    }
    return hasRisen
  }

  /// It has no entry like the leader's at `previous`. `retry` is where the leader would look next.
  /// False where the answer is stale.
  mutating func reject(previous: LogIndex, retry: LogIndex) -> Bool {
    switch state {
    case .probe: guard previous > match && previous == next.previous else { return false }
    case .replicate: guard previous > match && previous < next else { return false }
    case .snapshot: return false
    }
    // Every rejection must lead further back, whatever the hint says.
    let lower = max(min(retry, previous), match.next)
    clearInflight()
    state = .probe
    isPaused = false
    next = lower
    return true
  }

  /// A sign of life that says nothing of the log. True where an empty append should ask whether
  /// what is in flight was lost.
  mutating func resume(at now: Instant, after interval: TimeAmount) -> Bool {
    switch state {
    case .probe:
      if now - lastStep >= interval { isPaused = false }
      return false
    case .replicate:
      guard !inflight.isEmpty, now - lastStep >= interval * 2 else { return false }
      lastStep = now
      return true
    case .snapshot:
      return false
    }
  }

  func isBetterSuccessor(than other: borrowing Progress) -> Bool {
    let isFit = !condition.contains(.unfitToLead)
    let isOtherFit = !other.condition.contains(.unfitToLead)
    return isFit == isOtherFit ? match > other.match : isFit
  }

  /// Nothing can be sent before it is heard from again.
  mutating func pause() { isPaused = true }

  mutating func becomeSnapshot() {
    clearInflight()
    state = .snapshot
    isPaused = false
  }

  /// The snapshot transfer ended with everything up to `index`, or failed.
  mutating func snapshotEnded(at index: LogIndex?, now: Instant) -> Bool {
    var hasRisen = false
    if let index, index > match {
      match = index
      hasRisen = true
    }
    next = max(next, match.next)
    if state == .snapshot {
      state = .probe
      if index != nil { next = match.next }
      // A failed one is begun again at the next sign of life, not at once.
      isPaused = index == nil
      lastStep = now
    }
    return hasRisen
  }

  private mutating func becomeReplicate() {
    clearInflight()
    state = .replicate
    isPaused = false
    next = match.next
  }

  private mutating func clearInflight() {
    inflight.removeAll()
    inflightBytes = 0
  }

  /// What must always be true of it; `nil` where it is.
  func brokenInvariant(lastIndex: LogIndex) -> String? {
    if match >= next { return "\(replica): match \(match), next \(next)" }
    if match > lastIndex { return "\(replica): match \(match) of \(lastIndex)" }
    if next > lastIndex.next { return "\(replica): next \(next) of \(lastIndex)" }
    var bytes = 0
    var last = match
    for position in 0..<inflight.count {
      let message = inflight[position]
      if message.lastIndex <= last { return "\(replica): \(message.lastIndex) in flight" }
      last = message.lastIndex
      bytes += message.bytes
    }
    if bytes != inflightBytes { return "\(replica): \(bytes) of \(inflightBytes) bytes in flight" }
    if last >= next { return "\(replica): in flight up to \(last), next \(next)" }
    return nil
  }
}
