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
    for client in forgottenClients { batch.delete(key: key.session(client)) }
    forgottenClients.removeAll(keepingCapacity: true)
    for session in changedSessions where !session.isForgotten {
      writer.removeAll()
      SessionFormat.encode(session, into: &writer)
      batch.put(key: key.session(session.client), header: Bytes(), value: Bytes(writer.bytes))
      session.isDirty = false
    }
    changedSessions.removeAll(keepingCapacity: true)
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
    writer.removeAll()
    progress.sessionFloorMilliseconds = sessions.floorMilliseconds
    GroupMetaFormat.encode(progress, into: &writer)
    batch.put(key: key.meta(.progress), header: Bytes(), value: Bytes(writer.bytes))
  }
}

extension GroupState {
  /// What a view of the store holds of a generation; `nil` where there is no progress row, which
  /// is written with everything else or after it.
  static func load<View: StateView>(
    _ group: GroupID, _ generation: Generation, from view: View
  ) throws(StorageError) -> GroupState? {
    let key = StateKey(group, generation)
    guard let progressRow = try view.get(key.meta(.progress)) else { return nil }
    guard let configurationRow = try view.get(key.meta(.configuration)) else {
      throw .damaged("state of \(group), generation \(generation): no configuration")
    }
    let droppedRow = try view.get(key.meta(.droppedKeyspaces))
    let mapRow = try view.get(key.meta(.map))
    var sessionRows: [(suffix: Bytes, value: Bytes)] = []
    try view.scan(from: key.start(of: .session), to: key.start(of: .record), descending: false) {
      sessionRows.append((StateKey.suffix(of: $0), $1))
      return true
    }
    do throws(WireError) {
      let state = GroupState(
        group: group, generation: generation,
        configuration: try decode(configurationRow, GroupConfiguration.init(from:)),
        meta: try mapRow.map { (row) throws(WireError) in
          try decode(row, MetaState.init(from:))
        })
      state.progress = try decode(progressRow, GroupMetaFormat.progress(from:))
      if let droppedRow {
        state.dropped = try decode(droppedRow, GroupMetaFormat.dropped(from:))
      }
      state.sessions.floorMilliseconds = state.progress.sessionFloorMilliseconds
      for row in sessionRows {
        let client = try StateKey.client(inSuffix: row.suffix)
        state.sessions.insert(try SessionFormat.decode(row.value, client: client))
      }
      return state
    } catch {
      throw .damaged("state of \(group), generation \(generation): \(error)")
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
