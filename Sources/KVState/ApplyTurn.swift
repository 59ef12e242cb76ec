internal import KVBase
internal import KVCommand

/// One call of `StateMachines.apply`: entries become changes of group states in memory and of one
/// batch for the store. It owns what a call needs and the next one uses again.
///
/// Steps, for each entry: the group's progress moves to it; its command is decoded; the session
/// says whether the command is carried out or was answered before; a mutation reads its record
/// where it needs to, from this batch first and then from the store; its change goes into the batch
/// and its result into the session. At the end each group that had entries adds its rows.
struct ApplyTurn<Store: StateStore> {
  /// What to write.
  private var batch = Store.Batch()
  /// Slots of the groups that have rows to write, each once.
  private(set) var touched: [Int] = []
  private var requests: [ApplyRequest] = []
  private var writes = BatchWrites()
  private var scratch = RowScratch()
  private var digestScratch = ByteWriter(capacity: 1024)
  #if PlantedFaults
    var plantedFault: PlantedFault?
    var replayedThrough: [GroupID: LogIndex] = [:]
  #endif

  /// Fills the batch: `write` and `end` follow.
  mutating func apply(
    _ requests: [ApplyRequest], to groups: inout GroupSlots<GroupState>, of store: Store
  ) throws(StorageError) -> [ApplyResult] {
    end()
    self.requests = requests
    var results: [ApplyResult] = []
    results.reserveCapacity(requests.count)
    for number in requests.indices {
      let request = requests[number]
      guard let slot = groups.slot(of: request.group),
        groups[slot: slot].generation == request.generation
      else {
        throw .misuse("apply to \(request.group), generation \(request.generation): not open")
      }
      if !request.entries.isEmpty, groups[slot: slot].beginBatch() { touched.append(slot) }
      results.append(try apply(number, to: &groups[slot: slot], store))
    }
    for slot in touched { groups[slot: slot].writeRows(into: &batch, scratch: &scratch) }
    return results
  }

  mutating func write(to store: Store) throws(StorageError) { try store.write(&batch) }

  /// Forgets the batch; what it held on to is released.
  mutating func end() {
    batch.removeAll()
    touched.removeAll(keepingCapacity: true)
    requests = []
    writes.removeAll()
  }

  // MARK: Entries

  private mutating func apply(
    _ request: Int, to state: inout GroupState, _ store: Store
  ) throws(StorageError) -> ApplyResult {
    let epochBefore = state.meta?.epoch
    let count = requests[request].entries.count
    var results: [CommandResult] = []
    results.reserveCapacity(count)
    for position in 0..<count {
      let entry = requests[request].entries[position]
      guard entry.index == state.progress.index.next, entry.term >= state.progress.term else {
        throw .misuse(
          "entry \(entry.index) of term \(entry.term) of \(state.group) after "
            + "\(state.progress.index) of term \(state.progress.term)")
      }
      state.progress.index = entry.index
      state.progress.term = entry.term
      state.progress.logTimeMilliseconds = max(
        state.progress.logTimeMilliseconds, entry.logTimeMilliseconds)
      state.progress.digest = EntryDigest.chain(
        state.progress.digest, entry, scratch: &digestScratch)
      results.append(
        try apply(entry, at: .init(request: request, entry: position), to: &state, store))
    }
    return ApplyResult(
      group: state.group, generation: state.generation, index: state.progress.index,
      term: state.progress.term, results: results, digest: state.progress.digest,
      meta: state.meta?.epoch == epochBefore ? nil : state.meta,
      droppedKeyspaces: state.changed.contains(.dropped) ? state.dropped : nil,
      logTimeMilliseconds: state.progress.logTimeMilliseconds)
  }

  private mutating func apply(
    _ entry: LogEntry, at position: BatchWrites.Position, to state: inout GroupState, _ store: Store
  ) throws(StorageError) -> CommandResult {
    let command: Command
    do throws(WireError) {
      switch entry.kind {
      case .noop:
        return .done
      case .configuration:
        state.configuration = try GroupState.decode(
          entry.payload, GroupConfiguration.init(from:))
        state.changed.insert(.configuration)
        return .done
      case .command:
        command = try Command(decoding: entry.payload)
      }
    } catch {
      throw .damaged("entry \(entry.index) of \(state.group) does not decode: \(error)")
    }
    #if PlantedFaults
      if plantedFault == .appliedTwice, entry.index.rawValue % 8 == 0 {
        _ = try execute(command.body, at: entry.index, position, on: &state, store)
      }
    #endif
    return try applyOnce(command, of: entry, position, to: &state, store)
  }

  /// Carries a command out, unless its session says that it was carried out before or can't be.
  private mutating func applyOnce(
    _ command: Command, of entry: LogEntry, _ position: BatchWrites.Position,
    to state: inout GroupState, _ store: Store
  ) throws(StorageError) -> CommandResult {
    let index = entry.index
    var hasSession = command.session.client != .none
    #if PlantedFaults
      if plantedFault == .sessionsIgnored { hasSession = false }
    #endif
    guard hasSession else {
      return try execute(command.body, at: index, position, on: &state, store)
    }
    if case .endSession = command.body {
      state.sessions.end(command.session.client, at: index)
      return .done
    }
    let use = SessionUse(
      stamp: command.session, fingerprint: Command.fingerprint(ofEncoded: entry.payload),
      index: index, logTimeMilliseconds: state.progress.logTimeMilliseconds)
    #if PlantedFaults
      state.sessions.plantedFault = plantedFault
    #endif
    switch state.sessions.admit(use) {
    case .answer(let result):
      return result
    case .execute(let admitted):
      let result = try execute(command.body, at: index, position, on: &state, store)
      state.sessions.keep(result, of: use, admittedAt: admitted)
      return result
    }
  }

