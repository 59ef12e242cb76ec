internal import KVBase

/// Rounds of "am I still the leader?", on which reads and the leader's lease rest (dissertation
/// §6.4).
///
/// The number of the present round travels in every append and heartbeat, and every answer carries
/// it back. A round's number is used once in the life of a core. A read waits for a round that
/// began after the read did; a confirmed round confirms every earlier one.
///
/// The lease counts from when the confirmed round was sent: what a voter withholds, it withholds
/// from a later time on. It is over for the rest of the term once another replica was asked to
/// campaign, for then voters withhold nothing.
///
/// Invariants: answered ≤ assigned ≤ last ticket; open rounds and their tickets rise.
struct ReadRounds: Sendable {
  private struct Round: Sendable {
    var number: UInt64
    var startedAt: Instant
    /// Reads up to this one are served by it, at `index`.
    var ticket: ReadTicket?
    var index: LogIndex
  }

  private let leaseLength: TimeAmount
  /// The latest round that was started; never goes back, not even in a new term.
  private(set) var current: UInt64 = 0
  /// The latest round that a majority has confirmed.
  private(set) var confirmed: UInt64 = 0
  private var open = RingQueue<Round>(limit: Limits.openReadRounds)
  private(set) var lastTicket = ReadTicket(0)
  /// Tickets up to here belong to a round, or are answered.
  private var assigned = ReadTicket(0)
  private var answered = ReadTicket(0)
  /// Reads may be served without a round before this.
  private var leaseUntil: Instant = .zero
  private var isLeaseGivenUp = false

  init(leaseLength: TimeAmount) { self.leaseLength = leaseLength }

  // MARK: Reads

  mutating func ask() -> ReadTicket {
    lastTicket = ReadTicket(lastTicket.rawValue + 1)
    return lastTicket
  }

  var hasUnassignedTickets: Bool { assigned < lastTicket }
  var hasRoom: Bool { !open.isFull }

  /// Begins a round. Where `index` is given, it serves the reads that no round serves yet.
  mutating func start(at now: Instant, serving index: LogIndex?) {
    guard hasRoom else { return }
    current += 1
    var round = Round(number: current, startedAt: now, ticket: nil, index: .zero)
    if let index, hasUnassignedTickets {
      round.ticket = lastTicket
      round.index = index
      assigned = lastTicket
    }
    open.append(round)
  }

  /// A majority has confirmed rounds up to and including `number`: they serve their reads and
  /// extend the lease. When the last of those that were open began; `nil`: none was.
  mutating func confirm(
    through number: UInt64, into outputs: inout RaftOutputs
  ) -> Instant? {
    confirmed = max(confirmed, number)
    var startedAt: Instant?
    while let round = open.first, round.number <= number {
      _ = open.popFirst()
      leaseUntil = max(leaseUntil, round.startedAt + leaseLength)
      startedAt = round.startedAt
      if let ticket = round.ticket {
        answered = ticket
        outputs.reads.append(.ready(through: ticket, index: round.index))
      }
    }
    return startedAt
  }

  /// Leadership began or ended: no open round counts any more, open reads fail, and there is no
  /// lease.
  mutating func abort(into outputs: inout RaftOutputs) {
    open.removeAll()
    if answered < lastTicket { outputs.reads.append(.aborted) }
    assigned = lastTicket
    answered = lastTicket
    leaseUntil = .zero
    isLeaseGivenUp = false
  }

  // MARK: Lease

  func hasLease(now: Instant) -> Bool { !isLeaseGivenUp && now < leaseUntil }

  #if PlantedFaults
    /// Whether there would be a lease, if leases had no end.
    var hasEndlessLease: Bool { !isLeaseGivenUp }
  #endif

  mutating func giveUpLease() { isLeaseGivenUp = true }

  /// What must always be true of it; `nil` where it is.
  var brokenInvariant: String? {
    if confirmed > current { return "round \(confirmed) of \(current) is confirmed" }
    if assigned > lastTicket || answered > assigned {
      return "reads answered \(answered), assigned \(assigned), asked \(lastTicket)"
    }
    var number: UInt64 = 0
    var ticket = answered
    for position in 0..<open.count {
      let round = open[position]
      if round.number <= number || round.number > current { return "round \(round.number)" }
      number = round.number
      guard let its = round.ticket else { continue }
      if its <= ticket || its > assigned { return "round \(number) serves reads to \(its)" }
      ticket = its
    }
    return nil
  }
}
