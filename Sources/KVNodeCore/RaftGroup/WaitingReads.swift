internal import KVBase
internal import KVCommand
internal import KVRaft
internal import KVWire

/// A read that waits: for its ticket, or for an index to be applied.
struct PendingRead: Sendable {
  var caller: Caller
  var command: ReadCommand
  var served: Receipt.Served
  /// When waiting is given up.
  var deadline: Instant
  /// What must be applied, whatever a round says.
  var required = LogIndex.zero
  /// Of the budget, until it is answered.
  var bytes = 0
}

/// Reads of one group that can't be served yet. A linearizable read waits first for a round of the
/// leader that a majority confirmed, and then for the state to catch up with the index that the
/// round gave (Raft dissertation §6.4); a session read waits for the second alone.
///
/// A read's keys are slices of what its connection sent at one time. Most wait for a round, for
/// less than a millisecond, and copying them would cost more than that; those that have waited for
/// `longestAttachment`, and all that wait for an index, get a buffer of their own.
struct WaitingReads: Sendable {
  static let longestAttachment = TimeAmount.milliseconds(50)

  private var ticketed = RingQueue<(ticket: ReadTicket, read: PendingRead)>(
    limit: Limits.waitingReads)
  private var indexed: [(index: LogIndex, read: PendingRead)] = []
  /// The last so many of `ticketed`, or fewer, have no buffer of their own.
  private var attached = 0
  /// When the first of those has waited long enough.
  private var detachAt = Instant.distantFuture
  /// No read's deadline is earlier.
  private var earliestDeadline = Instant.distantFuture

  var waitsForIndex: Bool { !indexed.isEmpty }
  var ticketCount: Int { ticketed.count }
  /// When `tick` next has something to do.
  var nextDeadline: Instant { min(earliestDeadline, detachAt) }

  /// False where too many wait.
  mutating func wait(for ticket: ReadTicket, _ read: PendingRead, now: Instant) -> Bool {
    guard ticketed.append((ticket, read)) else { return false }
    if attached == 0 { detachAt = now + Self.longestAttachment }
    attached += 1
    earliestDeadline = min(earliestDeadline, read.deadline)
    return true
  }

  /// False where too many wait.
  mutating func wait(for index: LogIndex, _ read: PendingRead) -> Bool {
    guard indexed.count < Limits.waitingReads else { return false }
    var read = read
    read.command = read.command.detached()
    indexed.append((index, read))
    earliestDeadline = min(earliestDeadline, read.deadline)
    return true
  }

  /// Gives reads that have waited for long a buffer of their own.
  mutating func detach(now: Instant) {
    guard now >= detachAt else { return }
    for position in max(0, ticketed.count - attached)..<ticketed.count {
      ticketed[position].read.command = ticketed[position].read.command.detached()
    }
    attached = 0
    detachAt = .distantFuture
  }

  /// The next read whose ticket is confirmed.
  mutating func popConfirmed(through ticket: ReadTicket) -> PendingRead? {
    guard let first = ticketed.first, first.ticket <= ticket else { return nil }
    return popTicketed()
  }

  /// The next read that waits for a ticket, whatever ticket that is.
  mutating func popTicketed() -> PendingRead? {
    guard let first = ticketed.popFirst() else { return nil }
    if ticketed.isEmpty {
      attached = 0
      detachAt = .distantFuture
    }
    return first.read
  }

  /// A read that waits for an index, whatever index that is.
  mutating func popIndexed() -> PendingRead? { indexed.popLast()?.read }

  mutating func removeAll() -> [PendingRead] {
    var all = indexed.map(\.read)
    indexed.removeAll()
    while let read = popTicketed() { all.append(read) }
    return all
  }

  /// Takes out the reads of a connection.
  mutating func removeAll(of connection: ConnectionID) -> [PendingRead] {
    var removed = takeTicketed { $0.caller.connection == connection }
    for (_, read) in indexed where read.caller.connection == connection { removed.append(read) }
    indexed.removeAll { $0.read.caller.connection == connection }
    return removed
  }

  /// Takes out the reads that wait for a ticket and are to go; the others keep their order.
  private mutating func takeTicketed(_ goes: (PendingRead) -> Bool) -> [PendingRead] {
    var removed: [PendingRead] = []
    for _ in 0..<ticketed.count {
      guard let first = ticketed.popFirst() else { break }
      if goes(first.read) { removed.append(first.read) } else { ticketed.append(first) }
    }
    attached = min(attached, ticketed.count)
    return removed
  }

  /// Takes out the reads whose index is applied, in the order in which they came.
  mutating func removeServable(applied: LogIndex) -> [PendingRead] {
    guard indexed.contains(where: { $0.index <= applied }) else { return [] }
    let servable = indexed.filter { $0.index <= applied }.map(\.read)
    indexed.removeAll { $0.index <= applied }
    return servable
  }

  /// Takes out the reads whose time is over: those that no majority confirmed, and those for which
  /// the state did not get far enough. Nothing was done for any of them.
  mutating func removeExpired(
    now: Instant
  ) -> (unconfirmed: [PendingRead], behind: [(index: LogIndex, read: PendingRead)]) {
    guard now >= earliestDeadline else { return ([], []) }
    let unconfirmed = takeTicketed { $0.deadline <= now }
    let behind = indexed.filter { $0.read.deadline <= now }
    indexed.removeAll { $0.read.deadline <= now }
    earliestDeadline = .distantFuture
    for position in 0..<ticketed.count {
      earliestDeadline = min(earliestDeadline, ticketed[position].read.deadline)
    }
    for (_, read) in indexed { earliestDeadline = min(earliestDeadline, read.deadline) }
    return (unconfirmed, behind)
  }
}
