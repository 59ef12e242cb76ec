internal import KVBase

/// What of a replica's persistent state is durable, what is being written, and what has changed
/// since the last persist.
///
/// The token of the next persist is known before it is emitted, so that a message can name it in
/// the turn in which the need for it arose.
///
/// Invariants: tokens rise; what is durable, being written or changed lies within the log.
struct Durability: Sendable {
  private struct Write: Sendable {
    var token: PersistToken
    /// With this token the log is durable up to here. Lowered by truncation: else the completion of
    /// an old write would vouch for other entries at the same indexes.
    var upTo: LogIndex
  }

  private(set) var stableIndex: LogIndex
  private(set) var completed = PersistToken(0)
  private(set) var lastEmitted = PersistToken(0)
  /// The first entry that the next persist must carry.
  private(set) var dirtyFrom: LogIndex?
  private(set) var isHardStateDirty = false
  private var hardStateToken = PersistToken(0)
  private var writes = RingQueue<Write>(limit: Limits.openPersists)

  init(stableIndex: LogIndex) { self.stableIndex = stableIndex }

  var isDirty: Bool { isHardStateDirty || dirtyFrom != nil }
  /// What the next persist will be called.
  var nextToken: PersistToken { PersistToken(lastEmitted.rawValue + 1) }

  /// What a message must wait for that vouches for the whole of the persistent state.
  var outstanding: PersistToken? {
    if isDirty { return nextToken }
    return lastEmitted > completed ? lastEmitted : nil
  }

  /// What a message must wait for that vouches for the term or the vote.
  var outstandingHardState: PersistToken? {
    if isHardStateDirty { return nextToken }
    return hardStateToken > completed ? hardStateToken : nil
  }

  mutating func hardStateChanged() { isHardStateDirty = true }

  mutating func appended(from index: LogIndex) {
    dirtyFrom = min(dirtyFrom ?? index, index)
  }

  /// The log now ends at `index`.
  mutating func truncated(after index: LogIndex) {
    stableIndex = min(stableIndex, index)
    var position = writes.count - 1
    while position >= 0 && writes[position].upTo > index {
      writes[position].upTo = index
      position -= 1
    }
    if let first = dirtyFrom, first > index { dirtyFrom = nil }
  }

  /// The log begins anew, durably, after `index`.
  mutating func reset(to index: LogIndex) {
    truncated(after: .zero)
    for position in 0..<writes.count { writes[position].upTo = index }
    dirtyFrom = nil
    stableIndex = index
  }

  /// A persist is emitted, with the log's end at `lastIndex`.
  mutating func emitted(lastIndex: LogIndex) -> PersistToken {
    let token = nextToken
    lastEmitted = token
    if isHardStateDirty { hardStateToken = token }
    isHardStateDirty = false
    dirtyFrom = nil
    // Full only where the disk stands still: then completions are known more coarsely.
    if writes.isFull { _ = writes.popLast() }
    writes.append(Write(token: token, upTo: lastIndex))
    return token
  }

  /// Everything up to `token` is durable. True where the stable index rose.
  mutating func complete(_ token: PersistToken) -> Bool {
    precondition(token <= lastEmitted, "persisted \(token), but emitted only \(lastEmitted)")
    guard token > completed else { return false }
    completed = token
    let before = stableIndex
    while let first = writes.first, first.token <= token {
      stableIndex = max(stableIndex, first.upTo)
      _ = writes.popFirst()
    }
    return stableIndex > before
  }

  /// What must always be true of it; `nil` where it is.
  func brokenInvariant(lastIndex: LogIndex) -> String? {
    if stableIndex > lastIndex { return "stable \(stableIndex) of \(lastIndex)" }
    var previous = completed
    for position in 0..<writes.count {
      let write = writes[position]
      if write.token <= previous { return "token \(write.token.rawValue) out of order" }
      if write.upTo > lastIndex { return "a write up to \(write.upTo) of \(lastIndex)" }
      previous = write.token
    }
    if let dirtyFrom, dirtyFrom > lastIndex { return "dirty from \(dirtyFrom) of \(lastIndex)" }
    return nil
  }
}
