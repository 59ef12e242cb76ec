internal import KVBase
internal import KVCommand

/// One group's state but for its records: what its meta and session rows hold, kept in memory.
final class GroupState {
  let group: GroupID
  let generation: Generation
  let key: StateKey
  var progress = GroupProgress()
  var configuration: GroupConfiguration
  /// Sorted.
  var dropped: [KeyspaceID] = []
  var meta: MetaState?
  var sessions = SessionTable()

  // What differs from the rows, until the batch's end.
  var isTouched = false
  var configurationChanged = false
  var droppedChanged = false
  var metaChanged = false
  var changedSessions: [Session] = []
  var forgottenClients: [ClientID] = []

  /// Sessions whose rows are behind; the journal has what they lack.
  private var dirtySessions: [Session] = []
  private var sessionsThrough = LogIndex.zero
  /// Of the present progress row. The next batch takes the next one, or the first one after a
  /// checkpoint; a new state begins with that.
  private var slot = GroupState.journalSlots - 1

  /// Batches between two checkpoints of the sessions, and progress rows of a group.
  static let journalSlots: UInt8 = 128

  init(
    group: GroupID, generation: Generation, configuration: GroupConfiguration, meta: MetaState?
  ) {
    self.group = group
    self.generation = generation
    self.configuration = configuration
    self.meta = meta
    key = StateKey(group, generation)
  }

  func isDropped(_ keyspace: KeyspaceID) -> Bool {
    !dropped.isEmpty && dropped.containsSorted(keyspace)
  }

  /// False where no more can be remembered.
  func drop(_ keyspace: KeyspaceID) -> Bool {
    guard !isDropped(keyspace) else { return true }
    guard dropped.count < Limits.droppedKeyspaces else { return false }
    dropped.insert(keyspace, at: dropped.firstIndex { $0 > keyspace } ?? dropped.count)
    droppedChanged = true
    return true
  }

  var status: GroupStatus {
    GroupStatus(
      generation: generation, appliedIndex: progress.index, appliedTerm: progress.term,
      configuration: configuration, digest: progress.digest,
      logTimeMilliseconds: progress.logTimeMilliseconds,
      sessionFloorMilliseconds: sessions.floorMilliseconds, sessionCount: sessions.count,
      droppedKeyspaces: dropped, meta: meta)
  }

  /// Marks every meta row as not yet written.
  func markAllChanged() {
    configurationChanged = true
    droppedChanged = !dropped.isEmpty
    metaChanged = meta != nil
  }

  /// Adds the rows that changed, each once, to the batch that holds the data that they describe.
  func writeRows<Batch: StateBatch>(into batch: inout Batch, scratch writer: inout ByteWriter) {
    if configurationChanged {
      writer.removeAll()
      configuration.encode(into: &writer)
      batch.put(key: key.meta(.configuration), header: Bytes(), value: Bytes(writer.bytes))
    }
    if droppedChanged {
      writer.removeAll()
      GroupMetaFormat.encode(dropped: dropped, into: &writer)
      batch.put(key: key.meta(.droppedKeyspaces), header: Bytes(), value: Bytes(writer.bytes))
    }
    if metaChanged, let meta {
      writer.removeAll()
      meta.encode(into: &writer)
      batch.put(key: key.meta(.map), header: Bytes(), value: Bytes(writer.bytes))
    }
    configurationChanged = false
    droppedChanged = false
    metaChanged = false
    isTouched = false
    progress.sessionFloorMilliseconds = sessions.floorMilliseconds
    writeSessionsAndProgress(into: &batch, scratch: &writer)
  }

  private func writeSessionsAndProgress<Batch: StateBatch>(
    into batch: inout Batch, scratch writer: inout ByteWriter
  ) {
    for session in changedSessions where !session.isDirty {
      session.isDirty = true
      dirtySessions.append(session)
    }
    // The journal has no way to say that a client was forgotten.
    let isCheckpoint = slot + 1 >= Self.journalSlots || !forgottenClients.isEmpty
    if isCheckpoint {
      for client in forgottenClients { batch.delete(key: key.session(client)) }
      forgottenClients.removeAll(keepingCapacity: true)
      for session in dirtySessions {
        session.isDirty = false
        guard !session.isForgotten else { continue }
        writer.removeAll()
        SessionFormat.encode(session, into: &writer)
        batch.put(key: key.session(session.client), header: Bytes(), value: Bytes(writer.bytes))
      }
      dirtySessions.removeAll(keepingCapacity: true)
      sessionsThrough = progress.index
    }
    slot = isCheckpoint ? 0 : slot + 1
    writer.removeAll()
    GroupMetaFormat.encode(
      progress, sessionsThrough: sessionsThrough,
      changeCount: isCheckpoint ? 0 : changedSessions.count, into: &writer)
    for session in changedSessions {
      if !isCheckpoint { SessionFormat.encodeChange(session, into: &writer) }
      session.settle()
    }
    changedSessions.removeAll(keepingCapacity: true)
    batch.put(key: key.progress(slot: slot), header: Bytes(), value: Bytes(writer.bytes))
  }
}

