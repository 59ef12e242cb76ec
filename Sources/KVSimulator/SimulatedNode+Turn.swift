import KVBase
import KVCommand
import KVNodeCore
import KVState
import KVWire

/// The loop of a node, as the server's interpreter runs it: inputs gather, a turn gives them to the
/// core, and the outputs are carried out.
extension SimulatedNode {
  private static let maximumRounds = 1000
  /// The cores' own checks look at everything they hold, which is too much for every turn.
  private static let turnsPerInvariantCheck: UInt64 = 16

  // MARK: Inputs

  /// For the next turn.
  func enqueue(_ input: consuming LoopInput, _ world: inout World) {
    guard isRunning else { return }
    process.turns.append(input)
    scheduleTurn(&world)
  }

  /// Something arrived: most often the loop is idle and begins a turn at once, else it gathers.
  func receive(_ input: consuming LoopInput, _ world: inout World) {
    guard isRunning else { return }
    process.turns.append(input)
    if process.turns.isScheduled || process.isPaused || random.next() & 3 == 0 {
      scheduleTurn(&world)
    } else {
      runTurn(&world)
    }
  }

  func tick(_ world: inout World) {
    // A process that is paused gets one tick afterwards, not all that it missed.
    if !process.isPaused {
      process.turns.append(.tick)
      runTurn(&world)
      checkDeadlines(&world)
    }
    world.schedule(.tick(life), at: world.time + NodeCore.tickInterval.nanoseconds)
  }

  func syncDone(_ world: inout World) {
    switch log.endSync(&machine.disk) {
    case nil: return
    case .failed(let number, let error):
      if log.isSynced { world.violate(.nodeStopped, "\(id) stopped for no fault: \(error)") }
      world.record(4, UInt64(index), number, "\(id) stops: \(error)")
      stop(losesPower: false, &world)
    case .durable(let number):
      world.record(4, UInt64(index), number, "\(id) wrote \(number) durably")
      if log.isSynced { world.observer.raft.synced(number, by: id) }
      startLogWork(&world)
      if !world.options.saysPersistedBeforeSync { receive(.core(.persisted(number)), &world) }
    }
  }

  func flushDone(_ world: inout World) {
    do throws(StorageError) {
      let ended = try state.endFlush()
      if ended.isFollowed { scheduleFlushDone(&world) }
      switch ended.flush {
      case .retention:
        enqueue(.core(try log.flushed(ended.applied, configuration)), &world)
      case .identity(let id): configuration.clusterID = id
      case .installation(let transfer, let status):
        enqueue(.core(.snapshot(transfer, .installed(status))), &world)
      }
    } catch {
      stop(because: error, &world)
    }
  }

  private func flush(_ flush: StateThread.Flush, _ world: inout World) {
    if state.flush(flush) { scheduleFlushDone(&world) }
  }

  private func scheduleFlushDone(_ world: inout World) {
    world.schedule(.flushDone(life), at: machine.disk.flushEnds(world.time))
  }

  /// A process that was paused goes on. Whether anything had waited for it.
  func resume(_ world: inout World) -> Bool {
    process.resume()
    let hasWork = !process.turns.isEmpty
    startLogWork(&world)
    scheduleTurn(&world)
    return hasWork
  }

  /// Ends the process once it has drained; asks again until `giveUpAt`.
  func stopWhenDrained(giveUpAt: UInt64, _ world: inout World) {
    if process.core?.isDrained ?? true || world.time >= giveUpAt {
      if world.time < giveUpAt { world.observer.counts.cleanShutdowns += 1 }
      return stop(losesPower: false, &world)
    }
    world.schedule(.drainCheck(life, giveUpAt: giveUpAt), at: world.time + 10_000_000)
  }

  // MARK: Turns

  private func scheduleTurn(_ world: inout World) {
    guard isRunning, !process.isPaused, !process.turns.isScheduled, !process.turns.isEmpty else {
      return
    }
    process.turns.scheduled()
    let delay = 8_000 + random.next() & 0x7FFF
    world.schedule(.turn(life), at: world.time + delay)
  }

  func scheduledTurn(_ world: inout World) {
    process.turns.due()
    runTurn(&world)
  }

  private func runTurn(_ world: inout World) {
    guard isRunning, !process.isPaused, !process.turns.isEmpty else { return }
    let now = now(world.time)
    let life = process.life
    let inputs = process.turns.begin()
    for input in inputs {
      deliver(input, now: now, &world)
      guard isRunning, process.life == life else { return }
    }
    process.turns.end(inputs)
    finishTurn(now: now, &world)
    // Not under a planted fault: that is for the checks from outside to find.
    let turn = process.countTurn()
    if turn % Self.turnsPerInvariantCheck == 0, world.options.plant == nil {
      process.checkInvariants()
      if let broken = process.brokenLinkInvariant(now: now.instant) {
        world.violate(.linkInvariant, "\(id): \(broken)")
      }
    }
  }

