import KVBase
import KVLog

/// The dumb version of a log: everything in arrays, nothing clever.
struct LogModel: Equatable {
  struct Group: Equatable {
    /// Which life of the group this is: new with each reset.
    var life: Int
    var hardState = HardState()
    var generation: Generation
    var resetIndex: UInt64
    var resetTerm: Term
    var resetConfiguration: GroupConfiguration
    /// From `resetIndex` + 1 on.
    var entries: [LogEntry] = []

    var lastIndex: UInt64 { resetIndex + UInt64(entries.count) }
    func entries(behind index: UInt64) -> ArraySlice<LogEntry> {
      entries.dropFirst(Int(index - resetIndex))
    }
    func term(at index: UInt64) -> Term {
      index == resetIndex ? resetTerm : entries[Int(index - resetIndex) - 1].term
    }

    /// What a log that begins behind `base` should say.
    func expected(base: UInt64) -> RecoveredLog {
      var runs: [TermRun] = []
      for entry in entries(behind: base) where runs.last?.term != entry.term {
        runs.append(TermRun(term: entry.term, firstIndex: entry.index))
      }
      var configurations = [
        IndexedConfiguration(index: LogIndex(resetIndex), configuration: resetConfiguration)
      ]
      for entry in entries where entry.kind == .configuration {
        var reader = ByteReader(entry.payload)
        guard let configuration = try? GroupConfiguration(from: &reader) else { continue }
        if entry.index.rawValue <= base { configurations.removeAll() }
        configurations.append(
          IndexedConfiguration(index: entry.index, configuration: configuration))
      }
      return RecoveredLog(
        hardState: hardState, generation: generation, baseIndex: LogIndex(base),
        baseTerm: term(at: base), lastIndex: LogIndex(lastIndex), termRuns: runs,
        configurations: configurations)
    }
  }

  var groups: [GroupID: Group] = [:]
  var lives = 0

  mutating func apply(_ record: LogRecord) {
    switch record {
    case .hardState(let group, let state): groups[group]?.hardState = state
    case .entries(let group, let entries):
      guard let first = entries.first, let place = groups.index(forKey: group) else { return }
      let kept = Int(first.index.rawValue - groups.values[place].resetIndex) - 1
      groups.values[place].entries.removeSubrange(kept...)
      groups.values[place].entries += entries
    case .reset(let group, let generation, let index, let term, let configuration):
      lives += 1
      groups[group] = Group(
        life: lives, hardState: groups[group]?.hardState ?? HardState(), generation: generation,
        resetIndex: index.rawValue, resetTerm: term, resetConfiguration: configuration)
    case .removed(let group): groups[group] = nil
    }
  }
}

/// Runs random records, syncs, compactions, reads, restarts and losses of power over a log and its
/// model, and tells the first difference.
struct LogExperiment {
  var random: SeededRandom
  var log: TestLog
  var model = LogModel()
  /// The states that a loss of power may leave: the durable one, then one after each later batch.
  var possible: [LogModel] = [LogModel()]
  /// What was compacted, by the group's life.
  var compacted: [Int: UInt64] = [:]
  /// What `compact` was told since the log was opened: from there on reads must answer.
  var readable: [Int: UInt64] = [:]
  /// A fault that every disk has, after each loss of power too.
  var fault: MemoryLogFault?
  var crashes = 0
  var powerCuts = 0
  var tornTails = 0
  var recycled = 0

  init(_ kind: LogKind, seed: UInt64, segmentBytes: Int) throws {
    random = SeededRandom(seed: seed)
    log = try TestLog.create(kind, segmentBytes: segmentBytes)
  }

  mutating func run(steps: Int) throws -> String? {
    injectFault()
    for step in 0..<steps {
      let difference: String?
      switch random.below(100) {
      case 0..<55: difference = try append()
      case 55..<75: difference = try sync()
      case 75..<84: difference = try compact()
      case 84..<94: difference = try read()
      case 94..<95: difference = try restart()
      case 95..<97: difference = try losePowerWhileWriting()
      default: difference = try crash()
      }
      if let difference { return "step \(step): \(difference)" }
    }
    return nil
  }

  private func injectFault() {
    if let fault, case .memory(let memory) = log.store { memory.inject(fault) }
  }

  /// Without anything that goes wrong.
  mutating func write(batches: Int) throws -> String? {
    for _ in 0..<batches {
      guard try append() == nil, try sync() == nil, try compact() == nil else { return "failed" }
    }
    return nil
  }

  private mutating func append() throws -> String? {
    var records: [LogRecord] = []
    for _ in 0...random.below(4) {
      let record = makeRecord()
      model.apply(record)
      records.append(record)
    }
    let sequence = log.extent.sequence
    // Whether it succeeds or not, it may be there afterwards.
    possible.append(model)
    try log.log.append(records)
    // Beginning a segment makes durable what came before.
    if log.extent.sequence != sequence { possible.removeFirst(possible.count - 2) }
    return nil
  }

  private mutating func makeRecord() -> LogRecord {
    let group = GroupID(UInt32(random.below(4)))
    guard let state = model.groups[group] else { return .begin(group) }
    switch random.below(20) {
    case 0: return .removed(group)
    case 1:
      let index = state.lastIndex + random.below(50)
      return .reset(
        group, generation: state.generation.next, index: LogIndex(index),
        term: lastTerm(state) + random.below(2), configuration: randomConfiguration())
    case 2, 3:
      return .hardState(
        group,
        HardState(term: state.hardState.term.next, vote: ReplicaID(rawValue: random.below(9))))
    default: return .entries(group, makeEntries(state))
    }
  }

  private func lastTerm(_ state: LogModel.Group) -> Term { state.term(at: state.lastIndex) }

