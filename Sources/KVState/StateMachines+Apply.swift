package import KVBase
internal import KVCommand
internal import Synchronization

extension StateMachines {
  /// Applies entries of several groups; one result for each request, in order. Throws `.damaged`
  /// where an entry does not decode: it was decoded before it was proposed, so the node stops.
  package func apply(_ requests: [ApplyRequest]) throws(StorageError) -> [ApplyResult] {
    batch.removeAll()
    scratch.removeAll()
    var touched: [GroupState] = []
    touched.reserveCapacity(requests.count)
    var results: [ApplyResult] = []
    results.reserveCapacity(requests.count)
    for request in requests {
      guard let state = groups[request.group], state.generation == request.generation else {
        throw .misuse("apply to \(request.group), generation \(request.generation): not open")
      }
      if !state.isTouched, !request.entries.isEmpty {
        state.isTouched = true
        touched.append(state)
      }
      results.append(try apply(request, to: state))
    }
    if !touched.isEmpty { try finishBatch(touched) }
    scratch.removeAll()
    return results
  }

  private func finishBatch(_ touched: [GroupState]) throws(StorageError) {
    // A reader must not take the records of a dropped keyspace for absent ones, so it learns of
    // the drop before the store does.
    for state in touched where state.droppedChanged {
      published.withLock { $0[state.group]?.dropped = state.dropped }
    }
    for state in touched { state.writeRows(into: &batch, scratch: &scratch.rowWriter) }
    try writeBatch()
    published.withLock { groups in
      for state in touched { groups[state.group]?.appliedIndex = state.progress.index }
    }
  }

  private func apply(
    _ request: ApplyRequest, to state: GroupState
  ) throws(StorageError) -> ApplyResult {
    let epochBefore = state.meta?.epoch
    var results: [CommandResult] = []
    results.reserveCapacity(request.entries.count)
    for entry in request.entries {
      guard entry.index == state.progress.index.next, entry.term >= state.progress.term else {
        throw .misuse(
          "entry \(entry.index) of term \(entry.term) of \(state.group) behind "
            + "\(state.progress.index) of term \(state.progress.term)")
      }
      state.progress.index = entry.index
      state.progress.term = entry.term
      state.progress.logTimeMilliseconds = max(
        state.progress.logTimeMilliseconds, entry.logTimeMilliseconds)
      state.progress.digest = EntryDigest.chain(
        state.progress.digest, entry, scratch: &scratch.digestWriter)
      results.append(try apply(entry, to: state))
    }
    return ApplyResult(
      group: state.group, generation: state.generation, index: state.progress.index,
      term: state.progress.term, results: results, digest: state.progress.digest,
      meta: state.meta?.epoch == epochBefore ? nil : state.meta,
      droppedKeyspaces: state.droppedChanged ? state.dropped : nil)
  }

  private func apply(
    _ entry: LogEntry, to state: GroupState
  ) throws(StorageError) -> CommandResult {
    let command: Command
    do throws(WireError) {
      switch entry.kind {
      case .noop:
        return .done
      case .configuration:
        state.configuration = try GroupState.decode(
          entry.payload, GroupConfiguration.init(from:))
        state.configurationChanged = true
        return .done
      case .command:
        command = try Command(decoding: entry.payload)
      }
    } catch {
      throw .damaged("entry \(entry.index) of \(state.group) does not decode: \(error)")
    }
    #if PlantedFaults
      if plantedFault == .appliedTwice, entry.index.rawValue % 8 == 0 {
        _ = try execute(command.body, at: entry.index, on: state)
      }
    #endif
    return try applyOnce(command, at: entry.index, to: state)
  }

  /// Carries a command out, unless its session says that it was carried out before or can't be.
  private func applyOnce(
    _ command: Command, at index: LogIndex, to state: GroupState
  ) throws(StorageError) -> CommandResult {
    guard command.session.client != .none else {
      return try execute(command.body, at: index, on: state)
    }
    #if PlantedFaults
      if plantedFault == .sessionsIgnored {
        return try execute(command.body, at: index, on: state)
      }
    #endif
    let admission = state.sessions.admit(
      command.session, changed: &state.changedSessions, forgotten: &state.forgottenClients)
    switch admission {
    case .answer(let result):
      return result
    case .execute(let session):
      let result = try execute(command.body, at: index, on: state)
      session.keep(result, of: command.session.sequence)
      session.mark(&state.changedSessions)
      return result
    }
  }