  private func deliver(_ input: LoopInput, now: Now, _ world: inout World) {
    switch input {
    case .tick: process.step(.tick(gauges()), now: now, &outputs)
    case .read(let read): answer(read, now: now, &world)
    case .lookedUp(let request): resume(request, now: now, &world)
    case .core(let input):
      if case .persisted(let number) = input { world.observer.raft.persisted(number, by: id) }
      process.step(input, now: now, &outputs)
    }
  }

  private func gauges() -> NodeGauges {
    NodeGauges(
      logRetainedBytes: log.measureRetainedBytes(), logWrittenBytes: log.writtenBytes,
      isUnderPressure: state.machines.store.isUnderPressure)
  }

  /// Carries outputs out until the core has nothing more to say.
  private func finishTurn(now: Now, _ world: inout World) {
    // In a variable of its own: every access to what an object stores is checked.
    var carried = NodeOutputs()
    swap(&carried, &spareOutputs)
    defer {
      carried.removeAll()
      swap(&carried, &spareOutputs)
    }
    for _ in 0..<Self.maximumRounds {
      guard process.finishTurn(now: now, &outputs) else { return }
      swap(&outputs, &carried)
      let hasInput = carryOut(carried, now: now, &world)
      guard isRunning, hasInput else { return }
      carried.removeAll()
    }
    world.violate(.liveness, "\(id) did not end a turn in \(Self.maximumRounds) rounds")
    stop(losesPower: false, &world)
  }

  // MARK: Outputs

  /// Persists first, then all else. True where the core was given something.
  private func carryOut(_ carried: NodeOutputs, now: Now, _ world: inout World) -> Bool {
    if !carried.persists.isEmpty || !carried.events.isEmpty {
      observe(carried, &world)
    }
    checkThatItStaysOut(carried, &world)
    for persist in carried.persists { log.append(.persist(persist)) }
    if carried.coversLog, carried.persists.isEmpty { log.append(.cover) }
    for read in carried.logReads { log.append(.read(read)) }
    startLogWork(&world)
    guard isRunning else { return false }
    sendFrames(carried, &world)
    do {
      try carryOutStateOrders(carried, &world)
      let hasApplied = try apply(carried.applies, now: now, &world)
      let hasRead = try read(carried.reads, now: now, &world)
      for (group, through) in carried.compactions {
        try log.compact(group, through: through)
        world.observer.counts.compactions += 1
      }
      carryOutOthers(carried, &world)
      return hasApplied || hasRead
    } catch {
      stop(because: error, &world)
      return false
    }
  }

  private func observe(_ carried: NodeOutputs, _ world: inout World) {
    world.observer.raft.turn(
      of: id, persists: carried.persists.map { ($0.number, $0.records) }, events: carried.events)
    for event in carried.events { world.announced(event, by: index) }
    world.collectFindings()
  }

  /// Lets the log thread begin where it is idle.
  private func startLogWork(_ world: inout World) {
    guard !process.isPaused else { return }
    do throws(StorageError) {
      guard let sync = try log.start(life, &machine.disk, &random, &world) else { return }
      if world.options.saysPersistedBeforeSync {
        enqueue(.core(.persisted(sync.number)), &world)
      }
      world.schedule(.syncDone(life), at: sync.endsAt)
      if let powerLossAt = sync.powerLossAt { world.schedule(.powerLoss(life), at: powerLossAt) }
    } catch {
      stop(because: error, &world)
    }
  }

  private func sendFrames(_ carried: NodeOutputs, _ world: inout World) {
    for frame in carried.frames {
      if frame.type == .goaway { check(frame.payload, &world) }
      world.transports.send(
        Frame(type: frame.type, stream: frame.stream, payload: frame.payload),
        on: frame.connection, of: index, time: world.time)
    }
    checkPromises(of: carried, &world)
    carried.peerFrames.forEach { connection, writer, range in
      let payload = Bytes(Array(writer.bytes[range]))
      world.transports.send(
        Frame(type: .peer, stream: 0, payload: payload), on: connection, of: index,
        time: world.time)
    }
    for reply in carried.replies {
      let payload = Bytes(Array(carried.replyBytes.bytes[reply.start..<reply.end]))
      world.transports.send(
        Frame(type: .response, stream: reply.stream, payload: payload), on: reply.connection,
        of: index, time: world.time)
    }
    for order in carried.connections { world.carryOut(order, of: index) }
    world.drainNetwork()
  }

