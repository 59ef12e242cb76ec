internal import KVBase
internal import KVRaft
internal import KVState

/// The snapshots that a leader sends to followers of its group, one for each follower.
///
/// The follower asks for chunk after chunk by number, and one chunk is on its way at a time: a lost
/// one is asked for again, and a stale or repeated one is recognised by its number and transfer.
/// A transfer is: opening (the image is being opened), offered (the follower has not asked for the
/// first chunk), reading (a chunk is being read), sent (a chunk is on its way). It ends when the
/// follower says so, when this replica no longer leads in the term that began it, or when nothing
/// has been heard from the follower for `silenceLimit`.
struct SnapshotSenders: Sendable {
  private enum Phase: Sendable, Hashable {
    case opening
    case offered
    case reading(sequence: UInt64)
    case sent(sequence: UInt64)
  }

  private struct Transfer: Sendable {
    let id: TransferID
    let to: ReplicaID
    let term: Term
    var phase = Phase.opening
    var index = LogIndex.zero
    var snapshotTerm = Term.zero
    /// The bytes of the chunk last read, and where the next one begins; `nil`: it is the last.
    var chunk: Bytes?
    var next: Bytes? = Bytes()
    var lastHeard: Instant
    var lastSent: Instant
    /// The chunk waits for the next tick's budget.
    var isDelayed = false
  }

  /// What a follower was sent is to be counted by the core: up to this index, or not at all.
  struct Ended: Sendable {
    var to: ReplicaID
    var index: LogIndex?
  }

  /// An offer or a chunk without an answer is sent again after this.
  private static let resendInterval = TimeAmount.milliseconds(500)
  static let silenceLimit = TimeAmount.seconds(10)

  private var transfers: [Transfer] = []

  var isEmpty: Bool { transfers.isEmpty }
  var ids: [TransferID] { transfers.map(\.id) }
  /// What is on its way to a follower; the entries after it are needed when it has arrived.
  var lowestIndexOnItsWay: LogIndex? {
    transfers.filter { $0.phase != .opening }.map(\.index).min()
  }

  /// False where one is on its way already.
  mutating func begin(_ id: TransferID, to follower: ReplicaID, term: Term, now: Instant) {
    transfers.append(
      Transfer(id: id, to: follower, term: term, lastHeard: now, lastSent: now))
  }

  func isSending(to follower: ReplicaID) -> Bool { transfers.contains { $0.to == follower } }

  /// The image is open. False where the transfer has ended meanwhile.
  mutating func opened(
    _ id: TransferID, _ status: GroupStatus, from own: ReplicaIdentity, now: Instant,
    _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) -> Bool {
    guard let at = transfers.firstIndex(where: { $0.id == id }) else { return false }
    transfers[at].phase = .offered
    transfers[at].index = status.appliedIndex
    transfers[at].snapshotTerm = status.appliedTerm
    offer(at, from: own, now: now, &context, &outputs)
    return true
  }

  private mutating func offer(
    _ at: Int, from own: ReplicaIdentity, now: Instant, _ context: inout ShardContext,
    _ outputs: inout NodeOutputs
  ) {
    transfers[at].lastSent = now
    let transfer = transfers[at]
    context.send(
      .snapshot(
        .offer(
          transfer: transfer.id.rawValue, index: transfer.index, term: transfer.snapshotTerm)),
      term: transfer.term, from: own, to: transfer.to, &outputs)
  }

  /// The follower asks for a chunk.
  mutating func requested(
    _ id: UInt64, _ sequence: UInt64, by follower: ReplicaID, from own: ReplicaIdentity,
    now: Instant, _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) {
    guard let at = find(id, follower) else { return }
    transfers[at].lastHeard = now
    switch transfers[at].phase {
    case .opening, .reading: return
    case .offered:
      guard sequence == 0 else { return }
      transfers[at].next = Bytes()
    case .sent(let last):
      if sequence == last {
        return sendChunk(last, at, from: own, now: now, &context, &outputs)
      }
      guard sequence == last + 1 else { return }
    }
    guard let cursor = transfers[at].next else { return }
    transfers[at].phase = .reading(sequence: sequence)
    outputs.snapshots.append(
      .read(transfers[at].id, cursor: cursor, maxBytes: Limits.snapshotChunkBytes))
  }

  /// A chunk was read.
  mutating func read(
    _ id: TransferID, _ bytes: Bytes, next: Bytes?, from own: ReplicaIdentity, now: Instant,
    _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) {
    guard let at = transfers.firstIndex(where: { $0.id == id }),
      case .reading(let sequence) = transfers[at].phase
    else { return }
    transfers[at].chunk = bytes
    transfers[at].next = next
    transfers[at].phase = .sent(sequence: sequence)
    sendChunk(sequence, at, from: own, now: now, &context, &outputs)
  }

  /// Sends the chunk last read, where this tick's budget allows; else `tick` does so later.
  private mutating func sendChunk(
    _ sequence: UInt64, _ at: Int, from own: ReplicaIdentity, now: Instant,
    _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) {
    guard let chunk = transfers[at].chunk else { return }
    transfers[at].isDelayed = !context.snapshots.spends(chunk.count)
    guard !transfers[at].isDelayed else { return }
    transfers[at].lastSent = now
    let transfer = transfers[at]
    context.send(
      .snapshot(
        .chunk(
          transfer: transfer.id.rawValue, sequence: sequence, isLast: transfer.next == nil,
          bytes: chunk)), term: transfer.term, from: own, to: transfer.to, &outputs)
  }

  /// The follower has installed it, or gave up.
  mutating func concluded(
    _ id: UInt64, succeeded: Bool, by follower: ReplicaID, _ context: inout ShardContext,
    _ outputs: inout NodeOutputs
  ) -> Ended? {
    guard let at = find(id, follower) else { return nil }
    return end(at, succeeded: succeeded, &context, &outputs)
  }

  /// Sends again what has no answer, and ends what can't go on.
  mutating func tick(
    isLeader: Bool, term: Term, from own: ReplicaIdentity, now: Instant,
    _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) -> [Ended] {
    var ended: [Ended] = []
    for at in transfers.indices.reversed() {
      let transfer = transfers[at]
      if !isLeader || term != transfer.term || now - transfer.lastHeard > Self.silenceLimit {
        ended.append(end(at, succeeded: false, &context, &outputs))
        continue
      }
      let isLate = now - transfer.lastSent > Self.resendInterval
      switch transfer.phase {
      case .offered where isLate: offer(at, from: own, now: now, &context, &outputs)
      case .sent(let sequence) where isLate || transfer.isDelayed:
        sendChunk(sequence, at, from: own, now: now, &context, &outputs)
      case .opening, .offered, .reading, .sent: break
      }
    }
    return ended
  }

  private mutating func end(
    _ at: Int, succeeded: Bool, _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) -> Ended {
    let transfer = transfers.remove(at: at)
    outputs.snapshots.append(.close(transfer.id))
    context.snapshots.closed(transfer.id)
    return Ended(to: transfer.to, index: succeeded ? transfer.index : nil)
  }

  private func find(_ id: UInt64, _ follower: ReplicaID) -> Int? {
    transfers.firstIndex {
      $0.id.rawValue == id && $0.to == follower && $0.phase != .opening
    }
  }
}
