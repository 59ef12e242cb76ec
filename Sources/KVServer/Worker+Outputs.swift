internal import KVBase
internal import KVCommand
internal import KVFiles
internal import KVLog
internal import KVLoop
internal import KVNodeCore
internal import KVRocks
internal import KVState
internal import KVWire

/// Carrying out what the core asks for.
extension Worker {
  func carryOut(_ asked: inout NodeOutputs, now: Now) {
    for persist in asked.persists { logThread?.append(.persist(persist)) }
    if asked.coversLog, asked.persists.isEmpty { logThread?.append(.cover) }
    sendFrames(&asked)
    if !asked.connections.isEmpty { carryOut(asked.connections) }
    // A group that is removed and added again in one turn begins empty.
    for group in asked.removals {
      orStop { () throws(StorageError) in try machines.value.remove(group) }
    }
    for creation in asked.creations { create(creation) }
    for step in asked.snapshots { snapshot(step) }
    if !asked.applies.isEmpty { apply(asked.applies) }
    for read in asked.reads { self.read(read) }
    for read in asked.logReads { readLog(read) }
    for (group, through) in asked.compactions {
      logThread?.append(.compact(group, through: through))
    }
    if asked.flushState { flushState() }
    if let id = asked.clusterID { name(id) }
    for event in asked.events { note(event, now: now) }
    if let problem = asked.fatal { stop(problem) }
  }

  /// Runs something that a failing store ends.
  func orStop(_ body: () throws(StorageError) -> Void) {
    do throws(StorageError) {
      try body()
    } catch {
      stop(error.description)
    }
  }

  // MARK: State

  private func create(_ creation: NodeOutputs.Creation) {
    orStop { () throws(StorageError) in
      _ = try machines.value.create(
        creation.group, generation: creation.generation, configuration: creation.configuration,
        meta: creation.map)
    }
  }

  /// What is in memory is read here and now, and the rest by other threads.
  private func read(_ read: NodeOutputs.Read) {
    orStop { () throws(StorageError) in
      if let result = try machines.value.read(read.group, read.command, tier: .memory) {
        give(.readDone(read.number, result))
      } else {
        readInBackground(read)
      }
    }
  }

  private func readInBackground(_ read: NodeOutputs.Read) {
    let machines = machines
    let pool = if case .get = read.command { threads.reads } else { threads.scans }
    // A slice would hold on to all that came with the request.
    let command = read.command.detached()
    inBackground(pool) { () throws(StorageError) in
      try machines.value.read(read.group, command, tier: .all)
    } then: { worker, result in
      worker.give(.readDone(read.number, result))
    }
  }

  private func flushState() {
    let machines = machines
    inBackground(threads.flushes) { () throws(StorageError) in
      try machines.value.flush()
    } then: { worker, applied in
      worker.orStop { () throws(StorageError) in
        worker.give(try worker.configuration.node.flushed(applied, log: worker.log.value))
      }
    }
  }

  // MARK: Log

  func logWritten(_ result: Result<UInt64, StorageError>) {
    switch result {
    case .success(let number): give(.persisted(number))
    case .failure(let error): stop(error.description)
    }
  }

  private func readLog(_ read: NodeOutputs.LogRead) {
    let log = log
    inBackground(threads.lookups) { () throws(StorageError) -> [LogEntry]? in
      do throws(StorageError) {
        return try log.value.read(
          read.group, from: read.from, through: read.through, maxBytes: read.maxBytes)
      } catch .compacted {
        return nil
      }
    } then: { worker, entries in
      worker.give(.logRead(read.number, entries))
    }
  }

  // MARK: Snapshots