  private mutating func randomConfiguration() -> GroupConfiguration {
    GroupConfiguration(
      voters: (0...random.below(4)).map { _ in ReplicaID(rawValue: random.below(99)) })
  }

  private mutating func makeEntries(_ state: LogModel.Group) -> [LogEntry] {
    let floor = max(compacted[state.life] ?? 0, state.resetIndex)
    var first = state.lastIndex + 1
    var term = lastTerm(state)
    if first - 1 > floor, random.chance(1, in: 6) {
      first -= random.below(min(first - 1 - floor, 8)) + 1
      term = term.next
    } else if random.chance(1, in: 10) {
      term = term + random.below(3)
    }
    return (0...random.below(5)).map { i in
      if random.chance(1, in: 12) {
        return .configuration(first + i, term: term.rawValue, randomConfiguration())
      }
      let size = random.chance(1, in: 60) ? random.below(6000) : random.below(120)
      let payload = (0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      return .test(first + i, term: term.rawValue, Bytes(payload))
    }
  }

  private mutating func sync() throws -> String? {
    try log.log.sync()
    possible = [model]
    return nil
  }

  private mutating func compact() throws -> String? {
    let group = GroupID(UInt32(random.below(4)))
    guard let state = model.groups[group] else { return nil }
    let base = state.resetIndex
    let index = base + random.below(state.lastIndex - base + 1)
    let through = random.chance(1, in: 3) ? state.lastIndex : index
    try log.log.compact(group, through: LogIndex(through))
    compacted[state.life] = max(compacted[state.life] ?? base, through)
    readable[state.life] = max(readable[state.life] ?? base, through)
    return nil
  }

  private mutating func read() throws -> String? {
    let group = GroupID(UInt32(random.below(4)))
    guard let state = model.groups[group], state.lastIndex > state.resetIndex else { return nil }
    let from = state.resetIndex + 1 + random.below(state.lastIndex - state.resetIndex)
    let through = from + random.below(40)
    let maxBytes = Int(random.below(4000))
    let base = max(readable[state.life] ?? 0, state.resetIndex)
    let found: [LogEntry]
    do {
      found = try log.log.read(
        group, from: LogIndex(from), through: LogIndex(through), maxBytes: maxBytes)
    } catch {
      guard error == .compacted else { throw error }
      return from <= base ? nil : "\(group): \(from) is not compacted, only \(base)"
    }
    if from <= base { return "\(group): \(from) was read, and \(base) is compacted" }
    var expected: [LogEntry] = []
    var bytes = 0
    for entry in state.entries(behind: from - 1) where entry.index.rawValue <= through {
      bytes += entry.encodedSize
      if !expected.isEmpty && bytes > maxBytes { break }
      expected.append(entry)
    }
    // Fewer are allowed, where replaced entries lie between them.
    if !found.isEmpty && found == Array(expected.prefix(found.count)) { return nil }
    return "\(group) from \(from): \(found.map(\.index)) where \(expected.map(\.index))"
  }

  private mutating func restart() throws -> String? {
    recycled += log.statistics.segmentsRecycled
    if case .memory(let memory) = log.store {
      log = TestLog(.memory, options: log.options, store: .memory(try memory.restart()))
    } else {
      log = try log.reopened()
    }
    possible = [model]
    return adoptRecovered()
  }

  private mutating func crash() throws -> String? {
    crashes += 1
    recycled += log.statistics.segmentsRecycled
    if case .memory(let memory) = log.store {
      let after = try memory.crash(tearing: &random)
      log = TestLog(.memory, options: log.options, store: .memory(after))
      injectFault()
    } else {
      log = try TestLog.open(.real, log.crashImage(&random), options: log.options)
    }
    if log.tornTailBytes > 0 { tornTails += 1 }
    return adoptRecovered()
  }

  /// The power fails in the midst of an append or a sync: before, within or after one of its steps.
  private mutating func losePowerWhileWriting() throws -> String? {
    guard case .memory(let memory) = log.store else { return nil }
    memory.inject(.powerCut(afterOperations: Int(random.below(14))))
    do {
      for _ in 0..<100 {
        _ = try append()
        if random.chance(1, in: 2) { _ = try sync() }
      }
      return "the power did not fail"
    } catch {
      powerCuts += 1
      return try crash()
    }
  }

  /// The log must be in one of the possible states, whole.
  private mutating func adoptRecovered() -> String? {
    var difference = "nothing was possible"
    for candidate in possible.reversed() {
      guard let found = compare(candidate) else {
        // Lives go on rising, so that no later one is taken for one that the crash undid.
        let lives = max(model.lives, candidate.lives)
        model = candidate
        model.lives = lives
        possible = [model]
        return nil
      }
      difference = found
    }
    return "recovered \(log.log.recovered): \(difference), of \(possible.count) possible states"
  }

  private mutating func compare(_ candidate: LogModel) -> String? {
    guard log.log.recovered.map(\.group) == candidate.groups.keys.sorted() else {
      return "other groups than \(candidate.groups.keys.sorted())"
    }
    var bases: [Int: UInt64] = [:]
    for (group, recovered) in log.log.recovered {
      guard let state = candidate.groups[group] else { return "\(group) is not expected" }
      let base = recovered.baseIndex.rawValue
      guard base >= state.resetIndex, base <= max(state.resetIndex, compacted[state.life] ?? 0),
        base <= state.lastIndex
      else { return "\(group) begins behind \(base)" }
      let expected = state.expected(base: base)
      guard recovered == expected else { return "\(group): \(expected) expected" }
      guard (try? log.entries(of: group)) == Array(state.entries(behind: base)) else {
        return "other entries of \(group)"
      }
      bases[state.life] = base
    }
    readable = bases
    return nil
  }
}

private func + (term: Term, count: UInt64) -> Term { Term(term.rawValue + count) }
