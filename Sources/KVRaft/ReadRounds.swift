internal import KVBase

/// Rounds of "am I still the leader?", which reads and leases hang on (dissertation §6.4).
///
/// A round's number is used once in the life of a core. A read waits for a round that began after
/// the read did; a confirmed round confirms every earlier one.
struct ReadRounds: Sendable {
  private struct Round: Sendable {
    var number: UInt64
    var startedAt: Instant
    /// Reads up to this one are served by it, at `index`.
    var ticket: ReadTicket?
    var index: LogIndex
  }

  /// The latest round that was started; never goes back, not even in a new term.
  private(set) var current: UInt64 = 0
  private var open = RingQueue<Round>(limit: Limits.openReadRounds)
  private(set) var lastTicket = ReadTicket(0)
  /// Tickets up to here belong to a round, or are answered.
  private var bound = ReadTicket(0)
  private var answered = ReadTicket(0)

  mutating func ask() -> ReadTicket {
    lastTicket = ReadTicket(lastTicket.rawValue + 1)
    return lastTicket
  }

  var hasUnboundTickets: Bool { bound < lastTicket }
  var hasOpenTickets: Bool { answered < lastTicket }
  var hasRoom: Bool { !open.isFull }

  /// Begins a round. Where `index` is given, it serves the reads that no round serves yet.
  mutating func start(at now: Instant, serving index: LogIndex?) {
    guard hasRoom else { return }
    current += 1
    var round = Round(number: current, startedAt: now, ticket: nil, index: .zero)
    if let index, hasUnboundTickets {
      round.ticket = lastTicket
      round.index = index
      bound = lastTicket
    }
    open.append(round)
  }

  /// A majority has confirmed rounds up to and including `number`. Answers when the latest of
  /// them was started; `nil` where none was open.
  mutating func confirm(through number: UInt64, into reads: inout [RaftOutputs.Read]) -> Instant? {
    var startedAt: Instant?
    while let round = open.first, round.number <= number {
      _ = open.popFirst()
      startedAt = round.startedAt
      if let ticket = round.ticket {
        answered = ticket
        reads.append(.ready(through: ticket, index: round.index))
      }
    }
    return startedAt
  }

  /// Leadership began or ended: no open round counts any more, and open reads fail.
  mutating func abort(into reads: inout [RaftOutputs.Read]) {
    open.removeAll()
    if hasOpenTickets { reads.append(.aborted) }
    bound = lastTicket
    answered = lastTicket
  }
}
