internal import KVBase
internal import KVCommand

/// One call of `StateMachines.apply`: entries become changes of group states in memory and of one
/// batch for the store. It owns what a call needs and the next one uses again.
///
/// Steps, for each entry: the group's progress moves to it; its command is decoded; the session
/// says whether the command is carried out or was answered before; a mutation reads its record
/// where it needs to, from this batch first, then from what was looked up for it, then from the
/// store; its change goes into the batch
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
  /// Where records may be read: with `.memory`, an entry whose record is elsewhere is left.
  private var tier = ReadTier.all
  /// The record that the present entry depends on, where it was read before anything was changed.
  private var found: Record??
  #if PlantedFaults
    var plantedFault: PlantedFault?
    var plantedEntry = PlantedEntry()
    var replayedThrough: [GroupID: LogIndex] = [:]
  #endif

  /// Fills the batch: `write` and `end` follow.
  mutating func apply(
    _ requests: [ApplyRequest], to groups: inout GroupSlots<GroupState>, of store: Store,
    tier: ReadTier
  ) throws(StorageError) -> ApplyOutcome {
    end()
    self.requests = requests
    self.tier = tier
    var outcome = ApplyOutcome()
    outcome.results.reserveCapacity(requests.count)
    for number in requests.indices {
      let request = requests[number]
      guard let slot = groups.slot(of: request.group),
        groups[slot: slot].generation == request.generation
      else {
        throw .misuse("apply to \(request.group), generation \(request.generation): not open")
      }
      let count = request.entries.count
      let result = try apply(number, to: &groups[slot: slot], store)
      let applied = result.results.count
      if applied > 0, groups[slot: slot].beginBatch() { touched.append(slot) }
      if applied > 0 || count == 0 { outcome.results.append(result) }
      if applied < count {
        outcome.parked.append(try park(request, after: applied, groups[slot: slot]))
      }
    }
    for slot in touched { groups[slot: slot].writeRows(into: &batch, scratch: &scratch) }
    return outcome
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
      let at = BatchWrites.Position(request: request, entry: position)
      let command = try decode(entry, of: state)
      guard try isReady(command, at, state, store) else { break }
      state.progress.index = entry.index
      state.progress.term = entry.term
      state.progress.logTimeMilliseconds = max(
        state.progress.logTimeMilliseconds, entry.logTimeMilliseconds)
      state.progress.digest = EntryDigest.chain(
        state.progress.digest, entry, scratch: &digestScratch)
      results.append(try apply(entry, command, at: at, to: &state, store))
    }
    return ApplyResult(
      group: state.group, generation: state.generation, index: state.progress.index,
      term: state.progress.term, results: results, digest: state.progress.digest,
      meta: state.meta?.epoch == epochBefore ? nil : state.meta,
      droppedKeyspaces: state.changed.contains(.dropped) ? state.dropped : nil,
      isWhole: results.count == count, logTimeMilliseconds: state.progress.logTimeMilliseconds)
  }

  /// `nil`: it is no command.
  private func decode(
    _ entry: LogEntry, of state: GroupState
  ) throws(StorageError) -> Command? {
    guard entry.kind == .command else { return nil }
    do throws(WireError) {
      return try Command(decoding: entry.payload)
    } catch {
      throw .damaged("entry \(entry.index) of \(state.group) does not decode: \(error)")
    }
  }

  /// Reads the record that a command depends on, before it changes anything. False where it is in
  /// no tier that may be read.
  private mutating func isReady(
    _ command: Command?, _ position: BatchWrites.Position, _ state: GroupState, _ store: Store
  ) throws(StorageError) -> Bool {
    found = .none
    guard tier == .memory, case .mutate(let keyspace, let key, let mutation)? = command?.body,
      mutation.needsRecord, !state.isDropped(keyspace)
    else { return true }
    let records = requests[position.request].records
    switch try lookUp(keyspace, key, of: state, records, store, tier: .memory) {
    case .found(let record):
      found = .some(record)
      return true
    case .inFiles: return false
    }
  }

  /// What is left of a request, and the records that its first entries need.
  private mutating func park(
    _ request: ApplyRequest, after applied: Int, _ state: GroupState
  ) throws(StorageError) -> ParkedApply {
    var rest = request
    rest.entries.removeFirst(applied)
    rest.records = LookedUpRecords()
    var keys: [Bytes] = []
    for entry in rest.entries {
      guard keys.count < Limits.applyLookups else { break }
      guard case .mutate(let keyspace, let key, let mutation)? = try decode(entry, of: state)?.body,
        mutation.needsRecord
      else { continue }
      scratch.key.removeAll()
      state.key.appendRecord(keyspace, key, to: &scratch.key)
      keys.append(Bytes(scratch.key.bytes).detached())
    }
    return ParkedApply(request: rest, keys: keys)
  }

  private mutating func apply(
    _ entry: LogEntry, _ command: Command?, at position: BatchWrites.Position,
    to state: inout GroupState, _ store: Store
  ) throws(StorageError) -> CommandResult {
    guard let command else {
      guard entry.kind == .configuration else { return .done }
      do throws(WireError) {
        state.configuration = try GroupState.decode(
          entry.payload, GroupConfiguration.init(from:))
      } catch {
        throw .damaged("entry \(entry.index) of \(state.group) does not decode: \(error)")
      }
      state.changed.insert(.configuration)
      return .done
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
    found = .none
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

  /// The record that the present entry finds.
  private mutating func current(
    _ keyspace: KeyspaceID, _ key: Bytes, of state: GroupState, _ store: Store
  ) throws(StorageError) -> Record? {
    if let found { return found }
    switch try lookUp(keyspace, key, of: state, LookedUpRecords(), store, tier: .all) {
    case .found(let record): return record
    case .inFiles: throw .io("the state store answered a full read with \"incomplete\"")
    }
  }

  private enum Lookup {
    case found(Record?)
    case inFiles
  }

  /// The record as this batch has left it so far.
  private mutating func lookUp(
    _ keyspace: KeyspaceID, _ key: Bytes, of state: GroupState, _ records: LookedUpRecords,
    _ store: Store, tier: ReadTier
  ) throws(StorageError) -> Lookup {
    do throws(WireError) {
      if let written = try writes.lookup(state.group, keyspace, key, in: requests) {
        return .found(written)
      }
    } catch {
      throw .damaged("an entry of \(state.group) does not decode a second time: \(error)")
    }
    scratch.key.removeAll()
    state.key.appendRecord(keyspace, key, to: &scratch.key)
    let stateKey = Bytes(scratch.key.bytes)
    if let stored = records.stored(stateKey) {
      guard let stored else { return .found(nil) }
      return .found(try RecordFormat.record(stored, of: state.group, key))
    }
    switch try store.get(stateKey, tier: tier) {
    case .value(let stored): return .found(try RecordFormat.record(stored, of: state.group, key))
    case .absent: return .found(nil)
    case .incomplete: return .inFiles
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
      case (_, .oneEffectLost): index == plantedEntry.index && group == plantedEntry.group
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
