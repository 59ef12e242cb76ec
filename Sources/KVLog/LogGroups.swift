package import KVBase

/// What the records of a log amount to: every group's hard state, begin, end, terms and
/// configurations. The writer keeps one, recovery builds one by the same rules, and a segment's
/// checkpoint is one.
package struct LogGroups: Sendable, Hashable {
  private var logs: [GroupID: RecoveredLog] = [:]

  package init() {}

  package subscript(group: GroupID) -> RecoveredLog? { logs[group] }

  /// By group id, so that the same log always gives the same bytes.
  package var sorted: [(group: GroupID, log: RecoveredLog)] {
    logs.sorted { $0.key < $1.key }.map { (group: $0.key, log: $0.value) }
  }

  package mutating func restore(_ group: GroupID, _ log: RecoveredLog) { logs[group] = log }

  /// Throws `.misuse` for a record that breaks a rule of `LogRecord`, or of Raft itself.
  package mutating func apply(_ record: LogRecord) throws(StorageError) {
    switch record {
    case .hardState(let group, let state):
      guard let place = logs.index(forKey: group) else { throw Self.unknown(group) }
      try logs.values[place].replace(state, of: group)
    case .entries(let group, let entries):
      guard let place = logs.index(forKey: group) else { throw Self.unknown(group) }
      try logs.values[place].append(entries, of: group)
    case .reset(let group, let generation, let index, let term, let configuration):
      // The term and the vote outlive what the log held: they are promises to others.
      logs[group] = RecoveredLog(
        hardState: logs[group]?.hardState ?? HardState(), generation: generation,
        outline: LogOutline(baseIndex: index, baseTerm: term, configuration: configuration))
    case .removed(let group):
      logs[group] = nil
    case .data(let plane, let partition, let payload):
      guard plane == .ap, payload.count <= Limits.logDataBytes else {
        throw .misuse(
          "data of \(plane) \(partition) with \(payload.count) bytes: it must be of ap, and have "
            + "at most \(Limits.logDataBytes)")
      }
    }
  }

  #if PlantedFaults
    mutating func forgetVotes() {
      for group in sorted.map(\.group) { logs[group]?.hardState.vote = nil }
    }
  #endif

  private static func unknown(_ group: GroupID) -> StorageError {
    .misuse("the log holds nothing of \(group): a reset must come first")
  }

  package mutating func compact(_ group: GroupID, through index: LogIndex) {
    guard let place = logs.index(forKey: group) else { return }
    logs.values[place].compact(through: index)
  }
}

extension RecoveredLog {
  /// A term never goes back, and a vote in a term is never changed (Raft paper §5.2).
  fileprivate mutating func replace(_ state: HardState, of group: GroupID) throws(StorageError) {
    let keepsVote = hardState.vote == nil || hardState.vote == state.vote
    guard state.term > hardState.term || state.term == hardState.term && keepsVote else {
      throw .misuse("\(group): the hard state \(state) can't follow \(hardState)")
    }
    hardState = state
  }

  fileprivate mutating func append(
    _ entries: [LogEntry], of group: GroupID
  ) throws(StorageError) {
    guard let first = entries.first else { return }
    guard first.index > baseIndex, first.index <= lastIndex.next else {
      throw .misuse(
        "\(group): entries from \(first.index) on don't fit a log of \(baseIndex.next) to "
          + "\(lastIndex)")
    }
    if first.index <= lastIndex { outline.truncate(after: first.index.previous) }
    for entry in entries {
      guard entry.index == lastIndex.next, entry.term >= lastTerm else {
        throw .misuse(
          "\(group): entry \(entry.index) of term \(entry.term) can't follow entry \(lastIndex) "
            + "of term \(lastTerm)")
      }
      let configuration =
        entry.kind == .configuration ? try Self.configuration(of: entry, group) : nil
      outline.append(index: entry.index, term: entry.term, configuration: configuration)
    }
  }

  private static func configuration(
    of entry: LogEntry, _ group: GroupID
  ) throws(StorageError) -> GroupConfiguration {
    do {
      var reader = ByteReader(entry.payload)
      let configuration = try GroupConfiguration(from: &reader)
      try reader.finish()
      return configuration
    } catch {
      throw .misuse("\(group): the configuration in entry \(entry.index) does not decode: \(error)")
    }
  }

  /// Entries up to and including `index` are gone; nothing where they were gone before.
  package mutating func compact(through index: LogIndex) {
    guard index > baseIndex, index <= lastIndex else { return }
    outline.compact(through: index)
  }
}
