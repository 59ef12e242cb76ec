internal import KVBase
internal import KVCommand

/// How a group's progress and its sessions reach the store.
///
/// A session row for each client of each batch would be half of all that a small put writes. So a
/// batch writes what it changed of sessions into its progress row, and a session's own row is
/// written only at a checkpoint. The progress rows of a group are a ring of slots: each batch takes
/// the next slot, a checkpoint the first. The row with the highest index is the present one, and
/// those after `sessionsThrough` are the journal: what a start must repeat.
struct SessionJournal {
  /// Batches between two checkpoints, and progress rows of a group.
  private static let slots: UInt8 = 128

  /// Of the present progress row; a new state begins with a checkpoint.
  private var slot = SessionJournal.slots - 1
  /// Session rows hold everything up to this entry.
  private var sessionsThrough = LogIndex.zero
  /// Clients whose sessions differ from their rows, each once.
  private var dirty: [ClientID] = []

  /// Adds the progress row of a batch, and at a checkpoint the session rows. With it the batch's
  /// changes of `sessions` end.
  mutating func write<Batch: StateBatch>(
    _ progress: GroupProgress, _ sessions: inout SessionTable, key: StateKey,
    into batch: inout Batch, scratch: inout RowScratch
  ) {
    for client in sessions.changed {
      guard let position = sessions.index(of: client) else { continue }
      if sessions.markDirty(at: position) { dirty.append(client) }
    }
    // The journal has no way to say that a client was forgotten.
    let isCheckpoint = slot + 1 >= Self.slots || !sessions.forgotten.isEmpty
    if isCheckpoint {
      writeRows(&sessions, key, into: &batch, scratch: &scratch)
      sessionsThrough = progress.index
    }
    slot = isCheckpoint ? 0 : slot + 1
    let changes = isCheckpoint ? [] : sessions.changed
    scratch.value.removeAll()
    GroupMetaFormat.encode(
      progress, sessionsThrough: sessionsThrough, changeCount: changes.count,
      into: &scratch.value)
    for client in changes {
      guard let position = sessions.index(of: client) else {
        preconditionFailure("\(client) was evicted by a batch that is no checkpoint")
      }
      SessionFormat.encodeChange(sessions.sessions[position], into: &scratch.value)
    }
    sessions.batchEnded()
    scratch.key.removeAll()
    key.appendProgress(slot: slot, to: &scratch.key)
    batch.put(
      key: Bytes(scratch.key.bytes), header: Bytes(), value: Bytes(scratch.value.bytes))
  }

  private mutating func writeRows<Batch: StateBatch>(
    _ sessions: inout SessionTable, _ key: StateKey, into batch: inout Batch,
    scratch: inout RowScratch
  ) {
    for client in sessions.forgotten { batch.delete(key: key.session(client)) }
    for client in dirty {
      guard let position = sessions.index(of: client) else { continue }
      sessions.markClean(at: position)
      scratch.value.removeAll()
      SessionFormat.encode(sessions.sessions[position], into: &scratch.value)
      batch.put(key: key.session(client), header: Bytes(), value: Bytes(scratch.value.bytes))
    }
    dirty.removeAll(keepingCapacity: true)
  }

  /// Finds the present progress row among all, which are not none, and repeats in `sessions`, as
  /// their rows have them, what those rows lack.
  mutating func restore(
    _ rows: [(suffix: Bytes, value: Bytes)], _ sessions: inout SessionTable
  ) throws(WireError) -> GroupProgress {
    var journal: [ProgressRow] = []
    var present = 0
    for row in rows {
      journal.append(try GroupMetaFormat.progressRow(row.value))
      guard row.suffix.count == 3 else { throw .invalid("progress row: its key has no slot") }
      if journal[journal.count - 1].progress.index >= journal[present].progress.index {
        present = journal.count - 1
        slot = row.suffix[2]
      }
    }
    let progress = journal[present].progress
    sessionsThrough = journal[present].sessionsThrough
    sessions.floorMilliseconds = progress.sessionFloorMilliseconds
    journal.removeAll { $0.progress.index <= sessionsThrough }
    journal.sort { $0.progress.index < $1.progress.index }
    guard slot < Self.slots, journal.count == Int(slot) else {
      throw .invalid("journal of sessions: rows are missing")
    }
    for change in journal.flatMap(\.changes) {
      let position = try sessions.replay(change)
      if sessions.markDirty(at: position) { dirty.append(change.client) }
    }
    return progress
  }
}

/// Buffers for a row's key and value, used again from row to row.
struct RowScratch {
  var key = ByteWriter(capacity: 256)
  var value = ByteWriter(capacity: 256)
}
