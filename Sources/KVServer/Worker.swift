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
  var events: EventsFile?

  var logThread: LogThread?
  let background = BackgroundThread(name: "kv-background")
  var stateBytes = 0
  private var ticksSinceGauges = 0

  var listener: Listener?
  var transports: [ConnectionID: Transport] = [:]
  var snapshotReaders: [TransferID: Unchecked<SnapshotReader<RocksView>>] = [:]

  private var timer: LoopTimer?
  private var shutdownDeadline: Instant?
  private var hasStopped = false
  var refusedReports = RateLimit(every: .seconds(1))

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
      events = try EventsFile(path: path, node: configuration.node.node)
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
      stateBytes = machines.value.approximateStateBytes
    }
    let log = log.value.statistics
    give(
      .tick(
        NodeGauges(
          logRetainedBytes: log.retainedBytes, logWrittenBytes: UInt64(log.bytesWritten),
          stateBytes: stateBytes, isUnderPressure: machines.value.store.isUnderPressure)))
  }

  /// The loop has read everything that was there: one turn of the core for all of it.
  private func endTurn() {
    while needsTurn, !hasStopped {
      needsTurn = false
      let now = SystemClock.now()
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
    listener?.close()
    loop.onTurnEnd = nil
    let logThread = logThread
    let background = background
    let machines = machines
    let loop = loop
    let onStop = onStop
    let directory = directory
    snapshotReaders.removeAll()
    // Joining threads blocks, and the loop must go on to close its connections.
    _ = NamedThread(name: "kv-stop") {
      logThread?.stop()
      background.stop()
      if problem == nil { _ = try? machines.value.flush() }
      loop.stop()
      directory.release()
      onStop(problem)
    }
  }
}
