internal import KVBase
internal import KVClient
internal import KVClientCore
internal import KVCommand
internal import KVCommandLine
internal import KVLoop
internal import KVWire

/// One thread of the generator: an event loop, some connections, and the clients on them. Each
/// client has one call in progress and begins the next in the completion of the last: no task, no
/// lock and no allocation of its own per call.
final class LoadThread: @unchecked Sendable {
  private let loop: EventLoop
  private let thread: NamedThread
  private let plan: Plan
  private let keys: KeyTable
  private let index: Int
  private let value: Bytes
  private let zipfian: Zipfian?
  private let finished = Mailbox()

  // For the loop's thread only.
  private var drivers: [ClientDriver] = []
  /// When each client's call began, by client.
  private var began: [Instant] = []
  private var isPut: [Bool] = []
  private var random: SeededRandom
  private var phase = Phase.measure
  private var measureFrom = Instant.zero
  private var measureUntil = Instant.zero
  private var nextToLoad = 0
  private var running = 0
  private var result = LoadResult()

  init(index: Int, plan: Plan, keys: KeyTable) throws(LoopError) {
    self.index = index
    self.plan = plan
    self.keys = keys
    random = SeededRandom(seed: plan.seed &* 1_000_003 &+ UInt64(index))
    var filler = SeededRandom(seed: plan.seed)
    value = Bytes((0..<plan.valueSize).map { _ in UInt8(97 + filler.below(26)) })
    zipfian = plan.distribution == .zipfian && plan.keys > 2 ? Zipfian(count: plan.keys) : nil
    let loop = try EventLoop()
    self.loop = loop
    thread = loop.start(name: "load-\(index)")
  }

  func begin(_ phase: Phase) {
    let posted = loop.post { self.start(phase) }
    if !posted { finished.put(LoadResult()) }
  }

  /// Blocks until the phase is over.
  func wait() -> LoadResult { finished.receive() }

  func stop() {
    _ = loop.post {
      for driver in self.drivers { driver.shutDown() }
      self.loop.stop()
    }
    thread.join()
  }

  /// Things from `total` that fall to this thread.
  private func share(of total: Int) -> Int {
    total / plan.threads + (index < total % plan.threads ? 1 : 0)
  }

  // MARK: On the loop's thread

  private func start(_ phase: Phase) {
    self.phase = phase
    result = LoadResult()
    if drivers.isEmpty { makeDrivers() }
    var clients = share(of: plan.clients)
    switch phase {
    case .load:
      // More than the measured load has: filling is not what is measured.
      clients = max(clients, 256)
      nextToLoad = index
    case .measure:
      let now = SystemClock.instant()
      measureFrom = now + TimeAmount(nanoseconds: UInt64(plan.warmup * 1e9))
      measureUntil = measureFrom + TimeAmount(nanoseconds: UInt64(plan.seconds * 1e9))
    }
    began = Array(repeating: .zero, count: clients)
    isPut = Array(repeating: false, count: clients)
    running = clients
    for client in 0..<clients { next(client) }
  }

  private func makeDrivers() {
    for _ in 0..<max(1, share(of: plan.conns)) {
      drivers.append(
        ClientDriver(loop: loop, settings: plan.core, seed: random.next()) {
          [unowned self] id, outcome in self.completed(Int(id.rawValue), outcome)
        })
    }
  }

  private func next(_ client: Int) {
    switch phase {
    case .load: loadNext(client)
    case .measure: measureNext(client)
    }
  }

  private func call(_ client: Int, _ operation: ClientOperation) {
    began[client] = SystemClock.instant()
    let isWrite = if case .mutate = operation { true } else { false }
    drivers[client % drivers.count].call(
      CallID(UInt64(client)), operation, options: isWrite ? plan.writeOptions : plan.options)
  }

  private func loadNext(_ client: Int) {
    guard nextToLoad < plan.keys else { return end() }
    let key = nextToLoad
    nextToLoad += plan.threads
    call(client, .mutate(key: keys[key], .put(value: value)))
  }

  private func measureNext(_ client: Int) {
    guard SystemClock.instant() < measureUntil else { return end() }
    let choice = zipfian?.next(&random) ?? Int(random.below(UInt64(plan.keys)))
    let key = keys[choice]
    switch plan.op {
    case .put: call(client, .mutate(key: key, .put(value: value)))
    case .get: call(client, .get(key: key))
    case .scan: call(client, .scan(ScanQuery(from: key, limit: 100)))
    case .mixed:
      isPut[client] = random.next() & 1 == 0
      call(
        client,
        isPut[client]
          ? .mutate(key: key, .put(value: value)) : .get(key: key))
    }
  }

  private func end() {
    running -= 1
    if running == 0 { finished.put(result) }
  }

  private func completed(_ client: Int, _ outcome: Outcome) {
    let now = SystemClock.instant()
    let isMeasured = phase == .load || (now >= measureFrom && now <= measureUntil)
    if let problem = Self.problem(outcome) {
      if isMeasured || phase == .load {
        result.failed += 1
        if result.firstProblem == nil { result.firstProblem = problem }
      }
    } else if isMeasured {
      result.histogram.record((now - began[client]).nanoseconds)
    }
    next(client)
  }

  /// `nil` where it did what was asked.
  private static func problem(_ outcome: Outcome) -> String? {
    switch outcome {
    case .applied(.written, _), .page: nil
    case .record(let record, _): record == nil ? "a key is not there" : nil
    case .rejected(let failure): failure.message
    case .unknown(let failure): "outcome unknown: \(failure.message)"
    default: "an answer that does not fit the request"
    }
  }
}

/// One result, handed from a loop's thread to one that waits for it.
private final class Mailbox: Sendable {
  private let slot = Locked<LoadResult?>(nil)
  private let ready = Semaphore()

  func put(_ result: LoadResult) {
    slot.withLock { $0 = result }
    ready.signal()
  }

  func receive() -> LoadResult {
    ready.wait()
    return slot.withLock { slot in
      defer { slot = nil }
      return slot ?? LoadResult()
    }
  }
}
