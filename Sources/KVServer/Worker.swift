internal import KVBase
internal import KVFiles
internal import KVLog
internal import KVLoop
internal import KVNodeCore
internal import KVRocks
internal import KVState
internal import KVWire

/// The interpreter of one node: an actor on its event loop that owns the core and carries out what
/// it asks for. It decides nothing.
actor Worker {
  nonisolated let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

  let configuration: ServerConfiguration
  var core: NodeCore
  var outputs = NodeOutputs()
  var spareOutputs = NodeOutputs()
  /// Something was given to the core since its last turn.
  var needsTurn = true

  var directory: DataDirectory
  let log: Unchecked<SegmentedLog>
  let machines: Unchecked<StateMachines<RocksStore>>
  let report: @Sendable (String) -> Void
  private let onStop: @Sendable (String?) -> Void
  let events: EventsThread?

  var logThread: LogThread?
  let threads = FileThreads()
  var lookups = ApplyLookups()
  private var stateBytes = 0
  private var isMeasuringState = false
  private var ticksSinceGauges = 0

  var listener: Listener?
  var transports: [ConnectionID: Transport] = [:]
  var snapshotReaders: [TransferID: Unchecked<SnapshotReader<RocksView>>] = [:]
  /// Installed, and not yet activated.
  var prepared: [GroupID: PreparedGeneration] = [:]

  private var timer: LoopTimer?
  /// Begins the next turn where the last one was cut short.
  private var nextTurn: LoopTimer?
  private var shutdownDeadline: Instant?
  private var hasStopped = false
  var refusedReports = RefusalReports()

  init(
    loop: EventLoop, configuration: ServerConfiguration, stores: OpenedStores,
    log report: @escaping @Sendable (String) -> Void, onStop: @escaping @Sendable (String?) -> Void
  ) throws(StorageError) {
    self.loop = loop
    self.configuration = configuration
    self.report = report
    self.onStop = onStop
    directory = stores.directory
    log = Unchecked(stores.log)
    machines = stores.machines
    var seed = SystemRandomNumberGenerator()
    core = NodeCore(
      configuration: configuration.node, recovery: stores.recovery,
      random: SeededRandom(seed: seed.next()), now: SystemClock.now())
    #if PlantedFaults
      if let fault = configuration.plantedFault {
        core.plant(fault)
        machines.value.plantedFault = fault
      }
    #endif
    if let path = configuration.eventsFile {
      events = EventsThread(try EventsFile(path: path, node: configuration.node.node))
    } else {
      events = nil
    }
  }

  func start(_ listen: HostPort) throws(LoopError) {
    RocksStore.quietThread()
    let loop = loop
    logThread = LogThread(log: log.value) { [weak self] result in
      guard let self else { return }
      // Never refused: the core has few writes on their way at one time.
      _ = loop.post { self.assumeIsolated { $0.logWritten(result) } }
    }
    listener = try Listener(
      loop: loop, on: listen,
      connectionLimit: configuration.node.clientLimit + Limits.connectionsForNodes,
      handler: Acceptor(worker: self))
    loop.onTurnEnd = { [weak self] in self?.assumeIsolated { $0.endTurn() } }
    let timer = LoopTimer(loop: loop) { [weak self] in self?.assumeIsolated { $0.tick() } }
    let interval = NodeCore.tickInterval
    timer.start(after: interval, every: interval)
    self.timer = timer
    nextTurn = LoopTimer(loop: loop) { [weak self] in
      self?.assumeIsolated { $0.needsTurn = true }
    }
  }

  // MARK: Turns

  /// Gives the core an input; its turn ends with the loop's.
  func give(_ input: NodeInput) {
    core.step(input, now: SystemClock.now(), into: &outputs)
    needsTurn = true
  }

  private func tick() {
    ticksSinceGauges += 1
    // These ask the stores, which is not for every ten milliseconds.
    if ticksSinceGauges >= 100 {
      ticksSinceGauges = 0
      measureState()
    }
    let log = log.value.statistics
    give(
      .tick(
        NodeGauges(
          logRetainedBytes: log.retainedBytes, logWrittenBytes: UInt64(log.bytesWritten),
          stateBytes: stateBytes, isUnderPressure: machines.value.store.isUnderPressure)))
  }

  /// The store may look into files for it.
  private func measureState() {
    guard !isMeasuringState else { return }
    isMeasuringState = true
    let machines = machines
    inBackground(threads.flushes) { () throws(StorageError) in
      machines.value.approximateStateBytes
    } then: { worker, bytes in
      worker.isMeasuringState = false
      worker.stateBytes = bytes
    }
  }

  /// The loop has read everything that was there: one turn of the core for all of it, and for what
  /// its outputs bring at once. Where that takes long, as after a stall, the rest waits until the
  /// loop has looked at its timers and sockets.
  private func endTurn() {
    var began: Instant?
    while needsTurn, !hasStopped {
      needsTurn = false
      let now = SystemClock.now()
      if let began, now.instant - began >= Limits.turnLength {
        nextTurn?.start(after: .zero)
        break
      }
      began = began ?? now.instant
      core.finishTurn(now: now, into: &outputs)
      guard !outputs.isEmpty else { break }
      swap(&outputs, &spareOutputs)
      var asked = NodeOutputs()
      swap(&asked, &spareOutputs)
      carryOut(&asked, now: now)
      asked.removeAll()
      swap(&asked, &spareOutputs)
    }
    // After the turn: its last answers have been given to their connections.
    if let deadline = shutdownDeadline, !hasStopped,
      core.isDrained || SystemClock.instant() >= deadline
    {
      stop(nil)
    }
  }

  // MARK: Stopping

  func beginShutdown() {
    guard shutdownDeadline == nil, !hasStopped else { return stop(nil) }
    report("shutting down: handing over leaderships")
    shutdownDeadline = SystemClock.instant() + .seconds(10)
    give(.shutdown)
  }

  /// Stops at once; `problem` says why where nobody asked for it. Where somebody did, what was
  /// applied is made durable first, so that the next start has little to replay.
  func stop(_ problem: String?) {
    guard !hasStopped else { return }
    hasStopped = true
    timer?.close()
    nextTurn?.close()
    listener?.close()
    loop.onTurnEnd = nil
    let logThread = logThread
    let threads = threads
    let events = events
    let machines = machines
    let loop = loop
    let onStop = onStop
    let directory = directory
    snapshotReaders.removeAll()
    // Joining threads blocks, and the loop must go on to close its connections.
    _ = NamedThread(name: "kv-stop") {
      logThread?.stop()
      threads.stop()
      events?.stop()
      if problem == nil { _ = try? machines.value.flush() }
      loop.stop()
      directory.release()
      onStop(problem)
    }
  }
}
