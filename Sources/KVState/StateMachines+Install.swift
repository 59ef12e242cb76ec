package import KVBase
internal import KVCommand

/// How far the installation of a snapshot has come.
struct Installation {
  let generation: Generation
  var head: SnapshotHead?
  var index = LogIndex.zero
  var term = Term.zero
  var nextSequence: UInt32 = 0
  var digest: UInt64 = 0
  var recordCount: UInt64 = 0
  var sessionCount: UInt32 = 0
  var lastSuffix = Bytes()
  /// The last chunk has come.
  var isWhole = false

  init(generation: Generation) { self.generation = generation }
}

/// A generation that was installed, as it was read back.
package struct PreparedGeneration: Sendable {
  let state: GroupState
  package var group: GroupID { state.group }
  package var generation: Generation { state.generation }
}

extension StateMachines {
  /// Begins an empty `generation` of a group beside the present one; what an earlier, unfinished
  /// installation left in it is deleted.
  package func beginInstall(_ group: GroupID, generation: Generation) throws(StorageError) {
    guard groups[group]?.generation != generation else {
      throw .misuse("installation of \(group) into generation \(generation), which it answers from")
    }
    if let present = groups[group] {
      try deleteOtherGenerations(of: present.key, group, lookingIn: .memory)
    } else {
      let range = StateKey(group, generation).range
      try deleteRange(from: range.from, to: range.to, lookingIn: .memory)
    }
    installs[group] = Installation(generation: generation)
  }

  /// Writes one chunk of a snapshot. Bytes that make no sense, or a chunk that does not follow the
  /// last one, throw `.damaged` and change nothing; one that was written before is ignored.
  package func installChunk(
    _ group: GroupID, generation: Generation, chunk bytes: Bytes
  ) throws(StorageError) {
    guard var install = installs[group], install.generation == generation else {
      throw .misuse("a chunk for \(group), generation \(generation), which is not being installed")
    }
    var batch = Store.Batch()
    do throws(WireError) {
      let chunk = try SnapshotFormat.decode(bytes)
      guard try install.accept(chunk, group: group) else { return }
      let prefix = StateKey(group, generation).prefix
      for record in chunk.records {
        batch.put(
          key: Bytes(prefix + record.suffix.array), header: Bytes(), value: record.value)
      }
    } catch {
      throw .damaged("snapshot of \(group): \(error)")
    }
    if !batch.isEmpty { try store.write(&batch) }
    installs[group] = install
  }

  /// For tests: `sealInstall`, and then what the interpreters do on another thread, or later.
  package func finishInstall(
    _ group: GroupID, generation: Generation
  ) throws(StorageError) -> GroupStatus {
    let status = try sealInstall(group, generation: generation)
    try store.flush()
    return status
  }

  /// Ends the installation: checks that it is whole. Once the caller has flushed the store it is
  /// durable; the group still answers from its present generation until `activate`.
  package func sealInstall(
    _ group: GroupID, generation: Generation
  ) throws(StorageError) -> GroupStatus {
    guard let install = installs[group], install.generation == generation else {
      throw .misuse("end of an installation of \(group), generation \(generation), not begun")
    }
    guard install.isWhole, let head = install.head else {
      throw .damaged("snapshot of \(group): it is not whole")
    }
    var state = GroupState(
      group: group, generation: generation, configuration: head.configuration, meta: head.meta,
      sessionLimit: sessionLimit)
    state.progress = head.progress
    state.dropped = head.dropped
    state.sessions.floorMilliseconds = head.progress.sessionFloorMilliseconds
    state.markAllChanged()
    var batch = Store.Batch()
    // The progress row is what makes a generation one that can be opened: it comes last.
    state.writeRows(into: &batch)
    try store.write(&batch)
    var status = state.status
    status.sessionCount = Int(head.sessionCount)
    return status
  }

  /// Reads what a generation holds beside records, its sessions above all. After `sealInstall`
  /// nothing of it changes until it is activated. On any thread.
  package func prepareActivation(
    _ group: GroupID, generation: Generation
  ) throws(StorageError) -> PreparedGeneration {
    guard let state = try load(group, generation, from: store.makeView()) else {
      throw .misuse("activation of \(group), generation \(generation), which holds no state")
    }
    return PreparedGeneration(state: state)
  }

  /// For tests and the simulator: `prepareActivation`, and at once what follows.
  package func activate(_ group: GroupID, generation: Generation) throws(StorageError) {
    try activate(try prepareActivation(group, generation: generation))
  }

  /// Answers from a generation from now on and deletes every other one of the group.
  package func activate(_ prepared: PreparedGeneration) throws(StorageError) {
    let state = prepared.state
    let group = state.group
    groups.set(group, to: state)
    installs[group] = nil
    // Published before the rows of the old generation go: see `read`.
    publish(state)
    try deleteOtherGenerations(of: state.key, group, lookingIn: .memory)
  }
}

extension Installation {
  /// Checks a chunk against what came before it and remembers it. False where it was accepted
  /// before.
  fileprivate mutating func accept(
    _ chunk: SnapshotChunk, group: GroupID
  ) throws(WireError) -> Bool {
    guard chunk.group == group else { throw .invalid("snapshot: it is of another group") }
    if chunk.sequence > 0 || nextSequence > 0 {
      guard nextSequence == 0 || (chunk.index == index && chunk.term == term) else {
        throw .invalid("snapshot: a chunk of another image")
      }
      if chunk.sequence < nextSequence { return false }
    }
    guard chunk.sequence == nextSequence, chunk.digestBefore == digest, !isWhole else {
      throw .invalid("snapshot: the chunk does not follow the last one")
    }
    if let head = chunk.head {
      guard chunk.sequence == 0, head.progress.index == chunk.index,
        head.progress.term == chunk.term
      else { throw .invalid("snapshot: a head that does not fit") }
      self.head = head
      index = chunk.index
      term = chunk.term
    } else if chunk.sequence == 0 {
      throw .invalid("snapshot: no head")
    }
    for record in chunk.records { try accept(record.suffix, record.value) }
    // A slice would hold on to the whole chunk.
    lastSuffix = lastSuffix.detached()
    recordCount += UInt64(chunk.records.count)
    nextSequence += 1
    digest = chunk.digest
    if let total = chunk.total {
      guard total == recordCount, sessionCount == head?.sessionCount else {
        throw .invalid("snapshot: records are missing")
      }
      isWhole = true
    }
    return true
  }

  private mutating func accept(_ suffix: Bytes, _ value: Bytes) throws(WireError) {
    guard lastSuffix < suffix else { throw .invalid("snapshot: its keys do not rise") }
    lastSuffix = suffix
    if suffix[0] == StateKey.Kind.session.rawValue {
      _ = try SessionFormat.decode(value, client: try StateKey.client(inSuffix: suffix))
      sessionCount += 1
    } else {
      try StateKey.checkRecord(suffix: suffix)
      _ = try RecordFormat.decode(value)
    }
  }
}
