import KVBase
import Testing

@testable import KVRaft

func r(_ node: UInt32) -> ReplicaID { ReplicaID(node: NodeID(node)) }
func ms(_ milliseconds: UInt64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

extension GroupConfiguration {
  init(_ voters: ClosedRange<UInt32>, learners: [UInt32] = []) {
    self.init(voters: voters.map(r), learners: learners.map(r))
  }
}

/// Entries of the given terms from `first` on.
func entries(_ terms: [UInt64], from first: UInt64 = 1) -> [LogEntry] {
  terms.enumerated().map { offset, term in
    LogEntry(
      index: LogIndex(first + UInt64(offset)), term: Term(term), kind: .command,
      logTimeMilliseconds: 0, payload: Bytes("\(term).\(first + UInt64(offset))"))
  }
}

func recovery(
  terms: [UInt64], configuration: GroupConfiguration, hardState: HardState? = nil,
  applied: UInt64 = 0
) -> RaftRecovery {
  var runs: [TermRun] = []
  for (offset, term) in terms.enumerated() where runs.last?.term != Term(term) {
    runs.append(TermRun(term: Term(term), firstIndex: LogIndex(UInt64(offset) + 1)))
  }
  return RaftRecovery(
    hardState: hardState ?? HardState(term: Term(terms.last ?? 0)), baseIndex: .zero,
    baseTerm: .zero, lastIndex: LogIndex(UInt64(terms.count)), termRuns: runs,
    configurations: [IndexedConfiguration(index: .zero, configuration: configuration)],
    appliedIndex: LogIndex(applied))
}

/// One replica by itself: a test plays everyone else, and the disk.
struct Solo {
  var core: RaftCore
  var out = RaftOutputs()
  var now: Instant = .zero
  var persists: [RaftOutputs.Persist] = []

  init(
    _ id: UInt32 = 1, of configuration: GroupConfiguration = GroupConfiguration(1...3),
    log terms: [UInt64] = [], hardState: HardState? = nil, settings: RaftSettings = RaftSettings(),
    applied: UInt64 = 0, seed: UInt64 = 1
  ) {
    core = RaftCore(
      group: GroupID(1), id: r(id), settings: settings,
      recovery: recovery(
        terms: terms, configuration: configuration, hardState: hardState, applied: applied),
      random: SeededRandom(seed: seed), now: .zero)
    // Votes are withheld at first after every start.
    now = ms(150)
  }

  /// Ends the turn; what was asked for since the last call.
  @discardableResult
  mutating func turn() -> RaftOutputs {
    core.flush(now: now, into: &out)
    core.checkInvariants()
    let done = out
    persists += done.persists
    out.removeAll()
    return done
  }

  @discardableResult
  mutating func receive(
    _ body: RaftMessage.Body, term: UInt64, from: UInt32
  ) -> RaftOutputs {
    core.receive(RaftMessage(term: Term(term), body: body), from: r(from), now: now, into: &out)
    return turn()
  }

  @discardableResult
  mutating func tick(at instant: Instant) -> RaftOutputs {
    now = max(now, instant)
    core.tick(now: now, into: &out)
    return turn()
  }

  /// The disk has done everything asked of it.
  @discardableResult
  mutating func sync() -> RaftOutputs {
    guard let last = persists.last else { return RaftOutputs() }
    core.persisted(last.token, now: now, into: &out)
    return turn()
  }

  /// Campaigns and wins, with everything durable; the followers hold nothing of the new term.
  mutating func lead() {
    tick(at: core.nextDeadline)
    let asked = core.term.rawValue + 1
    let others = core.configuration.members.filter { $0 != core.id }
    for voter in others where core.role == .preCandidate {
      receive(
        .voteResponse(.init(isPreVote: true, granted: true)), term: asked, from: voter.node.rawValue
      )
    }
    sync()
    for voter in others where core.role == .candidate {
      receive(
        .voteResponse(.init(isPreVote: false, granted: true)), term: asked,
        from: voter.node.rawValue)
    }
    sync()
    precondition(core.role == .leader, "not elected: \(core.role)")
  }

  @discardableResult
  mutating func propose(_ text: String = "x", wall: UInt64 = 0) throws -> LogIndex {
    try core.propose(
      .command, payload: Bytes(text), wallMilliseconds: wall, now: now, into: &out)
  }

  mutating func askToRead() throws -> ReadTicket {
    let ticket = core.requestRead()
    return try #require(ticket)
  }

  /// Everything sent to a follower is durable there.
  @discardableResult
  mutating func acknowledge(_ index: LogIndex, from: UInt32, round: UInt64 = 0) -> RaftOutputs {
    receive(
      .appendResponse(.init(outcome: .accepted(match: index), round: round)),
      term: core.term.rawValue, from: from)
  }

  /// Leads with its no-op committed.
  mutating func leadAndCommit() {
    lead()
    for peer in core.configuration.members where peer != core.id {
      acknowledge(core.lastIndex, from: peer.node.rawValue)
    }
    precondition(core.hasCommittedInOwnTerm, "no-op not committed")
  }
}

extension RaftOutputs {
  func to(_ node: UInt32) -> [Send] { sends.filter { $0.to == r(node) } }

  var appends: [(to: ReplicaID, request: RaftMessage.AppendRequest)] {
    sends.compactMap {
      if case .append(let request) = $0.message.body { ($0.to, request) } else { nil }
    }
  }

  var appendResponses: [(outcome: RaftMessage.AppendResponse.Outcome, after: PersistToken?)] {
    sends.compactMap {
      if case .appendResponse(let response) = $0.message.body {
        (response.outcome, $0.after)
      } else {
        nil
      }
    }
  }

  var heartbeats: [(to: ReplicaID, heartbeat: RaftMessage.Heartbeat)] {
    sends.compactMap {
      if case .heartbeat(let heartbeat) = $0.message.body { ($0.to, heartbeat) } else { nil }
    }
  }

  var voteRequests: [(send: Send, request: RaftMessage.VoteRequest)] {
    sends.compactMap {
      if case .voteRequest(let request) = $0.message.body { ($0, request) } else { nil }
    }
  }

  var voteResponse: (response: RaftMessage.VoteResponse, term: Term, after: PersistToken?)? {
    for send in sends {
      if case .voteResponse(let response) = send.message.body {
        return (response, send.message.term, send.after)
      }
    }
    return nil
  }

  var timeoutNowTargets: [ReplicaID] {
    sends.compactMap { if case .timeoutNow = $0.message.body { $0.to } else { nil } }
  }

  var readiness: [(through: ReadTicket, index: LogIndex)] {
    reads.compactMap {
      if case .ready(let through, let index) = $0 { (through, index) } else { nil }
    }
  }

  var readsAborted: Bool {
    reads.contains { if case .aborted = $0 { true } else { false } }
  }
}

extension RaftMessage.Body {
  static func append(
    after previous: UInt64 = 0, _ previousTerm: UInt64 = 0, _ entries: [LogEntry] = [],
    commit: UInt64 = 0, round: UInt64 = 0
  ) -> Self {
    .append(
      .init(
        previousIndex: LogIndex(previous), previousTerm: Term(previousTerm),
        commit: LogIndex(commit), round: round, entries: entries))
  }

  static func heartbeat(commit: UInt64 = 0, round: UInt64 = 0) -> Self {
    .heartbeat(.init(commit: LogIndex(commit), round: round))
  }

  static func vote(
    _ lastTerm: UInt64, _ lastIndex: UInt64, pre: Bool = false, transfer: Bool = false
  ) -> Self {
    .voteRequest(
      .init(
        isPreVote: pre, lastIndex: LogIndex(lastIndex), lastTerm: Term(lastTerm),
        isTransfer: transfer))
  }
}
