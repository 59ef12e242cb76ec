import KVBase
import KVCommand
import KVLog
import KVNodeCore
import KVState
import KVWire

/// The loop of a node, as the server's interpreter runs it: inputs gather, a turn gives them to the
/// core, and the outputs are carried out.
extension Simulation {
  private static let maximumRounds = 1000
  /// The cores' own checks look at everything they hold, which is too much for every turn.
  private static let turnsPerInvariantCheck: UInt64 = 16

  func give(_ input: LoopInput, to node: SimulatedNode) {
    guard node.isRunning else { return }
    node.inbox.append(input)
    scheduleTurn(node)
  }

  /// Something arrived: most often the loop is idle and takes it up at once, else it gathers.
  func arrives(_ input: LoopInput, at node: SimulatedNode) {
    guard node.isRunning else { return }
    node.inbox.append(input)
    if node.isTurnScheduled || node.isPaused || node.random.next() & 3 == 0 {
      scheduleTurn(node)
    } else {
      runTurn(node)
    }
  }

  func scheduleTurn(_ node: SimulatedNode) {
    guard !node.isTurnScheduled, !node.isPaused, node.isRunning, !node.inbox.isEmpty else { return }
    node.isTurnScheduled = true
    let delay = 8_000 + node.random.next() & 0x7FFF
    queue.schedule(.turn(node: node.index, life: node.life), at: time + delay)
  }

  func runTurn(_ node: SimulatedNode) {
    guard !node.isPaused, node.isRunning, !node.inbox.isEmpty else { return }
    swap(&node.inbox, &node.turnInputs)
    let now = node.now(time)
    let life = node.life
    for input in node.turnInputs {
      deliver(input, to: node, now: now)
      guard node.life == life, node.isRunning else { return }
    }
    node.turnInputs.removeAll(keepingCapacity: true)
    settle(node, now: now)
    // Not under a planted fault: that is for the checks from outside to find.
    node.turns &+= 1
    if node.turns % Self.turnsPerInvariantCheck == 0, options.plant == nil {
      node.core?.checkInvariants()
    }
  }

  private func deliver(_ input: LoopInput, to node: SimulatedNode, now: Now) {
    switch input {
    case .tick: step(node, .tick(gauges(of: node)), now: now)
    case .read(let read): answer(read, node, now: now)
    case .core(let input):
      if case .persisted(let number) = input { raftChecks.persisted(number, by: node.id) }
      step(node, input, now: now)
    }
  }

  private func step(_ node: SimulatedNode, _ input: NodeInput, now: Now) {
    node.core?.step(input, now: now, into: &node.outputs)
  }

  private func gauges(of node: SimulatedNode) -> NodeGauges {
    if node.gaugesAge == 0 { node.retainedBytes = node.log.retainedBytes }
    node.gaugesAge = (node.gaugesAge + 1) % 8
    return NodeGauges(
      logRetainedBytes: node.retainedBytes, logWrittenBytes: node.logWrittenBytes,
      isUnderPressure: node.machines.store.isUnderPressure)
  }

  // MARK: Outputs

  /// Ends the turn: carries outputs out until the core has nothing more to say.
  private func settle(_ node: SimulatedNode, now: Now) {
    for _ in 0..<Self.maximumRounds {
      node.core?.finishTurn(now: now, into: &node.outputs)
      if node.outputs.isEmpty { return }
      swap(&node.outputs, &node.carried)
      let gaveInput = carryOut(node, now: now)
      guard node.isRunning else { return }
      node.carried.removeAll()
      if !gaveInput { return }
    }
    violate(.liveness, "\(node.id) did not end a turn in \(Self.maximumRounds) rounds")
    stop(node, losesPower: false)
  }

  /// Persists first, then all else. True where the core was given something.
  private func carryOut(_ node: SimulatedNode, now: Now) -> Bool {
    if !node.carried.persists.isEmpty || !node.carried.events.isEmpty { observe(node) }
    for persist in node.carried.persists { node.logQueue.append(.persist(persist)) }
    for read in node.carried.logReads { node.logQueue.append(.read(read)) }
    startLogWork(node)
    guard node.isRunning else { return false }
    sendFrames(node)
    // A generation is made or activated before what belongs to it is applied and read.
    for creation in node.carried.creations {
      attempt(node) {
        _ = try node.machines.create(
          creation.group, generation: creation.generation, configuration: creation.configuration,
          meta: creation.map)
      }
    }
    for group in node.carried.removals { attempt(node) { try node.machines.remove(group) } }
    for order in node.carried.snapshots { carryOut(order, node) }
    guard node.isRunning else { return false }
    var gaveInput = false
    if !node.carried.applies.isEmpty {
      apply(node, now: now)
      gaveInput = true
    }
    guard node.isRunning else { return false }
    for read in node.carried.reads {
      // Some reads find nothing in memory, and others are long: the read thread answers.
      if case .get = read.command, !node.random.chance(1, in: 16) {
        answer(read, node, now: now)
        gaveInput = true
      } else {
        later(.read(read), node, at: node.disk.readEnds(time))
      }
    }
    guard node.isRunning else { return false }
    for (group, through) in node.carried.compactions {
      attempt(node) { try node.log.compact(group, through: through) }
      counts.compactions += 1
    }
    if node.carried.flushState, !node.isFlushing {
      node.isFlushing = true
      queue.schedule(
        .flushDone(node: node.index, life: node.life), at: node.disk.flushEnds(time))
    }
    if let id = node.carried.clusterID { node.configuration.clusterID = id }
    if let reason = node.carried.fatal {
      violate(.nodeStopped, "\(node.id) stopped: \(reason)")
      stop(node, losesPower: false)
    }
    return gaveInput
  }