  private func snapshot(_ step: NodeOutputs.Snapshot) {
    switch step {
    case .open(let transfer, let group):
      let machines = machines
      inBackground(threads.snapshots) { () throws(StorageError) in
        try machines.value.beginSnapshot(group).map { Unchecked($0) }
      } then: { worker, reader in
        // Where the group was removed meanwhile, its transfers went with it.
        guard let reader else { return }
        worker.snapshotReaders[transfer] = reader
        worker.give(.snapshot(transfer, .opened(reader.value.status)))
      }
    case .read(let transfer, let cursor, let maxBytes):
      guard let reader = snapshotReaders[transfer] else { return }
      inBackground(threads.snapshots) { () throws(StorageError) in
        try reader.value.chunk(at: cursor, maxBytes: maxBytes)
      } then: { worker, chunk in
        worker.give(.snapshot(transfer, .chunk(chunk.bytes, next: chunk.next)))
      }
    case .close(let transfer): snapshotReaders[transfer] = nil
    case .beginInstall(let transfer, let group, let generation):
      installStep(transfer) { machines throws(StorageError) in
        try machines.beginInstall(group, generation: generation)
      }
    case .installChunk(let transfer, let group, let generation, let bytes):
      installStep(transfer) { machines throws(StorageError) in
        try machines.installChunk(group, generation: generation, chunk: bytes)
      }
    case .finishInstall(let transfer, let group, let generation):
      finishInstall(transfer, group, generation)
    case .activate(let group, let generation):
      orStop { () throws(StorageError) in
        guard let prepared = prepared.removeValue(forKey: group),
          prepared.generation == generation
        else {
          throw .misuse("activation of \(group), generation \(generation), which is not installed")
        }
        try machines.value.activate(prepared)
      }
    }
  }

  private func installStep(
    _ transfer: TransferID,
    _ body: (StateMachines<RocksStore>) throws(StorageError) -> Void
  ) {
    orStop { () throws(StorageError) in
      var problem: String?
      do throws(StorageError) {
        try body(machines.value)
      } catch .damaged(let text) {
        // The chunk is at fault, not the store.
        problem = text
      }
      give(.snapshot(transfer, .stepDone(problem: problem)))
    }
  }

  private func finishInstall(
    _ transfer: TransferID, _ group: GroupID, _ generation: Generation
  ) {
    orStop { () throws(StorageError) in
      let status: GroupStatus
      do throws(StorageError) {
        status = try machines.value.sealInstall(group, generation: generation)
      } catch .damaged {
        return give(.snapshot(transfer, .installed(nil)))
      }
      let machines = machines
      // Read back here, so that `activate` need not.
      inBackground(threads.snapshots) { () throws(StorageError) in
        try machines.value.store.flush()
        return try machines.value.prepareActivation(group, generation: generation)
      } then: { worker, prepared in
        worker.prepared[group] = prepared
        worker.give(.snapshot(transfer, .installed(status)))
      }
    }
  }

  /// Does something that may block on another thread, then goes on here.
  func inBackground<Value>(
    _ pool: ThreadPool,
    _ body: @escaping @Sendable () throws(StorageError) -> Value,
    then next: @escaping @Sendable (isolated Worker, Value) -> Void
  ) {
    pool.run { [weak self] in
      let result: Result<Value, StorageError>
      do throws(StorageError) {
        result = .success(try body())
      } catch {
        result = .failure(error)
      }
      // Handed over once, and not used here any more.
      let handed = Unchecked(result)
      guard let self else { return }
      let isPosted = self.loop.postBlocking {
        self.assumeIsolated { worker in
          switch handed.value {
          case .success(let value): next(worker, value)
          case .failure(let error): worker.stop(error.description)
          }
        }
      }
      if !isPosted { self.report("error: what another thread read or wrote was lost") }
    }
  }

  // MARK: The rest

  /// The identity says that the cluster is formed, so that flags no longer matter: only once the
  /// map is durable, else the next start would have neither.
  private func name(_ id: UInt64) {
    let machines = machines
    let directory = directory
    inBackground(threads.flushes) { () throws(StorageError) in
      try machines.value.store.flush()
      var named = directory
      try named.setClusterID(id)
      return named
    } then: { worker, named in
      worker.directory = named
    }
  }

  private func note(_ event: NodeEvent, now: Now) {
    events?.append(event, wallMilliseconds: now.wallMilliseconds)
    switch event {
    case .note(let severity, let text):
      report(severity == .info ? text : "\(severity): \(text)")
    case .peer(let node, let connected):
      report("node \(node.rawValue) is \(connected ? "connected" : "not connected any more")")
    case .snapshotInstalled(let group, let index, _):
      report("installed a snapshot of group \(group.rawValue) up to entry \(index)")
    case .connectionRefused(let remote, let why):
      reportRefusal(why, from: remote)
    case .role, .committed, .configuration: break
    }
  }
}
