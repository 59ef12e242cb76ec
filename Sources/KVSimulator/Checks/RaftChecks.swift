package import KVBase
import KVCommand
package import KVLog

/// Raft's promises, checked from outside: fed with what nodes persist, apply and announce, each
/// entry looked at once per replica. It shares no code with the core.
package struct RaftChecks: Sendable {
  struct Committed: Sendable {
    var mark: EntryMark
    /// The term of the replica from which this was learned: the entry was committed in it or
    /// before.
    var learnedInTerm: UInt64
  }

  struct Group: Sendable {
    /// By term.
    var leaders: [UInt64: Int] = [:]
    /// By index - 1: what was ever seen there, with the term of the entry before.
    var seen: [[(mark: EntryMark, previousTerm: UInt64)]] = []
    /// By index - 1.
    var committed: [Committed] = []
    /// By index.
    var digests: [UInt64: UInt64] = [:]
    var replicas: [ReplicaView]
    /// By node: what its disk has.
    var disks: [DurableLog]
    var voters: [Int]
    var configurations = ConfigurationLedger()
    /// By index - 1: what the first replica that applied an entry answered.
    var results: [CommandResult] = []
  }

  var groups: [Group]
  private let nodes: Int
  private(set) var found: [(check: Check, what: String)] = []
  /// Entries compared, so that a run can say how much was checked.
  package private(set) var entriesChecked: UInt64 = 0
  package private(set) var elections: UInt64 = 0

  package init(nodes: Int, groups: Int) {
    self.nodes = nodes
    self.groups = Array(
      repeating: Group(
        replicas: Array(repeating: ReplicaView(), count: nodes),
        disks: Array(repeating: DurableLog(), count: nodes), voters: Array(0..<nodes)),
      count: groups)
  }

  /// Who votes in a group.
  package mutating func setVoters(_ nodes: [NodeID], of group: GroupID) {
    groups[Int(group.rawValue)].voters = nodes.map { Int($0.rawValue) - 1 }
  }

  package mutating func removeFindings() -> [(check: Check, what: String)] {
    defer { found = [] }
    return found
  }

  package var hasFound: Bool { !found.isEmpty }

  mutating func report(_ check: Check, _ what: String) {
    if found.count < 32 { found.append((check, what)) }
  }

  func name(_ node: Int) -> String { "n\(node + 1)" }

  // MARK: A turn's outputs

  /// What a node asked to persist, and what it announced in the same turn.
  package mutating func turn(
    of node: NodeID, persists: [(number: UInt64, records: [LogRecord])], events: [NodeEvent]
  ) {
    let at = Int(node.rawValue) - 1
    var truncations: [(group: Int, index: UInt64, term: UInt64)] = []
    var appended: [(group: Int, from: UInt64)] = []
    for persist in persists {
      for record in persist.records {
        observe(
          record, number: persist.number, of: at, truncations: &truncations, appended: &appended)
      }
    }
    let before = truncations.map { groups[$0.group].replicas[at].isLeader }
    for event in events { observe(event, of: at) }
    for (position, truncation) in truncations.enumerated() where before[position] {
      let replica = groups[truncation.group].replicas[at]
      if replica.isLeader && replica.term == truncation.term {
        report(
          .leaderAppendOnly,
          "\(name(at)) leads g\(truncation.group) in term \(truncation.term) and replaced entry "
            + "\(truncation.index)")
      }
    }
    for (group, from) in appended {
      checkOrigin(group, at, from: from)
      compareCommitted(group, at)
    }
  }

  private mutating func observe(
    _ record: LogRecord, number: UInt64, of node: Int,
    truncations: inout [(group: Int, index: UInt64, term: UInt64)],
    appended: inout [(group: Int, from: UInt64)]
  ) {
    switch record {
    case .hardState(let id, let state): observe(state, number: number, Int(id.rawValue), node)
    case .entries(let id, let entries):
      let group = Int(id.rawValue)
      guard let first = entries.first else { return }
      let start = first.index.rawValue
      let replica = groups[group].replicas[node]
      if start > replica.last + 1 || start <= replica.base {
        report(
          .logMatching,
          "\(name(node)) wrote entry \(start) of g\(group), whose log there is "
            + "\(replica.base + 1) to \(replica.last)")
        return
      }
      if start <= replica.last {
        truncations.append((group, start, replica.term))
        checkTruncation(group, node, from: start)
        groups[group].replicas[node].truncate(from: start)
      }
      for entry in entries { append(entry, group, node) }
      groups[group].replicas[node].awaits(number)
      wroteEntries(group, node, number, from: start)
      appended.append((group, start))
    case .reset(let id, let generation, let index, let term, let configuration):
      let group = Int(id.rawValue)
      checkReset(group, node, index.rawValue, term.rawValue, generation)
      if groups[group].configurations.isEmpty, !configuration.isJoint {
        setVoters(configuration.voters.map(\.node), of: id)
      }
      checkConfiguration(configuration, asOf: index.rawValue, group, node, "a reset")
      groups[group].replicas[node].reset(
        base: index.rawValue, term: term.rawValue, generation: generation)
      groups[group].replicas[node].awaits(number, generation)
      groups[group].disks[node].resets(number, base: index.rawValue, generation)
    case .removed(let id):
      groups[Int(id.rawValue)].replicas[node].remove()
      groups[Int(id.rawValue)].disks[node].removes(number)
    case .data: break
    }
  }

  private mutating func observe(_ state: HardState, number: UInt64, _ group: Int, _ node: Int) {
    let old = groups[group].replicas[node].hardState
    if state.term < old.term {
      report(
        .oneVote, "\(name(node)) went from term \(old.term) back to \(state.term) in g\(group)")
    }
    if state.term == old.term, let vote = old.vote, state.vote != vote {
      let new = state.vote.map { "\($0)" } ?? "nobody"
      report(
        .oneVote,
        "\(name(node)) voted for \(vote) and then for \(new) in term \(state.term) of g\(group)")
    }
    groups[group].replicas[node].hardState = state
    groups[group].replicas[node].awaits(number, state)
    groups[group].disks[node].votes(number, state)
  }

  private mutating func append(_ entry: LogEntry, _ group: Int, _ node: Int) {
    let index = entry.index.rawValue
    let last = groups[group].replicas[node].last
    guard index == last + 1 else {
      report(.logMatching, "\(name(node)) wrote entry \(index) after \(last) of g\(group)")
      return
    }
    entriesChecked += 1
    let mark = EntryMark(entry)
    let previousTerm = groups[group].replicas[node].term(at: index - 1) ?? 0
    if mark.term < previousTerm {
      report(
        .logMatching,
        "\(name(node)) wrote an entry of term \(mark.term) at \(index) of g\(group), after one of "
          + "term \(previousTerm)")
    }
    groups[group].replicas[node].append(mark)
    groups[group].configurations.wrote(entry, mark)
    while groups[group].seen.count < Int(index) { groups[group].seen.append([]) }
    let position = Int(index) - 1
    if let known = groups[group].seen[position].first(where: { $0.mark.term == mark.term }) {
      if known.mark != mark || known.previousTerm != previousTerm {
        report(
          .logMatching,
          "entry \(index) of term \(mark.term) in g\(group) is not the same on \(name(node)) as "
            + "elsewhere, or follows another one")
      }
    } else {
      groups[group].seen[position].append((mark, previousTerm))
      if let leader = groups[group].leaders[mark.term], leader != node {
        report(
          .electionSafety,
          "\(name(node)) made entry \(index) of term \(mark.term) in g\(group), which "
            + "\(name(leader)) leads in that term")
      }
    }
  }

  /// An entry is first written by the leader of its term, announced or not.
  private mutating func checkOrigin(_ group: Int, _ node: Int, from: UInt64) {
    let replica = groups[group].replicas[node]
    guard from <= replica.last else { return }
    for index in from...replica.last {
      guard let term = replica.term(at: index), groups[group].leaders[term] == nil else {
        continue
      }
      groups[group].leaders[term] = node
    }
  }

  private mutating func checkTruncation(_ group: Int, _ node: Int, from index: UInt64) {
    let replica = groups[group].replicas[node]
    guard index <= UInt64(groups[group].committed.count), let mark = replica.mark(at: index),
      groups[group].committed[Int(index) - 1].mark == mark
    else { return }
    report(
      .leaderCompleteness,
      "\(name(node)) removed entry \(index) (term \(mark.term)) of g\(group), which is committed")
  }

  /// A replica's log is to begin anew: for a new replica, or after a snapshot.
  private mutating func checkReset(
    _ group: Int, _ node: Int, _ index: UInt64, _ term: UInt64, _ generation: Generation
  ) {
    let replica = groups[group].replicas[node]
    if let present = replica.generation, generation <= present {
      report(
        .stateMachineSafety,
        "\(name(node)) begins its log of g\(group) anew in generation \(generation), and has "
          + "generation \(present)")
    }
    if index < replica.appliedIndex || index < replica.base || index == 0 && replica.last > 0 {
      report(
        .applyOrder,
        "\(name(node)) begins its log of g\(group) anew after entry \(index), and had applied "
          + "\(replica.appliedIndex) of \(replica.last)")
    }
    guard index > 0 else { return }
    guard index <= UInt64(groups[group].committed.count) else {
      report(
        .stateMachineSafety,
        "\(name(node)) installed a snapshot of g\(group) up to \(index), and only "
          + "\(groups[group].committed.count) entries are known to be committed")
      return
    }
    let committed = groups[group].committed[Int(index) - 1].mark
    if committed.term != term {
      report(
        .stateMachineSafety,
        "\(name(node)) installed a snapshot of g\(group) up to \(index) of term \(term), and the "
          + "entry committed there has term \(committed.term)")
    }
  }

  /// What `who` says is the group's configuration as of an index, where that is committed.
  mutating func checkConfiguration(
    _ configuration: GroupConfiguration, asOf index: UInt64, _ group: Int, _ node: Int,
    _ who: String
  ) {
    guard index <= UInt64(groups[group].committed.count) else { return }
    guard let known = groups[group].configurations.check(configuration, asOf: index) else { return }
    report(
      .configuration,
      "\(name(node)): \(who) says that the configuration of g\(group) as of entry \(index) is "
        + "\(configuration), and the log made it \(known)")
  }

  // MARK: Events

  private mutating func observe(_ event: NodeEvent, of node: Int) {
    switch event {
    case .role(let id, let role, let term, _):
      let group = Int(id.rawValue)
      groups[group].replicas[node].term = term.rawValue
      let wasLeader = groups[group].replicas[node].isLeader
      groups[group].replicas[node].isLeader = role == .leader
      if role == .leader {
        lead(group, node, term: term.rawValue, isNew: !wasLeader)
      }
    case .committed(let id, let index):
      let group = Int(id.rawValue)
      let claimed = max(groups[group].replicas[node].commitClaimed, index.rawValue)
      groups[group].replicas[node].commitClaimed = claimed
      compareCommitted(group, node)
    case .snapshotInstalled(let id, let index, _):
      groups[Int(id.rawValue)].replicas[node].appliedIndex = index.rawValue
    case .configuration(let id, _, let configuration):
      if !configuration.isJoint { setVoters(configuration.voters.map(\.node), of: id) }
    case .peer, .connectionRefused, .note: break
    }
  }

  private mutating func lead(_ group: Int, _ node: Int, term: UInt64, isNew: Bool) {
    if let other = groups[group].leaders[term], other != node {
      report(
        .electionSafety,
        "\(name(other)) and \(name(node)) both lead g\(group) in term \(term)")
    }
    groups[group].leaders[term] = node
    guard isNew else { return }
    elections += 1
    let replica = groups[group].replicas[node]
    // By log matching, holding the last committed entry means holding all before it.
    guard let at = groups[group].committed.lastIndex(where: { $0.learnedInTerm < term }) else {
      return
    }
    let index = UInt64(at) + 1
    if index <= replica.base { return }
    let mark = groups[group].committed[at].mark
    if replica.mark(at: index) != mark {
      report(
        .leaderCompleteness,
        "\(name(node)) leads g\(group) in term \(term) without entry \(index) of "
          + "term \(mark.term), which was committed in term "
          + "\(groups[group].committed[at].learnedInTerm) or before")
    }
  }

  /// Compares what `node` says is committed, as far as its log has been handed out.
  private mutating func compareCommitted(_ group: Int, _ node: Int) {
    let replica = groups[group].replicas[node]
    let through = min(replica.commitClaimed, replica.last)
    guard through > replica.commitSeen else { return }
    var at = max(replica.commitSeen, replica.base) + 1
    groups[group].replicas[node].commitSeen = through
    while at <= through {
      if let mark = replica.mark(at: at) { agree(group, node, index: at, mark) }
      at += 1
    }
  }

  /// One replica's committed entry against what the others committed there.
  mutating func agree(_ group: Int, _ node: Int, index: UInt64, _ mark: EntryMark) {
    let count = UInt64(groups[group].committed.count)
    if index <= count {
      let known = groups[group].committed[Int(index) - 1].mark
      if known != mark {
        report(
          .stateMachineSafety,
          "entry \(index) of g\(group) has term \(mark.term) on \(name(node)), and one of term "
            + "\(known.term) was committed there")
      }
      return
    }
    guard index == count + 1 else {
      report(
        .stateMachineSafety,
        "\(name(node)) committed entry \(index) of g\(group), and nobody committed \(count + 1)")
      return
    }
    groups[group].committed.append(
      Committed(mark: mark, learnedInTerm: groups[group].replicas[node].term))
    groups[group].configurations.committed(index, mark)
    let holders = groups[group].voters.count {
      groups[group].replicas[$0].holds(mark, at: index)
    }
    if holders * 2 <= groups[group].voters.count {
      report(
        .durableMajority,
        "entry \(index) of term \(mark.term) in g\(group) was committed by \(name(node)) and is "
          + "durable on \(holders) of \(groups[group].voters.count) voters")
    }
  }
}
