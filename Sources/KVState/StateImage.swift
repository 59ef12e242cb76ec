package import KVBase
package import KVCommand

/// The state of one group as of one entry, row by row, in a form that is the same bytes wherever
/// the same entries were applied: whatever the replica's generation, and however much of its
/// sessions is in rows of their own or still in the journal.
///
/// Rows are named as a snapshot names them, by what follows the generation in a key: progress,
/// configuration, dropped keyspaces and map, then sessions, then records. For checks from outside:
/// the whole state is read.
package struct StateImage: Hashable, Sendable {
  package struct Row: Hashable, Sendable {
    package var suffix: Bytes
    package var value: Bytes
  }

  package let index: LogIndex
  /// By rising suffix.
  package let rows: [Row]

  init<View: StateView>(_ state: GroupState, _ view: View) throws(StorageError) {
    var rows: [Row] = []
    var writer = ByteWriter()
    func add(_ key: Bytes) {
      rows.append(Row(suffix: StateKey.suffix(of: key), value: writer.take()))
    }
    let key = state.key
    var progress = state.progress
    progress.sessionFloorMilliseconds = state.sessions.floorMilliseconds
    GroupMetaFormat.encode(progress, into: &writer)
    add(key.meta(.progress))
    state.configuration.encode(into: &writer)
    add(key.meta(.configuration))
    GroupMetaFormat.encode(dropped: state.dropped, into: &writer)
    add(key.meta(.droppedKeyspaces))
    if let map = state.meta {
      map.encode(into: &writer)
      add(key.meta(.map))
    }
    for session in state.sessions.sessions {
      SessionFormat.encode(session, into: &writer)
      add(key.session(session.client))
    }
    try view.scan(from: key.start(of: .record), to: key.end, descending: false) { stored, value in
      rows.append(Row(suffix: StateKey.suffix(of: stored), value: value))
      return true
    }
    index = progress.index
    self.rows = rows
  }

  /// Every record, with the keyspace and the key that it is of.
  package func records() throws(WireError) -> [(keyspace: KeyspaceID, key: Bytes, Record)] {
    var records: [(keyspace: KeyspaceID, key: Bytes, Record)] = []
    for row in rows where row.suffix[0] == StateKey.Kind.record.rawValue {
      var reader = ByteReader(row.suffix)
      _ = try reader.read(UInt8.self)
      let keyspace = KeyspaceID(try reader.read(UInt32.self))
      records.append((keyspace, reader.readRest(), try RecordFormat.decode(row.value)))
    }
    return records
  }

  /// The first row that is not the same in both, in words; `nil` where all are.
  package func difference(from other: StateImage) -> String? {
    var at = 0
    while at < rows.count, at < other.rows.count, rows[at] == other.rows[at] { at += 1 }
    let mine = at < rows.count ? rows[at] : nil
    let theirs = at < other.rows.count ? other.rows[at] : nil
    switch (mine, theirs) {
    case (nil, nil): return nil
    case (let mine?, nil): return "\(Self.name(mine)) is not in the other"
    case (nil, let theirs?): return "\(Self.name(theirs)) is only in the other"
    case (let mine?, let theirs?):
      if mine.suffix == theirs.suffix {
        return "\(Self.name(mine)) is \(mine.value), and \(theirs.value) in the other"
      }
      return mine.suffix < theirs.suffix
        ? "\(Self.name(mine)) is not in the other" : "\(Self.name(theirs)) is only in the other"
    }
  }

  private static func name(_ row: Row) -> String {
    switch StateKey.Kind(rawValue: row.suffix[0]) {
    case .meta:
      switch StateKey.MetaRow(rawValue: row.suffix[1]) {
      case .progress: "progress"
      case .configuration: "the configuration"
      case .droppedKeyspaces: "the list of dropped keyspaces"
      case .map: "the map"
      case nil: "row \(row.suffix)"
      }
    case .session:
      (try? StateKey.client(inSuffix: row.suffix)).map { "the session of \($0)" }
        ?? "session \(row.suffix)"
    case .record: "the record of \(row.suffix[min(5, row.suffix.count)..<row.suffix.count])"
    case nil: "row \(row.suffix)"
    }
  }
}

extension StateMachines {
  /// What a group's state is; `nil` where it is not open. On the applying thread.
  package func image(of group: GroupID) throws(StorageError) -> StateImage? {
    guard let state = groups[group] else { return nil }
    return try StateImage(state, try store.makeView())
  }

  /// The same as a node would find it that starts from the store as it is.
  package func storedImage(of group: GroupID) throws(StorageError) -> StateImage? {
    guard let generation = groups[group]?.generation else { return nil }
    let view = try store.makeView()
    guard let state = try load(group, generation, from: view) else { return nil }
    return try StateImage(state, view)
  }
}
