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
    /// The position of each entry's record, where it is known.
    var positions: [LogPosition?] = []

    var lastIndex: UInt64 { resetIndex + UInt64(entries.count) }
    func entries(after index: UInt64) -> ArraySlice<LogEntry> {
      entries.dropFirst(Int(index - resetIndex))
    }
    func term(at index: UInt64) -> Term {
      index == resetIndex ? resetTerm : entries[Int(index - resetIndex) - 1].term
    }

    /// What a log that begins after `base` should say.
    func expected(base: UInt64) -> RecoveredLog {
      var runs: [TermRun] = []
      for entry in entries(after: base) where runs.last?.term != entry.term {
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

  struct Data: Equatable {
    /// `nil` where the append failed, and the record may be there or not.
    var position: LogPosition?
    var payload: Bytes
  }

  var groups: [GroupID: Group] = [:]
  var lives = 0
  var partitions: [PartitionID: [Data]] = [:]

  mutating func apply(_ record: LogRecord, at position: LogPosition?) {
    switch record {
    case .hardState(let group, let state): groups[group]?.hardState = state
    case .entries(let group, let entries):
      guard let first = entries.first, let slot = groups.index(forKey: group) else { return }
      let kept = Int(first.index.rawValue - groups.values[slot].resetIndex) - 1
      groups.values[slot].entries.removeSubrange(kept...)
      groups.values[slot].entries += entries
      groups.values[slot].positions.removeSubrange(kept...)
      groups.values[slot].positions += entries.map { _ in position }
    case .reset(let group, let generation, let index, let term, let configuration):
      lives += 1
      groups[group] = Group(
        life: lives, hardState: groups[group]?.hardState ?? HardState(), generation: generation,
        resetIndex: index.rawValue, resetTerm: term, resetConfiguration: configuration)
    case .removed(let group): groups[group] = nil
    case .data(_, let partition, let payload):
      partitions[partition, default: []].append(Data(position: position, payload: payload))
    }
  }
}
