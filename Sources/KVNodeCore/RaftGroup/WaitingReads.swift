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
}

/// Reads of one group that can't be served yet. A linearizable read waits first for a round of the
/// leader that a majority confirmed, and then for the state to catch up with the index that the
/// round gave (Raft dissertation §6.4); a session read waits for the second alone.
struct WaitingReads: Sendable {
  private var ticketed = RingQueue<(ticket: ReadTicket, read: PendingRead)>(
    limit: Limits.waitingReads)
  private var indexed: [(index: LogIndex, read: PendingRead)] = []
  /// No read's deadline is earlier.
  private(set) var nextDeadline = Instant.distantFuture

  var waitsForIndex: Bool { !indexed.isEmpty }
  var ticketCount: Int { ticketed.count }

  /// False where too many wait.
  mutating func wait(for ticket: ReadTicket, _ read: PendingRead) -> Bool {
    guard ticketed.append((ticket, read)) else { return false }
    nextDeadline = min(nextDeadline, read.deadline)
    return true
  }

  /// False where too many wait.
  mutating func wait(for index: LogIndex, _ read: PendingRead) -> Bool {
    guard indexed.count < Limits.waitingReads else { return false }
    indexed.append((index, read))
    nextDeadline = min(nextDeadline, read.deadline)
    return true
  }

  /// The next read whose ticket is confirmed.
  mutating func popConfirmed(through ticket: ReadTicket) -> PendingRead? {
    guard let first = ticketed.first, first.ticket <= ticket else { return nil }
    return ticketed.popFirst()?.read
  }

  /// The next read that waits for a ticket, whatever ticket that is.
  mutating func popTicketed() -> PendingRead? { ticketed.popFirst()?.read }

  /// A read that waits for an index, whatever index that is.
  mutating func popIndexed() -> PendingRead? { indexed.popLast()?.read }

  mutating func removeAll() -> [PendingRead] {
    var all = indexed.map(\.read)
    indexed.removeAll()
    while let read = popTicketed() { all.append(read) }
    return all
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
    guard now >= nextDeadline else { return ([], []) }
    var unconfirmed: [PendingRead] = []
    for _ in 0..<ticketed.count {
      guard let first = ticketed.popFirst() else { break }
      if first.read.deadline <= now {
        unconfirmed.append(first.read)
      } else {
        ticketed.append(first)
      }
    }
    let behind = indexed.filter { $0.read.deadline <= now }
    indexed.removeAll { $0.read.deadline <= now }
    nextDeadline = .distantFuture
    for position in 0..<ticketed.count {
      nextDeadline = min(nextDeadline, ticketed[position].read.deadline)
    }
    for (_, read) in indexed { nextDeadline = min(nextDeadline, read.deadline) }
    return (unconfirmed, behind)
  }
}
