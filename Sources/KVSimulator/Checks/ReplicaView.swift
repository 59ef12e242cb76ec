import KVBase

/// What one entry is, as seen from outside: its term and a hash of all else.
struct EntryMark: Hashable, Sendable {
  var term: UInt64
  var hash: UInt64

  init(term: UInt64, hash: UInt64) {
    self.term = term
    self.hash = hash
  }

  init(_ entry: LogEntry) {
    term = entry.term.rawValue
    hash =
      XXH3.hash(entry.payload) &+ entry.logTimeMilliseconds &* 0x9E37_79B9_7F4A_7C15
      &+ UInt64(entry.kind.rawValue)
  }
}

/// One replica's log as its persists and recoveries tell it.
struct ReplicaView: Sendable {
  var base: UInt64 = 0
  var baseTerm: UInt64 = 0
  /// From `base` + 1 on.
  private(set) var marks: [EntryMark] = []
  /// The last entry whose persist was confirmed.
  private(set) var durableLast: UInt64 = 0
  /// Persists on their way, and the last entry of each that still stands.
  private var pending: [(number: UInt64, last: UInt64)] = []
  private var pendingGenerations: [(number: UInt64, generation: Generation)] = []
  private var pendingHardStates: [(number: UInt64, state: HardState)] = []
  var hardState = HardState()
  private(set) var durableHardState = HardState()
  /// Of the data that the replica has, or will have when its last reset is durable.
  private(set) var generation: Generation?
  private(set) var durableGeneration: Generation?
  var isLeader = false
  var term: UInt64 = 0
  var appliedIndex: UInt64 = 0
  /// Committed entries up to here were compared.
  var commitSeen: UInt64 = 0
  /// What the node says is committed. As leader it may say so before it hands the entry to its own
  /// log: others hold it.
  var commitClaimed: UInt64 = 0

  var last: UInt64 { base + UInt64(marks.count) }

  func mark(at index: UInt64) -> EntryMark? {
    guard index > base, index <= last else { return nil }
    return marks[Int(index - base - 1)]
  }

  func marks(from index: UInt64) -> [EntryMark] {
    Array(marks.suffix(Int(last + 1 - index)))
  }

  func term(at index: UInt64) -> UInt64? {
    index == base ? baseTerm : mark(at: index)?.term
  }

  /// Drops what is at `index` and after it.
  mutating func truncate(from index: UInt64) {
    guard index <= last else { return }
    marks.removeLast(Int(last - index + 1))
    durableLast = min(durableLast, index - 1)
    for at in pending.indices { pending[at].last = min(pending[at].last, index - 1) }
  }

  mutating func append(_ mark: EntryMark) { marks.append(mark) }

  mutating func awaits(_ number: UInt64) { pending.append((number, last)) }

  /// A reset on its way.
  mutating func awaits(_ number: UInt64, _ generation: Generation) {
    awaits(number)
    pendingGenerations.append((number, generation))
  }

  mutating func awaits(_ number: UInt64, _ state: HardState) {
    pendingHardStates.append((number, state))
  }

  /// The log is to begin after `base`; until that is durable, the disk has what it had.
  mutating func reset(base: UInt64, term: UInt64, generation: Generation) {
    self.generation = generation
    self.base = base
    baseTerm = term
    marks = []
    durableLast = min(durableLast, base)
    for at in pending.indices { pending[at].last = min(pending[at].last, base) }
  }

  /// The replica is no longer on the node. What it voted for stays.
  mutating func remove() {
    base = 0
    baseTerm = 0
    marks = []
    durableLast = 0
    for at in pending.indices { pending[at].last = 0 }
    pendingGenerations = []
    generation = nil
    durableGeneration = nil
    appliedIndex = 0
  }

  /// The entry at `index` is durable here, and is this one.
  func holds(_ mark: EntryMark, at index: UInt64) -> Bool {
    durableLast >= index && (index <= base || self.mark(at: index) == mark)
  }

  mutating func persisted(_ number: UInt64) {
    while let first = pending.first, first.number <= number {
      durableLast = max(durableLast, first.last)
      pending.removeFirst()
    }
    while let first = pendingGenerations.first, first.number <= number {
      durableGeneration = first.generation
      pendingGenerations.removeFirst()
    }
    while let first = pendingHardStates.first, first.number <= number {
      durableHardState = first.state
      pendingHardStates.removeFirst()
    }
  }

  /// The node starts again from what its disk has.
  mutating func recover(
    base: UInt64, baseTerm: UInt64, marks: [EntryMark], hardState: HardState,
    generation: Generation, applied: UInt64
  ) {
    self.base = base
    self.baseTerm = baseTerm
    self.marks = marks
    durableLast = last
    pending = []
    pendingGenerations = []
    self.generation = generation
    durableGeneration = generation
    pendingHardStates = []
    self.hardState = hardState
    durableHardState = hardState
    isLeader = false
    term = hardState.term.rawValue
    appliedIndex = applied
    commitSeen = max(base, applied)
    commitClaimed = 0
  }
}