  // MARK: Commands

  private mutating func execute(
    _ body: CommandBody, at index: LogIndex, _ position: BatchWrites.Position,
    on state: inout GroupState, _ store: Store
  ) throws(StorageError) -> CommandResult {
    switch body {
    case .mutate(let keyspace, let key, let mutation):
      guard !state.isDropped(keyspace) else { return .keyspaceDropped }
      if mutation.needsRecord {
        return try execute(mutation, keyspace, key, at: index, on: &state, store)
      }
      let effect = mutation.effect(on: nil, at: index)
      if write(effect.change, keyspace, key, at: index, on: state) { writes.note(position) }
      return effect.result
    case .dropKeyspaceRecords(let keyspace):
      guard state.drop(keyspace) else { return .tooManyKeyspaces }
      let range = state.key.records(of: keyspace)
      batch.deleteRange(from: range.from, to: range.to)
      return .done
    case .expireSessions(let time):
      state.sessions.expire(
        throughMilliseconds: time, logTimeMilliseconds: state.progress.logTimeMilliseconds)
      return .done
    // Nobody leaves where the command names no client.
    case .endSession: return .done
    case .meta(let command):
      // A group without a map has nothing that such a command could name.
      guard let before = state.meta?.epoch else { return .noSuchKeyspace }
      let result = state.meta?.apply(command) ?? .noSuchKeyspace
      if state.meta?.epoch != before { state.changed.insert(.map) }
      return result
    }
  }

  /// Carries out a mutation that depends on the record that is there.
  private mutating func execute(
    _ mutation: KeyMutation, _ keyspace: KeyspaceID, _ key: Bytes, at index: LogIndex,
    on state: inout GroupState, _ store: Store
  ) throws(StorageError) -> CommandResult {
    let current = try current(keyspace, key, of: state, store)
    #if PlantedFaults
      let mutation = planted(mutation)
    #endif
    let effect = mutation.effect(on: current, at: index)
    if write(effect.change, keyspace, key, at: index, on: state) {
      let record: Record? =
        if case .put(let value) = effect.change { Record(version: index, value: value) } else {
          nil
        }
      writes.note(state.group, keyspace, key, record)
    }
    return effect.result
  }

  /// The record as this batch has left it so far.
  private mutating func current(
    _ keyspace: KeyspaceID, _ key: Bytes, of state: GroupState, _ store: Store
  ) throws(StorageError) -> Record? {
    do throws(WireError) {
      if let written = try writes.lookup(state.group, keyspace, key, in: requests) {
        return written
      }
    } catch {
      throw .damaged("an entry of \(state.group) does not decode a second time: \(error)")
    }
    scratch.key.removeAll()
    state.key.appendRecord(keyspace, key, to: &scratch.key)
    switch try store.get(Bytes(scratch.key.bytes), tier: .all) {
    case .value(let stored): return try RecordFormat.record(stored, of: state.group, key)
    case .absent: return nil
    case .incomplete: throw .io("the state store answered a full read with \"incomplete\"")
    }
  }

  /// False where there is nothing to write.
  private mutating func write(
    _ change: MutationEffect.Change, _ keyspace: KeyspaceID, _ key: Bytes, at index: LogIndex,
    on state: GroupState
  ) -> Bool {
    #if PlantedFaults
      if isLeftOut(change, at: index, of: state.group) { return false }
    #endif
    switch change {
    case .none: return false
    case .put(let value):
      scratch.key.removeAll()
      state.key.appendRecord(keyspace, key, to: &scratch.key)
      scratch.value.removeAll()
      RecordFormat.appendHeader(version: index, to: &scratch.value)
      batch.put(
        key: Bytes(scratch.key.bytes), header: Bytes(scratch.value.bytes), value: value)
    case .delete:
      scratch.key.removeAll()
      state.key.appendRecord(keyspace, key, to: &scratch.key)
      batch.delete(key: Bytes(scratch.key.bytes))
    }
    return true
  }

  #if PlantedFaults
    private func planted(_ mutation: KeyMutation) -> KeyMutation {
      guard plantedFault == .conditionIgnored, case .put(var put) = mutation else {
        return mutation
      }
      put.condition = .always
      return .put(put)
    }

    private func isLeftOut(
      _ change: MutationEffect.Change, at index: LogIndex, of group: GroupID
    ) -> Bool {
      switch (change, plantedFault) {
      case (.put, .entrySkippedOnOneReplica): index.rawValue % 8 == 5
      case (.delete, .deleteLostOnRestart): index <= replayedThrough[group] ?? .zero
      default: false
      }
    }
  #endif
}

extension RecordFormat {
  /// The same, where bytes that make no sense are damage.
  static func record(
    _ stored: Bytes, of group: GroupID, _ key: Bytes
  ) throws(StorageError) -> Record {
    do throws(WireError) {
      return try decode(stored)
    } catch {
      throw .damaged("record \(key) of \(group): \(error)")
    }
  }
}
