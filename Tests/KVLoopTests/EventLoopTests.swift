import Glibc
import KVBase
import KVLoop
import KVWire
import Testing

/// Counts what it is told, on its loop.
private actor Counter {
  nonisolated let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }
  var notes: [String] = []
  var timers: [LoopTimer] = []
  init(_ loop: EventLoop) { self.loop = loop }

  func note(_ text: String) { notes.append(text) }
  func isOnLoop() -> Bool { loop.isCurrent }

  /// A closure formed here is isolated to this actor, and runs on its loop.
  func startTimer() {
    let timer = LoopTimer(loop: loop) { [weak self] in
      self?.assumeIsolated { $0.note("timer") }
    }
    timer.start(after: .milliseconds(1))
    timers.append(timer)
  }

  func yieldUntilNoted() async -> Bool {
    let start = SystemClock.instant()
    while notes.isEmpty && SystemClock.instant() - start < .seconds(10) { await Task.yield() }
    return !notes.isEmpty
  }

  func observeTurns() {
    loop.onTurnEnd = { [weak self] in self?.assumeIsolated { $0.note("turn") } }
  }

  /// A task made on the loop runs in the same turn, and before its end.
  func spawn() {
    note("first")
    Task { self.note("second") }
  }
}

@Suite(.timeLimit(.minutes(1))) struct EventLoopTests {
  @Test func anActorOnTheLoopRunsOnItsThread() async throws {
    try await withLoop { loop in
      let counter = Counter(loop)
      #expect(await counter.isOnLoop())
      #expect(!loop.isCurrent)
      #expect(loop.isIsolatingCurrentContext() == false)
      #expect(await loop.on { loop.isIsolatingCurrentContext() } == true)
    }
  }

  @Test func callbacksMayAssumeIsolation() async throws {
    try await withLoop { loop in
      let counter = Counter(loop)
      await counter.startTimer()
      #expect(await eventually { await counter.notes == ["timer"] })
      let posted = loop.post { counter.assumeIsolated { $0.note("post") } }
      #expect(posted)
      #expect(await eventually { await counter.notes == ["timer", "post"] })
    }
  }

  @Test func isolationIsRefusedElsewhere() async {
    await #expect(processExitsWith: .failure) {
      let loop = try EventLoop()
      let thread = loop.start(name: "loop")
      let counter = Counter(loop)
      enter(counter)
      loop.stop()
      thread.join()
    }
  }

  @Test func jobsOfTheLoopRunInTheSameTurn() async throws {
    try await withLoop { loop in
      let counter = Counter(loop)
      await counter.observeTurns()
      #expect(await eventually { await counter.notes.last == "turn" })
      await counter.spawn()
      #expect(await eventually { await counter.notes.contains("second") })
      let notes = await counter.notes
      let first = try #require(notes.firstIndex(of: "first"))
      #expect(notes[first + 1] == "second")
    }
  }

  @Test func aTurnEndsOnceForAllThatItBrought() async throws {
    try await withLoop { loop in
      let turns = Locked(0)
      let ran = Locked(0)
      await loop.on { loop.onTurnEnd = { turns.withLock { $0 += 1 } } }
      // The loop is held, so that everything is posted before its next turn.
      let gate = DispatchGate()
      _ = loop.post { gate.wait() }
      for _ in 0..<1000 { _ = loop.post { ran.withLock { $0 += 1 } } }
      let before = turns.withLock { $0 }
      gate.open()
      #expect(await eventually { ran.withLock { $0 } == 1000 })
      #expect(turns.withLock { $0 } - before <= 4)
    }
  }

  @Test func postsOfEachThreadKeepTheirOrder() async throws {
    let order = Locked([[Int]](repeating: [], count: 4))
    try await withLoop { loop in
      let threads = (0..<4).map { thread in
        NamedThread(name: "poster-\(thread)") {
          for i in 0..<10_000 {
            while !loop.post({ order.withLock { $0[thread].append(i) } }) {}
          }
        }
      }
      for thread in threads { thread.join() }
      #expect(await eventually { order.withLock { $0.allSatisfy { $0.count == 10_000 } } })
    }
    for list in order.withLock({ $0 }) { #expect(list == Array(0..<10_000)) }
  }

  @Test func postsAreBounded() async throws {
    let ran = Locked(0)
    let loop = try EventLoop()
    let thread = loop.start(name: "test-loop")
    let gate = DispatchGate()
    let held = DispatchGate()
    _ = loop.post {
      held.open()
      gate.wait()
    }
    held.wait()
    var taken = 0
    while loop.post({ ran.withLock { $0 += 1 } }) { taken += 1 }
    #expect(taken == Limits.loopPosts)
    gate.open()
    #expect(await eventually { ran.withLock { $0 } == taken })
    #expect(loop.post {})
    loop.stop()
    thread.join()
    #expect(!loop.post {})
  }

  @Test func timersFireOnceOrRepeatedly() async throws {
    try await withLoop { loop in
      let fired = Locked<[String]>([])
      let start = SystemClock.instant()
      let repeating = await loop.on {
        let late = LoopTimer(loop: loop) { fired.withLock { $0.append("late") } }
        late.start(after: .milliseconds(40))
        let early = LoopTimer(loop: loop) { fired.withLock { $0.append("early") } }
        early.start(after: .milliseconds(10))
        let never = LoopTimer(loop: loop) { fired.withLock { $0.append("never") } }
        never.start(after: .milliseconds(5))
        never.stop()
        let repeating = LoopTimer(loop: loop) { fired.withLock { $0.append("again") } }
        repeating.start(after: .milliseconds(100), every: .milliseconds(1))
        return repeating
      }
      #expect(await eventually { fired.withLock { $0.count >= 12 } })
      #expect(SystemClock.instant() - start >= .milliseconds(100))
      await loop.on { repeating.close() }
      let notes = fired.withLock { $0 }
      #expect(notes.prefix(3) == ["early", "late", "again"])
      #expect(!notes.contains("never"))
      try await Task.sleep(for: .milliseconds(20))
      #expect(fired.withLock { $0.count } == notes.count)
    }
  }

  /// A task that makes itself ready again and again leaves sockets and timers their turn.
  @Test func aBusyTaskDoesNotHoldTheLoop() async throws {
    try await withLoop { loop in
      let counter = Counter(loop)
      await counter.startTimer()
      #expect(await counter.yieldUntilNoted())
    }
  }

  /// Everything is closed, every handler told, and nothing left in memory.
  @Test func stoppingClosesEverything() async throws {
    weak var weakLoop: EventLoop?
    weak var weakWorker: EchoWorker?
    var clients: [TestClient] = []
    do {
      let loop = try EventLoop()
      weakLoop = loop
      let thread = loop.start(name: "test-loop")
      let worker = EchoWorker(loop)
      weakWorker = worker
      let target = try await worker.listen()
      for _ in 0..<10 { clients.append(try await TestClient.open(loop, target)) }
      #expect(await eventually { await worker.connections.count == 10 })
      let connection = clients[0].connection
      await loop.on {
        loop.onTurnEnd = { _ = loop.isStopping }
        LoopTimer(loop: loop) { _ = worker }.start(after: .seconds(100))
        _ = Connection.connect(
          loop: loop, to: HostPort(host: "no-such-host.invalid", port: 1),
          handler: EventRecorder())
        // More than the socket takes at once.
        let frame = Frame(type: .data, stream: 1, payload: payload(3 << 20, seed: 1))
        for _ in 0..<4 { FrameEncoder.append(frame, into: &connection.output) }
        connection.setNeedsFlush()
      }
      loop.stop()
      thread.join()
      for client in clients { #expect(await client.closeReason() == .loopStopped) }
      #expect(loop.post {} == false)
    }
    clients = []
    #expect(weakWorker == nil)
    // A look-up that can't be cancelled may hold its loop; this one had time for none.
    _ = weakLoop
  }

  @Test func stoppedBeforeItRuns() throws {
    let loop = try EventLoop()
    loop.stop()
    loop.run()
    loop.stop()
  }

  @Test func neverRun() throws {
    weak var weakLoop: EventLoop?
    do {
      let loop = try EventLoop()
      weakLoop = loop
      #expect(loop.post {})
    }
    #expect(weakLoop == nil)
  }

  @Test func threadsHaveTheirNames() throws {
    let name = Locked("")
    let thread = NamedThread(name: "log-writer-of-the-node") {
      let file = unsafe fopen("/proc/thread-self/comm", "r")
      var text = [CChar](repeating: 0, count: 32)
      unsafe fgets(&text, 32, file)
      unsafe fclose(file)
      let bytes = text.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }
      name.withLock { $0 = String(decoding: bytes, as: UTF8.self) }
    }
    thread.join()
    #expect(name.withLock { $0 } == "log-writer-of-t")
  }

  @Test func clocksGoOn() {
    let first = SystemClock.now()
    let second = SystemClock.now()
    #expect(first.instant <= second.instant)
    #expect(first.instant > .zero)
    #expect(first.wallMilliseconds > 1_700_000_000_000)
  }
}

/// From the wrong thread.
private func enter(_ counter: Counter) { counter.assumeIsolated { $0.note("never") } }

/// Holds a thread until it is opened.
private final class DispatchGate: Sendable {
  private let isOpen = Locked(false)
  func open() { isOpen.withLock { $0 = true } }
  func wait() { while !isOpen.withLock({ $0 }) { usleep(500) } }
}