  /// Nobody here sends what can't be read.
  private func check(_ goaway: Bytes, _ world: inout World) {
    guard let goaway = try? Goaway(decoding: goaway), goaway.reason == .protocolViolation else {
      return
    }
    world.violate(.peerProtocol, "\(id) closes a connection: \(goaway.message)")
  }

  // MARK: The state

  /// A generation is made or activated before what belongs to it is applied and read.
  private func carryOutStateOrders(
    _ carried: NodeOutputs, _ world: inout World
  ) throws(StorageError) {
    for group in carried.removals { try state.machines.remove(group) }
    for creation in carried.creations {
      _ = try state.machines.create(
        creation.group, generation: creation.generation, configuration: creation.configuration,
        meta: creation.map)
    }
    for order in carried.snapshots {
      let maximum = world.options.profile.snapshotChunkBytes
      let answer = try state.carryOut(
        order, maximumChunkBytes: maximum, &world.observer.counts)
      try checkState(after: order, &world)
      guard let answer else { continue }
      switch answer {
      case .flush(let flush): self.flush(flush, &world)
      case .step(let transfer, let step):
        if case .stepDone(let problem?) = step {
          world.violate(.nodeStopped, "\(id) refuses a chunk that a leader sent: \(problem)")
        }
        world.schedule(
          .answer(life, .core(.snapshot(transfer, step))), at: machine.disk.readEnds(world.time))
      }
    }
  }

  /// Now and then the records that entries need are not in memory: they are read, and that is told
  /// later.
  private func apply(
    _ requests: [ApplyRequest], now: Now, _ world: inout World
  ) throws(StorageError) -> Bool {
    guard !requests.isEmpty else { return false }
    state.machines.store.missesMemory = random.chance(1, in: 8)
    let outcome = try state.machines.applyInMemory(requests)
    state.machines.store.missesMemory = false
    for parked in outcome.parked {
      var request = parked.request
      request.records = try state.machines.lookUp(parked.keys[...])
      world.observer.counts.parkedApplies += 1
      world.schedule(.answer(life, .lookedUp(request)), at: machine.disk.readEnds(world.time))
    }
    let results = outcome.results
    for result in results {
      guard var request = requests.first(where: { $0.group == result.group }) else { continue }
      request.entries.removeSubrange(result.results.count...)
      let firstApplied = world.observer.raft.applied(request, result, by: id)
      for at in firstApplied {
        world.observer.effects.applied(
          request.entries[at], result.results[at], group: request.group)
      }
      world.record(
        5, UInt64(index) << 32 | UInt64(request.group.rawValue), result.digest,
        "\(id) applies \(request.group) through \(result.index) (\(result.results))")
      try checkEffects(of: request, &world)
    }
    world.collectFindings()
    guard !results.isEmpty else { return false }
    process.step(.applied(results), now: now, &outputs)
    return true
  }

  private func resume(_ request: ApplyRequest, now: Now, _ world: inout World) {
    // A snapshot may have taken the place of the state.
    guard state.machines.isOpen(request.group, request.generation) else { return }
    do throws(StorageError) {
      _ = try apply([request], now: now, &world)
    } catch {
      stop(because: error, &world)
    }
  }

  private func read(
    _ reads: [NodeOutputs.Read], now: Now, _ world: inout World
  ) throws(StorageError) -> Bool {
    var hasRead = false
    for read in reads {
      // Some reads find nothing in memory, and others are long: the read thread answers.
      if case .get = read.command, !random.chance(1, in: 16) {
        answer(read, now: now, &world)
        hasRead = true
      } else {
        world.schedule(.answer(life, .read(read)), at: machine.disk.readEnds(world.time))
      }
    }
    return hasRead
  }

  private func answer(_ read: NodeOutputs.Read, now: Now, _ world: inout World) {
    do {
      // Nothing is found where the group was removed meanwhile.
      let result = try state.machines.read(read.group, read.command, tier: .all)
      process.step(.readDone(read.number, result), now: now, &outputs)
    } catch {
      stop(because: error, &world)
    }
  }

  // MARK: Flushes, identity, fatal errors

  private func carryOutOthers(_ carried: NodeOutputs, _ world: inout World) {
    if carried.flushState { flush(.retention, &world) }
    // The identity says that the cluster is formed once the map is durable.
    if let id = carried.clusterID {
      formedClusterID = id
      flush(.identity(id), &world)
    }
    if let reason = carried.fatal { stop(saying: reason, &world) }
  }
}
