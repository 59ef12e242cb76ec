import KVBase
import KVLog

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
  /// What was released, by partition.
  var released: [PartitionID: LogPosition] = [:]
  /// Where a replay may begin: what `release` was told since the log was opened.
  var replayable: [PartitionID: LogPosition] = [:]
  /// A fault that every disk has, after each loss of power too.
  var fault: MemoryLogFault?
  var crashes = 0
  var powerCuts = 0
  var tornTails = 0
  var recycled = 0

  init(
    _ kind: LogKind, seed: UInt64, segmentBytes: Int,
    configure: (inout LogOptions) -> Void = { _ in }
  ) throws {
    random = SeededRandom(seed: seed)
    log = try TestLog.create(kind, segmentBytes: segmentBytes, configure: configure)
  }

  mutating func run(steps: Int) throws -> String? {
    injectFault()
    for step in 0..<steps {
      let difference: String?
      switch random.below(100) {
      case 0..<50: difference = try append()
      case 50..<52: difference = try cover()
      case 52..<67: difference = try sync()
      case 67..<76: difference = try compact()
      case 76..<83: difference = try release()
      case 83..<85: difference = try releaseAll()
      case 85..<89: difference = try read()
      case 89..<92: difference = try replayData()
      case 92..<94: difference = try replayEntries()
      case 94..<95: difference = try restart()
      case 95..<97: difference = try losePowerWhileWriting()
      default: difference = try crash()
      }
      if let difference { return "step \(step): \(difference)" }
    }
    return nil
  }

  func injectFault() {
    if let fault, case .memory(let memory) = log.store { memory.inject(fault) }
  }

  /// Without anything that goes wrong.
  mutating func write(batches: Int) throws -> String? {
    for _ in 0..<batches {
      guard try append() == nil, try sync() == nil, try compact() == nil, try release() == nil
      else { return "failed" }
    }
    return nil
  }

  mutating func append() throws -> String? {
    var records: [LogRecord] = []
    let before = model
    for _ in 0...random.below(4) {
      let record = makeRecord()
      model.apply(record, at: nil)
      records.append(record)
    }
    let sequence = log.extent.sequence
    let end = log.log.end
    // Whether it succeeds or not, it may be there afterwards.
    possible.append(model)
    let span = try log.log.append(records)
    guard span.start > end, span.end == log.log.end else { return "\(span) after \(end)" }
    model = before
    var position = span.start
    for record in records {
      model.apply(record, at: position)
      position = position + LogRecordCodec.encodedSize(record)
    }
    possible[possible.count - 1] = model
    // Beginning a segment makes durable what came before.
    if log.extent.sequence != sequence { possible.removeFirst(possible.count - 2) }
    return nil
  }

  private mutating func makeRecord() -> LogRecord {
    if random.chance(1, in: 4) {
      return .data(.ap, PartitionID(UInt16(random.below(3))), makePayload())
    }
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
      return .test(first + i, term: term.rawValue, makePayload())
    }
  }

  private mutating func makePayload() -> Bytes {
    let size = random.chance(1, in: 60) ? random.below(6000) : random.below(120)
    return Bytes((0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) })
  }

  mutating func sync() throws -> String? {
    try log.log.sync()
    possible = [model]
    return nil
  }

  private mutating func cover() throws -> String? {
    try log.log.cover()
    possible = [model]
    let end = log.log.end
    try log.log.cover()
    return log.log.end == end ? nil : "a cover of a cover"
  }

  private mutating func compact() throws -> String? {
    let group = GroupID(UInt32(random.below(4)))
    guard let state = model.groups[group] else { return nil }
    let base = state.resetIndex
    let index = base + random.below(state.lastIndex - base + 1)
    return try compact(group, through: random.chance(1, in: 3) ? state.lastIndex : index)
  }

  private mutating func compact(_ group: GroupID, through: UInt64) throws -> String? {
    guard let state = model.groups[group] else { return nil }
    let base = state.resetIndex
    try log.log.compact(group, through: LogIndex(through))
    compacted[state.life] = max(compacted[state.life] ?? base, through)
    readable[state.life] = max(readable[state.life] ?? base, through)
    return compareRetention(of: group)
  }

  /// Nothing that was written so far is needed, as after a flush of all state.
  private mutating func releaseAll() throws -> String? {
    for group in model.groups.keys.sorted() {
      let last = model.groups[group]?.lastIndex ?? 0
      if let difference = try compact(group, through: last) { return difference }
    }
    for partition in model.partitions.keys.sorted() {
      if let difference = try release(partition, before: log.log.end) { return difference }
    }
    return log.log.retainedBytes <= log.extent.end ? nil : "\(log.log.retainedBytes) are retained"
  }

  /// A group needs the record of its first entry that is not compacted.
  private func compareRetention(of group: GroupID) -> String? {
    guard let state = model.groups[group] else { return nil }
    let base = max(readable[state.life] ?? 0, state.resetIndex)
    let expected = state.positions.dropFirst(Int(base - state.resetIndex)).first ?? nil
    let found = log.log.retention(of: .cp(group))
    let held = expected.map { log.log.end - $0 } ?? 0
    if found?.neededFrom == expected, found?.heldBytes == held { return nil }
    return
      "\(group) holds back \(String(describing: found)), not from \(String(describing: expected))"
  }

  private mutating func release() throws -> String? {
    let partition = PartitionID(UInt16(random.below(3)))
    guard let data = model.partitions[partition] else { return nil }
    let known = data[Int(random.below(UInt64(data.count)))].position
    return try release(partition, before: random.chance(1, in: 2) ? log.log.end : known ?? .zero)
  }

  private mutating func release(
    _ partition: PartitionID, before position: LogPosition
  ) throws -> String? {
    let known = model.partitions[partition]?.compactMap(\.position) ?? []
    try log.log.release(.ap, partition, before: position)
    released[partition] = max(released[partition] ?? .zero, position)
    replayable[partition] = max(replayable[partition] ?? .zero, position)
    let first = known.first { $0 >= replayable[partition] ?? .zero }
    let found = log.log.retention(of: .ap(partition))
    if found?.neededFrom == first { return nil }
    return
      "\(partition) holds back \(String(describing: found)), not from \(String(describing: first))"
  }

  /// All records of a replica from `from` on, by as many calls as it takes.
  mutating func replayAll(
    _ replica: LogReplica, from: LogPosition
  ) throws(StorageError) -> [PositionedRecord] {
    var records: [PositionedRecord] = []
    var next: LogPosition? = from
    while let position = next {
      let replay = try log.log.replay(replica, from: position, maxBytes: Int(random.below(2000)))
      records += replay.records
      next = replay.next
      if replay.records.isEmpty && next != nil { return [] }
    }
    return records
  }

  private mutating func replayData() throws -> String? {
    let partition = PartitionID(UInt16(random.below(3)))
    guard let data = model.partitions[partition], let first = data.first?.position else {
      return nil
    }
    let from = data[Int(random.below(UInt64(data.count)))].position ?? first
    let floor = max(replayable[partition] ?? .zero, first)
    do {
      let found = try replayAll(.ap(partition), from: from)
      if from < floor { return "\(partition): \(from) was replayed, before \(floor)" }
      let expected = data.compactMap { data in data.position.map { ($0, data.payload) } }
        .filter { $0.0 >= from }
        .map { PositionedRecord(position: $0.0, record: .data(.ap, partition, $0.1)) }
      return found == expected ? nil : "\(partition) from \(from): \(found) where \(expected)"
    } catch {
      guard error == .compacted else { throw error }
      return from < floor ? nil : "\(partition): \(from) is not there, only \(floor)"
    }
  }

  private mutating func replayEntries() throws -> String? {
    let group = GroupID(UInt32(random.below(4)))
    guard let state = model.groups[group],
      let from = log.log.retention(of: .cp(group))?.neededFrom
    else { return nil }
    var found: [LogEntry] = []
    for record in try replayAll(.cp(group), from: from) {
      guard case .entries(group, let entries) = record.record, let first = entries.first,
        try log.log.position(of: group, first.index) == record.position,
        try log.log.firstIndex(of: group, at: record.position) == first.index
      else { return "\(group): \(record) among its entries" }
      found += entries
    }
    let base = max(readable[state.life] ?? 0, state.resetIndex)
    if found == Array(state.entries(after: base)) { return nil }
    return "\(group) from \(from): \(found.map(\.index)) after \(base)"
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
    for entry in state.entries(after: from - 1) where entry.index.rawValue <= through {
      bytes += entry.encodedSize
      if !expected.isEmpty && bytes > maxBytes { break }
      expected.append(entry)
    }
    // Fewer are allowed, where replaced entries lie between them.
    if !found.isEmpty && found == Array(expected.prefix(found.count)) { return nil }
    return "\(group) from \(from): \(found.map(\.index)) where \(expected.map(\.index))"
  }
}

private func + (term: Term, count: UInt64) -> Term { Term(term.rawValue + count) }
