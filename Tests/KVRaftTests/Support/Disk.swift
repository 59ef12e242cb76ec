import KVBase

@testable import KVRaft

/// What a replica's disk holds: its log, and a state that is a chained hash of what was applied.
struct DiskImage {
  var hardState = HardState()
  var baseIndex = LogIndex.zero
  var baseTerm = Term.zero
  var baseConfiguration: GroupConfiguration
  var entries: [LogEntry] = []
  /// The state's applied index, at least `baseIndex`.
  var appliedIndex = LogIndex.zero

  var lastIndex: LogIndex { baseIndex + entries.count }

  mutating func write(_ persist: RaftOutputs.Persist) {
    if let hardState = persist.hardState { self.hardState = hardState }
    guard let first = persist.entries.first else { return }
    precondition(
      first.index > baseIndex && first.index <= lastIndex.next,
      "entries from \(first.index) for a log \(baseIndex)...\(lastIndex)")
    entries.removeLast(lastIndex.next - first.index)
    entries += persist.entries
  }

  mutating func reset(index: LogIndex, term: Term, configuration: GroupConfiguration) {
    baseIndex = index
    baseTerm = term
    baseConfiguration = configuration
    entries = []
    appliedIndex = index
  }

  mutating func compact(through index: LogIndex) {
    for entry in entries where entry.index <= index && entry.kind == .configuration {
      if let configuration = GroupConfiguration.decode(entry.payload) {
        baseConfiguration = configuration
      }
    }
    baseTerm = entries[index - baseIndex - 1].term
    entries.removeFirst(index - baseIndex)
    baseIndex = index
  }

  func read(from: LogIndex, through: LogIndex, maxBytes: Int) -> [LogEntry]? {
    guard from > baseIndex else { return nil }
    var result: [LogEntry] = []
    var bytes = 0
    for entry in entries where entry.index >= from && entry.index <= through {
      bytes += entry.encodedSize
      if bytes > maxBytes && !result.isEmpty { break }
      result.append(entry)
    }
    return result
  }

  var recovery: RaftRecovery {
    var runs: [TermRun] = []
    var configurations = [
      IndexedConfiguration(index: baseIndex, configuration: baseConfiguration)
    ]
    for entry in entries {
      if runs.last?.term != entry.term {
        runs.append(TermRun(term: entry.term, firstIndex: entry.index))
      }
      if entry.kind == .configuration,
        let configuration = GroupConfiguration.decode(entry.payload)
      {
        configurations.append(.init(index: entry.index, configuration: configuration))
      }
    }
    return RaftRecovery(
      hardState: hardState, baseIndex: baseIndex, baseTerm: baseTerm, lastIndex: lastIndex,
      termRuns: runs, configurations: configurations, appliedIndex: appliedIndex)
  }
}

/// A replica's machine: the core while it runs, its disk, and what is under way between them.
struct Host {
  enum Write {
    case persist(RaftOutputs.Persist)
    case reset(index: LogIndex, term: Term, configuration: GroupConfiguration, from: ReplicaID)
  }

  let id: ReplicaID
  var core: RaftCore?
  /// Counts starts, so that what was meant for an earlier one is told apart.
  var boot = 0
  /// What a crash leaves.
  var durable: DiskImage
  /// What reads see: everything written, synced or not.
  var written: DiskImage
  var writing: [(number: Int, write: Write)] = []
  var writeCount = 0
  var lastWriteDone = Instant.zero
  var held: [RaftOutputs.Send] = []
  var completed = PersistToken(0)
  var wakeAt = Instant.distantFuture
  var pausedUntil = Instant.zero
  var isDiskStalled = false
  /// Open reads: what was already committed anywhere when they were asked.
  var openReads: [(ticket: ReadTicket, floor: LogIndex)] = []
  var isReceivingSnapshot = false

  init(id: ReplicaID, configuration: GroupConfiguration) {
    self.id = id
    durable = DiskImage(baseConfiguration: configuration)
    written = durable
  }

  static func apply(_ write: Write, to image: inout DiskImage) {
    switch write {
    case .persist(let persist): image.write(persist)
    case .reset(let index, let term, let configuration, _):
      image.reset(index: index, term: term, configuration: configuration)
    }
  }
}