extension GroupState {
  /// What a view of the store holds of a generation; `nil` where there is no progress row, which
  /// is written with everything else or after it.
  static func load<View: StateView>(
    _ group: GroupID, _ generation: Generation, from view: View
  ) throws(StorageError) -> GroupState? {
    let key = StateKey(group, generation)
    let progressRows = try view.rows(from: key.meta(.progress), to: key.meta(.configuration))
    guard !progressRows.isEmpty else { return nil }
    guard let configurationRow = try view.get(key.meta(.configuration)) else {
      throw .damaged("state of \(group), generation \(generation): no configuration")
    }
    let droppedRow = try view.get(key.meta(.droppedKeyspaces))
    let mapRow = try view.get(key.meta(.map))
    let sessionRows = try view.rows(from: key.start(of: .session), to: key.start(of: .record))
    do throws(WireError) {
      let state = GroupState(
        group: group, generation: generation,
        configuration: try decode(configurationRow, GroupConfiguration.init(from:)),
        meta: try mapRow.map { (row) throws(WireError) in
          try decode(row, MetaState.init(from:))
        })
      if let droppedRow {
        state.dropped = try decode(droppedRow, GroupMetaFormat.dropped(from:))
      }
      for row in sessionRows {
        let client = try StateKey.client(inSuffix: row.suffix)
        state.sessions.insert(try SessionFormat.decode(row.value, client: client))
      }
      try state.restore(progressRows)
      return state
    } catch {
      throw .damaged("state of \(group), generation \(generation): \(error)")
    }
  }

  /// Takes the present progress row, and from the others what the session rows lack.
  private func restore(_ rows: [(suffix: Bytes, value: Bytes)]) throws(WireError) {
    var journal: [ProgressRow] = []
    var place = 0
    for row in rows {
      journal.append(try GroupMetaFormat.progressRow(row.value))
      guard row.suffix.count == 3 else { throw .invalid("progress row: its key has no slot") }
      if journal[journal.count - 1].progress.index >= journal[place].progress.index {
        place = journal.count - 1
        slot = row.suffix[2]
      }
    }
    progress = journal[place].progress
    sessionsThrough = journal[place].sessionsThrough
    sessions.floorMilliseconds = progress.sessionFloorMilliseconds
    journal.removeAll { $0.progress.index <= sessionsThrough }
    journal.sort { $0.progress.index < $1.progress.index }
    guard slot < Self.journalSlots, journal.count == Int(slot) else {
      throw .invalid("journal of sessions: rows are missing")
    }
    for change in journal.flatMap(\.changes) {
      let session = try sessions.replay(change)
      guard !session.isDirty else { continue }
      session.isDirty = true
      dirtySessions.append(session)
    }
  }

  /// The whole of `row`.
  static func decode<Value>(
    _ row: Bytes, _ body: (inout ByteReader) throws(WireError) -> Value
  ) throws(WireError) -> Value {
    var reader = ByteReader(row)
    let value = try body(&reader)
    try reader.finish()
    return value
  }
}

extension StateView {
  fileprivate func rows(
    from: Bytes, to: Bytes
  ) throws(StorageError) -> [(suffix: Bytes, value: Bytes)] {
    var rows: [(suffix: Bytes, value: Bytes)] = []
    try scan(from: from, to: to, descending: false) {
      rows.append((StateKey.suffix(of: $0), $1))
      return true
    }
    return rows
  }
}

extension [KeyspaceID] {
  func containsSorted(_ id: KeyspaceID) -> Bool {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if self[middle] < id { low = middle + 1 } else { high = middle }
    }
    return low < count && self[low] == id
  }
}
