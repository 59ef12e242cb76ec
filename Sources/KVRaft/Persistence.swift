internal import KVBase

/// What of a replica is durable, and what is still on its way to the log.
///
/// The token of the next persist is known before it is emitted, so that a message can name it in
/// the turn in which the need for it arose.
struct Persistence: Sendable {
  private struct Pending: Sendable {
    var token: PersistToken
    /// With this token the log is durable up to here. Lowered by truncation: else the completion
    /// of an old write would be taken for that of other entries at the same indexes.
    var upTo: LogIndex
  }

  private(set) var stableIndex: LogIndex
  private(set) var completed = PersistToken(0)
  private(set) var lastEmitted = PersistToken(0)
  /// The first entry that the next persist must carry.
  private(set) var dirtyFrom: LogIndex?
  private(set) var isHardStateDirty = false
  private var hardStateToken = PersistToken(0)
  private var pending = RingQueue<Pending>(limit: 4096)

  init(stableIndex: LogIndex) { self.stableIndex = stableIndex }

  var isDirty: Bool { isHardStateDirty || dirtyFrom != nil }
  /// What the next persist will be called.
  var nextToken: PersistToken { PersistToken(lastEmitted.rawValue + 1) }

  /// What a message that promises everything known now must wait for.
  var outstanding: PersistToken? {
    if isDirty { return nextToken }
    return lastEmitted > completed ? lastEmitted : nil
  }

  /// What a message that promises the term or the vote must wait for.
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
    var position = pending.count - 1
    while position >= 0 && pending[position].upTo > index {
      pending[position].upTo = index
      position -= 1
    }
    if let first = dirtyFrom, first > index { dirtyFrom = nil }
  }

  /// The log begins anew, durably, behind `index`.
  mutating func reset(to index: LogIndex) {
    truncated(after: .zero)
    for position in 0..<pending.count { pending[position].upTo = index }
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
    if pending.isFull { _ = pending.popLast() }
    pending.append(Pending(token: token, upTo: lastIndex))
    return token
  }

  /// Everything up to `token` is durable. True where the stable index rose.
  mutating func complete(_ token: PersistToken) -> Bool {
    precondition(token <= lastEmitted, "persisted \(token), but emitted only \(lastEmitted)")
    guard token > completed else { return false }
    completed = token
    let before = stableIndex
    while let first = pending.first, first.token <= token {
      stableIndex = max(stableIndex, first.upTo)
      _ = pending.popFirst()
    }
    return stableIndex > before
  }

  func brokenInvariant(lastIndex: LogIndex) -> String? {
    if stableIndex > lastIndex { return "stable \(stableIndex) of \(lastIndex)" }
    var previous = completed
    for position in 0..<pending.count {
      let one = pending[position]
      if one.token <= previous { return "token \(one.token.rawValue) out of order" }
      if one.upTo > lastIndex { return "pending up to \(one.upTo) of \(lastIndex)" }
      previous = one.token
    }
    if let dirtyFrom, dirtyFrom > lastIndex { return "dirty from \(dirtyFrom) of \(lastIndex)" }
    return nil
  }
}
