internal import KVBase

/// What a leader keeps for its term, beside the progress of its peers and its rounds: the
/// next heartbeat, a transfer under way, and how much it has proposed that is not
/// applied. Begun anew with each term led, and with its end.
struct Leadership: Sendable {
  /// A hand-over of leadership (dissertation §3.10).
  private struct Transfer: Sendable {
    var target: ReplicaID
    /// Given up then.
    var deadline: Instant
    /// The target was told to campaign.
    var isRequested = false
  }

  private struct Proposals: Sendable {
    var upTo: LogIndex
    var bytes: Int
  }

  /// Its first entry. Once that is committed, so is everything before it (Raft paper §8).
  let firstIndex: LogIndex
  private(set) var heartbeatAt: Instant
  private var transfer: Transfer?
  /// Bytes proposed and not applied, and how they go by index.
  private(set) var unappliedBytes = 0
  private var unapplied = RingQueue<Proposals>(limit: Limits.unappliedProposals)

  /// Of one that does not lead.
  static var none: Leadership {
    Leadership(firstIndex: .zero, heartbeatAt: .zero)
  }

  init(firstIndex: LogIndex, heartbeatAt: Instant) {
    self.firstIndex = firstIndex
    self.heartbeatAt = heartbeatAt
  }

  /// An entry of its own term is committed.
  func hasCommittedInOwnTerm(_ commitIndex: LogIndex) -> Bool { commitIndex >= firstIndex }

  /// When `tick` next has something to do.
  var nextDeadline: Instant { min(heartbeatAt, transfer?.deadline ?? .distantFuture) }

  /// True where a heartbeat is due; then the next one is due an interval later.
  mutating func beginHeartbeat(now: Instant, interval: TimeAmount) -> Bool {
    guard now >= heartbeatAt else { return false }
    heartbeatAt = now + interval
    return true
  }

  // MARK: Transfer

  var transferTarget: ReplicaID? { transfer?.target }
  var isTransferring: Bool { transfer != nil }

  mutating func beginTransfer(to target: ReplicaID, deadline: Instant) {
    transfer = Transfer(target: target, deadline: deadline)
  }

  mutating func giveUpExpiredTransfer(now: Instant) {
    if let transfer, now >= transfer.deadline { self.transfer = nil }
  }

  /// True where leadership is to go to `replica`, and it was not told yet.
  func isAwaitingTransfer(to replica: ReplicaID) -> Bool {
    guard let transfer else { return false }
    return transfer.target == replica && !transfer.isRequested
  }

  mutating func transferRequested() { transfer?.isRequested = true }

  // MARK: Proposals

  /// One entry is always admitted, however large.
  func admits(bytes: Int, limit: Int) -> Bool {
    unappliedBytes == 0 || unappliedBytes + bytes <= limit
  }

  mutating func proposed(upTo index: LogIndex, bytes: Int) {
    unappliedBytes += bytes
    var sum = bytes
    // Full only where nothing is applied for long: then it is counted more coarsely.
    if unapplied.isFull, let last = unapplied.popLast() { sum += last.bytes }
    unapplied.append(Proposals(upTo: index, bytes: sum))
  }

  mutating func applied(through index: LogIndex) {
    while let first = unapplied.first, first.upTo <= index {
      unappliedBytes -= first.bytes
      _ = unapplied.popFirst()
    }
  }

  /// What must always be true of it; `nil` where it is.
  var brokenInvariant: String? {
    var bytes = 0
    var previous = LogIndex.zero
    for position in 0..<unapplied.count {
      let one = unapplied[position]
      if one.upTo <= previous { return "proposals up to \(one.upTo) after \(previous)" }
      previous = one.upTo
      bytes += one.bytes
    }
    return bytes == unappliedBytes ? nil : "\(bytes) of \(unappliedBytes) bytes proposed"
  }
}