  private func execute(
    _ body: CommandBody, at index: LogIndex, on state: GroupState
  ) throws(StorageError) -> CommandResult {
    switch body {
    case .mutate(let keyspace, let key, let mutation):
      guard !state.isDropped(keyspace) else { return .keyspaceDropped }
      return try execute(mutation, keyspace, key, at: index, on: state)
    case .dropKeyspaceRecords(let keyspace):
      guard state.drop(keyspace) else { return .tooManyKeyspaces }
      let range = state.key.records(of: keyspace)
      batch.deleteRange(from: range.from, to: range.to)
      return .done
    case .expireSessions(let time):
      state.sessions.expire(throughMilliseconds: time, forgotten: &state.forgottenClients)
      return .done
    case .meta(let command):
      // A group without a map has nothing that such a command could name.
      guard state.meta != nil else { return .noSuchKeyspace }
      let before = state.meta?.epoch
      let result = state.meta?.apply(command) ?? .noSuchKeyspace
      if state.meta?.epoch != before { state.metaChanged = true }
      return result
    }
  }

  private func execute(
    _ mutation: KeyMutation, _ keyspace: KeyspaceID, _ key: Bytes, at index: LogIndex,
    on state: GroupState
  ) throws(StorageError) -> CommandResult {
    #if PlantedFaults
      let mutation = planted(mutation)
    #endif
    let current = mutation.needsRecord ? try current(keyspace, key, of: state) : nil
    let effect = mutation.effect(on: current, at: index)
    switch effect.change {
    case .none: break
    case .put(let value): put(keyspace, key, Record(version: index, value: value), on: state)
    case .delete:
      #if PlantedFaults
        if plantedFault == .deleteLostOnRestart, index <= replayedThrough[state.group] ?? .zero {
          break
        }
      #endif
      delete(keyspace, key, on: state)
    }
    return effect.result
  }

  #if PlantedFaults
    private func planted(_ mutation: KeyMutation) -> KeyMutation {
      guard plantedFault == .conditionIgnored, case .put(var put) = mutation else {
        return mutation
      }
      put.condition = .always
      return .put(put)
    }
  #endif

  /// The record as this batch has left it so far.
  private func current(
    _ keyspace: KeyspaceID, _ key: Bytes, of state: GroupState
  ) throws(StorageError) -> Record? {
    if let touched = scratch.lookup(state.group, keyspace, key) { return touched }
    scratch.keyWriter.removeAll()
    state.key.appendRecord(keyspace, key, to: &scratch.keyWriter)
    switch try store.get(Bytes(scratch.keyWriter.bytes), tier: .all) {
    case .value(let stored): return try RecordFormat.record(stored, of: state.group, key)
    case .absent: return nil
    case .incomplete: throw .io("the state store answered a full read with \"incomplete\"")
    }
  }

  private func put(
    _ keyspace: KeyspaceID, _ key: Bytes, _ record: Record, on state: GroupState
  ) {
    #if PlantedFaults
      if plantedFault == .entrySkippedOnOneReplica, record.version.rawValue % 8 == 5 { return }
    #endif
    scratch.keyWriter.removeAll()
    state.key.appendRecord(keyspace, key, to: &scratch.keyWriter)
    scratch.headerWriter.removeAll()
    RecordFormat.appendHeader(version: record.version, to: &scratch.headerWriter)
    batch.put(
      key: Bytes(scratch.keyWriter.bytes), header: Bytes(scratch.headerWriter.bytes),
      value: record.value)
    scratch.note(state.group, keyspace, key, record)
  }

  private func delete(_ keyspace: KeyspaceID, _ key: Bytes, on state: GroupState) {
    scratch.keyWriter.removeAll()
    state.key.appendRecord(keyspace, key, to: &scratch.keyWriter)
    batch.delete(key: Bytes(scratch.keyWriter.bytes))
    scratch.note(state.group, keyspace, key, nil)
  }
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