  private func observe(_ node: SimulatedNode) {
    raftChecks.turn(
      of: node.id, persists: node.carried.persists.map { ($0.number, $0.records) },
      events: node.carried.events)
    for event in node.carried.events {
      note(event, of: node)
    }
    takeFound()
  }

  private func sendFrames(_ node: SimulatedNode) {
    for frame in node.carried.frames {
      if frame.type == .goaway { check(frame.payload, node) }
      send(
        Frame(type: frame.type, stream: frame.stream, payload: frame.payload),
        on: frame.connection, of: node)
    }
    node.carried.peerFrames.forEach { connection, writer, range in
      let payload = Bytes(Array(writer.bytes[range]))
      send(Frame(type: .peer, stream: 0, payload: payload), on: connection, of: node)
    }
    for reply in node.carried.replies {
      let payload = Bytes(Array(node.carried.replyBytes.bytes[reply.start..<reply.end]))
      send(
        Frame(type: .response, stream: reply.stream, payload: payload), on: reply.connection,
        of: node)
    }
    for order in node.carried.connections { carryOut(order, node) }
    drainNetwork()
  }

  /// Nobody here sends what can't be read.
  private func check(_ goaway: Bytes, _ node: SimulatedNode) {
    guard let goaway = try? Goaway(decoding: goaway), goaway.reason == .protocolViolation else {
      return
    }
    violate(.peerProtocol, "\(node.id) closes a connection: \(goaway.message)")
  }

  private func apply(_ node: SimulatedNode, now: Now) {
    attempt(node) {
      let results = try node.machines.apply(node.carried.applies)
      for (request, result) in zip(node.carried.applies, results) {
        let fresh = raftChecks.applied(request, result, by: node.id)
        for at in fresh {
          effectChecks.applied(request.entries[at], result.results[at], group: request.group)
        }
        trace.record(
          time, 5, UInt64(node.index) << 32 | UInt64(request.group.rawValue), result.digest,
          "\(node.id) applies \(request.group) through \(result.index) (\(result.results))")
      }
      takeFound()
      step(node, .applied(results), now: now)
    }
  }

  private func answer(_ read: NodeOutputs.Read, _ node: SimulatedNode, now: Now) {
    attempt(node) {
      guard let result = try node.machines.read(read.group, read.command, tier: .all) else {
        violate(.nodeStopped, "\(node.id) read with every tier and found nothing")
        return
      }
      step(node, .readDone(read.number, result), now: now)
    }
  }

  private func carryOut(_ order: NodeOutputs.Snapshot, _ node: SimulatedNode) {
    switch order {
    case .open(let transfer, let group):
      attempt(node) {
        let reader = try node.machines.beginSnapshot(group)
        node.readers.append((transfer, reader))
        later(
          .core(.snapshot(transfer, .opened(reader.status))), node, at: node.disk.readEnds(time))
      }
    case .read(let transfer, let cursor, let maxBytes):
      guard let reader = node.readers.first(where: { $0.transfer == transfer })?.reader else {
        return
      }
      attempt(node) {
        let (bytes, next) = try reader.chunk(
          at: cursor, maxBytes: min(maxBytes, profile.snapshotChunkBytes))
        counts.snapshotChunks += 1
        later(
          .core(.snapshot(transfer, .chunk(bytes, next: next))), node, at: node.disk.readEnds(time))
      }
    case .close(let transfer): node.readers.removeAll { $0.transfer == transfer }
    case .beginInstall(let transfer, let group, let generation):
      attempt(node) {
        try node.machines.beginInstall(group, generation: generation)
        later(
          .core(.snapshot(transfer, .stepDone(problem: nil))), node, at: node.disk.readEnds(time))
      }
    case .installChunk(let transfer, let group, let generation, let chunk):
      var problem: String?
      do throws(StorageError) {
        try node.machines.installChunk(group, generation: generation, chunk: chunk)
      } catch {
        problem = error.description
        violate(.nodeStopped, "\(node.id) refuses a chunk that \(group)'s leader sent: \(error)")
      }
      later(
        .core(.snapshot(transfer, .stepDone(problem: problem))), node, at: node.disk.readEnds(time))
    case .finishInstall(let transfer, let group, let generation):
      attempt(node) {
        let status = try node.machines.finishInstall(group, generation: generation)
        later(.core(.snapshot(transfer, .installed(status))), node, at: node.disk.flushEnds(time))
      }
    case .activate(let group, let generation):
      counts.snapshotsInstalled += 1
      attempt(node) { try node.machines.activate(group, generation: generation) }
    }
  }

  private func later(_ input: LoopInput, _ node: SimulatedNode, at due: UInt64) {
    queue.schedule(.answer(node: node.index, life: node.life, input), at: due)
  }

  /// A failure of a store that was not injected is a fault of ours; the node stops.
  func attempt(_ node: SimulatedNode, _ body: () throws -> Void) {
    do {
      try body()
    } catch {
      violate(.nodeStopped, "\(node.id) stopped: \(error)")
      stop(node, losesPower: false)
    }
  }
}
