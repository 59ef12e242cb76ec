internal import KVBase
internal import KVCommand

/// One group's state but for its records: what its meta and session rows hold, kept in memory.
struct GroupState {
  /// Rows of kind `meta` beside progress.
  struct Rows: OptionSet {
    let rawValue: UInt8
    static let configuration = Rows(rawValue: 1)
    static let dropped = Rows(rawValue: 2)
    static let map = Rows(rawValue: 4)
  }

  let key: StateKey
  var progress = GroupProgress()
  var configuration: GroupConfiguration
  var dropped = KeyspaceIDSet()
  var meta: ClusterMap?
  var sessions: SessionTable

  /// What differs from the rows, until the batch's end.
  var changed: Rows = []
  /// The present batch has an entry of the group.
  private var isTouched = false
  private var journal = SessionJournal()

  init(
    group: GroupID, generation: Generation, configuration: GroupConfiguration, meta: ClusterMap?,
    sessionLimit: Int
  ) {
    sessions = SessionTable(limit: sessionLimit)
    self.configuration = configuration
    self.meta = meta
    key = StateKey(group, generation)
  }

  var group: GroupID { key.group }
  var generation: Generation { key.generation }

  func isDropped(_ keyspace: KeyspaceID) -> Bool {
    !dropped.isEmpty && dropped.contains(keyspace)
  }

  /// False where no more can be remembered.
  mutating func drop(_ keyspace: KeyspaceID) -> Bool {
    guard !isDropped(keyspace) else { return true }
    guard dropped.rangeCount < Limits.droppedKeyspaceRanges else { return false }
    dropped.insert(keyspace)
    changed.insert(.dropped)
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
  mutating func markAllChanged() {
    changed.insert(.configuration)
    if !dropped.isEmpty { changed.insert(.dropped) }
    if meta != nil { changed.insert(.map) }
  }

  /// A batch has an entry of the group. False where that was known.
  mutating func beginBatch() -> Bool {
    guard !isTouched else { return false }
    isTouched = true
    return true
  }

  /// Ends a batch: adds the rows that changed, each once, beside the data that they describe.
  mutating func writeRows<Batch: StateBatch>(
    into batch: inout Batch, scratch: inout RowScratch
  ) {
    if !changed.isEmpty { writeMetaRows(into: &batch, scratch: &scratch.value) }
    isTouched = false
    progress.sessionFloorMilliseconds = sessions.floorMilliseconds
    journal.write(progress, &sessions, key: key, into: &batch, scratch: &scratch)
  }

  /// The same outside of `apply`.
  mutating func writeRows<Batch: StateBatch>(into batch: inout Batch) {
    var scratch = RowScratch()
    writeRows(into: &batch, scratch: &scratch)
  }

  private mutating func writeMetaRows<Batch: StateBatch>(
    into batch: inout Batch, scratch writer: inout ByteWriter
  ) {
    if changed.contains(.configuration) {
      writer.removeAll()
      configuration.encode(into: &writer)
      batch.put(key: key.meta(.configuration), header: Bytes(), value: Bytes(writer.bytes))
    }
    if changed.contains(.dropped) {
      writer.removeAll()
      GroupMetaFormat.encode(dropped: dropped, into: &writer)
      batch.put(key: key.meta(.droppedKeyspaces), header: Bytes(), value: Bytes(writer.bytes))
    }
    if changed.contains(.map), let meta {
      writer.removeAll()
      meta.encode(into: &writer)
      batch.put(key: key.meta(.map), header: Bytes(), value: Bytes(writer.bytes))
    }
    changed = []
  }
}

extension GroupState {
  /// What a view of the store holds of a generation; `nil` where there is no progress row, which
  /// is written with everything else or after it.
  static func load<View: StateView>(
    _ group: GroupID, _ generation: Generation, from view: View, sessionLimit: Int
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
      var state = GroupState(
        group: group, generation: generation,
        configuration: try decode(configurationRow, GroupConfiguration.init(from:)),
        meta: try mapRow.map { (row) throws(WireError) in
          try decode(row, ClusterMap.init(from:))
        }, sessionLimit: sessionLimit)
      if let droppedRow {
        state.dropped = try decode(droppedRow, GroupMetaFormat.dropped(from:))
      }
      for row in sessionRows {
        let client = try StateKey.client(inSuffix: row.suffix)
        _ = state.sessions.insert(try SessionFormat.decode(row.value, client: client))
      }
      state.progress = try state.journal.restore(progressRows, &state.sessions)
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
