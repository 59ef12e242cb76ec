package import KVBase
internal import KVCommand

/// An image of one group's state, read chunk by chunk; the image lives as long as this does. May be
/// read on another thread than it was begun on.
package final class SnapshotReader<View: StateView> {
  package let group: GroupID
  package let status: GroupStatus
  private let view: View
  private let key: StateKey
  private let head: SnapshotHead
  /// By client. Their rows may lack what the journal has, so they are read from the table.
  private let sessions: SessionTable
  #if PlantedFaults
    var plantedFault: PlantedFault?
  #endif

  init(_ state: GroupState, view: View, forgettingSessions: Bool) {
    group = state.group
    status = state.status
    key = state.key
    self.view = view
    sessions = forgettingSessions ? SessionTable() : state.sessions
    head = SnapshotHead(
      progress: state.progress, configuration: state.configuration, dropped: state.dropped,
      meta: state.meta, sessionCount: UInt32(sessions.count))
  }

  /// The chunk at `cursor` (empty: the first) of about `maxBytes` at most, and at least one record;
  /// with it the cursor of the next, `nil` after the last. The same cursor and size give the same
  /// bytes. A cursor that this reader did not give throws `.misuse`.
  package func chunk(
    at cursor: Bytes, maxBytes: Int
  ) throws(StorageError) -> (bytes: Bytes, next: Bytes?) {
    let from: SnapshotCursor
    do throws(WireError) {
      from = try SnapshotCursor(decoding: cursor)
    } catch {
      throw .misuse("a snapshot of \(group) at a cursor that makes no sense: \(error)")
    }
    var writer = SnapshotFormat.Writer(
      group: group, index: head.progress.index, term: head.progress.term,
      sequence: from.sequence, digestBefore: from.digest,
      head: from.sequence == 0 ? head : nil, capacity: min(maxBytes, Limits.frameBytes))
    var following = try appendSessions(from: from.suffix, to: &writer, maxBytes: maxBytes)
    if following == nil {
      following = try appendRecords(from: from.suffix, to: &writer, maxBytes: maxBytes)
    }
    let count = from.recordCount + writer.recordCount
    let (bytes, digest) = writer.finish(total: following == nil ? count : nil)
    guard let following else { return (bytes, nil) }
    var next = SnapshotCursor()
    next.sequence = from.sequence + 1
    next.recordCount = count
    next.digest = digest
    next.suffix = following
    return (bytes, next.encoded)
  }

  /// Appends sessions from `suffix` on, and answers the suffix of the first that has no room.
  private func appendSessions(
    from suffix: Bytes, to writer: inout SnapshotFormat.Writer, maxBytes: Int
  ) throws(StorageError) -> Bytes? {
    var position = 0
    if !suffix.isEmpty {
      guard suffix[0] == StateKey.Kind.session.rawValue else { return nil }
      do throws(WireError) {
        position = sessions.position(of: try StateKey.client(inSuffix: suffix))
      } catch {
        throw .misuse("a snapshot of \(group) at a cursor that makes no sense: \(error)")
      }
    }
    var row = ByteWriter()
    while position < sessions.count {
      SessionFormat.encode(sessions.sessions[position], into: &row)
      let suffix = StateKey.suffix(of: key.session(sessions.clients[position]))
      guard writer.append(suffix: suffix, value: row.take(), maxBytes: maxBytes) else {
        return suffix
      }
      position += 1
    }
    return nil
  }

  /// The same of records.
  private func appendRecords(
    from suffix: Bytes, to writer: inout SnapshotFormat.Writer, maxBytes: Int
  ) throws(StorageError) -> Bytes? {
    let isWithin = !suffix.isEmpty && suffix[0] == StateKey.Kind.record.rawValue
    let from = isWithin ? Bytes(key.prefix + suffix.array) : key.start(of: .record)
    var following: Bytes?
    try view.scan(from: from, to: key.end, descending: false) { stored, value in
      let suffix = StateKey.suffix(of: stored)
      #if PlantedFaults
        if plantedFault == .snapshotMissesRecords, XXH3.hash(suffix) % 4 == 0 { return true }
      #endif
      if writer.append(suffix: suffix, value: value, maxBytes: maxBytes) { return true }
      following = suffix
      return false
    }
    return following
  }
}

/// Nothing in it changes, and its sessions are its own.
extension SnapshotReader: @unchecked Sendable where View: Sendable {}

extension StateMachines {
  /// Begins to read a consistent image of a group's state as of now. `nil` where the group is not
  /// open here: it was removed meanwhile. May be called on any thread.
  package func beginSnapshot(
    _ group: GroupID
  ) throws(StorageError) -> SnapshotReader<Store.View>? {
    var forgettingSessions = false
    #if PlantedFaults
      forgettingSessions = plantedFault == .forgetSessionsInSnapshot
    #endif
    while let seen = published.withLock({ $0[group] }) {
      // Everything is read from the view: what is in memory may be a batch ahead of it.
      let view = try store.makeView()
      if let state = try load(group, seen.generation, from: view) {
        let reader = SnapshotReader(state, view: view, forgettingSessions: forgettingSessions)
        #if PlantedFaults
          reader.plantedFault = plantedFault
        #endif
        return reader
      }
      // A switch of generation came between; otherwise the rows are gone that must be there.
      let after = published.withLock { $0[group] }
      guard after?.generation != seen.generation else {
        throw .damaged("no state of \(group), generation \(seen.generation)")
      }
    }
    return nil
  }
}
