import KVBase
import KVLoop
import KVWire
import Testing

/// Starts a loop, gives it to `body`, stops it and waits for its thread, whatever `body` does. The
/// loop itself traps where a handle is left over.
func withLoop<R: Sendable>(
  _ body: (EventLoop) async throws -> R
) async throws -> R {
  let loop = try EventLoop()
  let thread = loop.start(name: "test-loop")
  let result: Result<R, any Error>
  do { result = .success(try await body(loop)) } catch { result = .failure(error) }
  loop.stop()
  thread.join()
  return try result.get()
}

/// Runs closures on a loop's thread for tests.
actor LoopActor {
  nonisolated let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }
  init(_ loop: EventLoop) { self.loop = loop }

  func run<R: Sendable>(_ body: @Sendable () throws -> R) rethrows -> R { try body() }
}

extension EventLoop {
  func on<R: Sendable>(_ body: @Sendable () throws -> R) async rethrows -> R {
    try await LoopActor(self).run(body)
  }
}

/// An actor on a loop, entered from the loop's callbacks: what a server is made like. It echoes
/// every frame, writing straight into the connection's output.
actor EchoWorker: ListenerHandler, ConnectionHandler {
  nonisolated let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

  private var listener: Listener?
  private(set) var decoders: [UInt64: FrameDecoder] = [:]
  private(set) var connections: [Connection] = []
  private(set) var closes: [CloseReason] = []
  private(set) var frames = 0
  private(set) var wireErrors = 0
  private(set) var mostPending = 0
  private(set) var refusals: [LoopError] = []
  private(set) var drains = 0
  var outputLimit: Int?
  var pausesWhenCongested = true
  /// Whether the oldest connection makes room for one beyond the limit.
  private var makesRoom = false

  init(_ loop: EventLoop) { self.loop = loop }

  func makeRoom() { makesRoom = true }

  func listen(limit: Int = 1000) throws -> HostPort {
    let listener = try Listener(
      loop: loop, on: HostPort(host: "127.0.0.1", port: 0), connectionLimit: limit, handler: self)
    self.listener = listener
    return HostPort(host: "127.0.0.1", port: listener.port)
  }

  func configure(outputLimit: Int?, pausesWhenCongested: Bool) {
    self.outputLimit = outputLimit
    self.pausesWhenCongested = pausesWhenCongested
  }

  func refusedCount() -> UInt64 { listener?.refused ?? 0 }
  func pendingNow() -> Int { connections.map(\.pendingBytes).max() ?? 0 }
  func closeAll() { for connection in connections { connection.close() } }
  func close(first count: Int) {
    for connection in connections.prefix(count) { connection.close() }
  }

  nonisolated func listener(_ listener: Listener, didAccept connection: Connection) {
    assumeIsolated { $0.accepted(connection) }
  }

  nonisolated func listenerMadeRoom(_ listener: Listener) -> Bool {
    assumeIsolated {
      guard $0.makesRoom, let oldest = $0.connections.first else { return false }
      $0.connections.removeFirst()
      oldest.close()
      return true
    }
  }

  nonisolated func listener(_ listener: Listener, didRefuse error: LoopError) {
    assumeIsolated { $0.refusals.append(error) }
  }

  nonisolated func connection(_ connection: Connection, didRead bytes: Bytes) {
    assumeIsolated { $0.received(bytes, from: connection) }
  }

  nonisolated func connectionDidDrain(_ connection: Connection) {
    assumeIsolated { $0.drains += 1 }
  }

  nonisolated func connection(_ connection: Connection, didClose reason: CloseReason) {
    assumeIsolated {
      $0.connections.removeAll { $0 === connection }
      $0.decoders[connection.id] = nil
      $0.closes.append(reason)
    }
  }

  private func accepted(_ connection: Connection) {
    connection.handler = self
    connection.pausesWhenCongested = pausesWhenCongested
    if let outputLimit { connection.outputLimit = outputLimit }
    connections.append(connection)
    decoders[connection.id] = FrameDecoder()
  }

  private func received(_ bytes: Bytes, from connection: Connection) {
    decoders[connection.id]?.feed(bytes)
    do {
      while let frame = try decoders[connection.id]?.next() {
        frames += 1
        let position = FrameEncoder.begin(
          .response, stream: frame.stream, into: &connection.output)
        connection.output.append(raw: frame.payload)
        FrameEncoder.end(position, into: &connection.output)
      }
    } catch {
      wireErrors += 1
      connection.close()
      return
    }
    connection.setNeedsFlush()
    mostPending = max(mostPending, connection.pendingBytes)
  }
}

/// What happened to a connection, as a stream that a test reads.
enum ConnectionEvent: Sendable {
  case opened
  case frame(Frame)
  case wireError(WireError)
  case drained
  case closed(CloseReason)
}

/// Hands a connection's events to a test.
final class EventRecorder: ConnectionHandler, Sendable {
  let events: AsyncStream<ConnectionEvent>
  private let continuation: AsyncStream<ConnectionEvent>.Continuation
  private let decoder = Locked(FrameDecoder())

  init() { (events, continuation) = AsyncStream.makeStream() }

  func connectionDidOpen(_ connection: Connection) { continuation.yield(.opened) }
  func connectionDidDrain(_ connection: Connection) { continuation.yield(.drained) }

  func connection(_ connection: Connection, didRead bytes: Bytes) {
    decoder.withLock { decoder in
      decoder.feed(bytes)
      do throws(WireError) {
        while let frame = try decoder.next() { continuation.yield(.frame(frame)) }
      } catch {
        continuation.yield(.wireError(error))
      }
    }
  }

  func connection(_ connection: Connection, didClose reason: CloseReason) {
    continuation.yield(.closed(reason))
    continuation.finish()
  }
}

/// A connection of a test, and what happens to it.
struct TestClient: Sendable {
  let connection: Connection
  let recorder: EventRecorder
  var loop: EventLoop { connection.loop }

  /// Begins to connect.
  static func start(
    _ loop: EventLoop, _ target: HostPort, timeout: TimeAmount = .seconds(10)
  ) async -> TestClient {
    let recorder = EventRecorder()
    let connection = await loop.on {
      Connection.connect(loop: loop, to: target, timeout: timeout, handler: recorder)
    }
    return TestClient(connection: connection, recorder: recorder)
  }

  /// Connects, and fails the test where that fails.
  static func open(_ loop: EventLoop, _ target: HostPort) async throws -> TestClient {
    let client = await start(loop, target)
    let first = await client.next()
    guard case .opened? = first else {
      throw TestFailure("connect to \(target): \(String(describing: first))")
    }
    return client
  }

  func next() async -> ConnectionEvent? {
    var iterator = recorder.events.makeAsyncIterator()
    return await iterator.next()
  }

  func nextFrame() async throws -> Frame {
    while let event = await next() {
      switch event {
      case .frame(let frame): return frame
      case .drained: continue
      case .opened, .wireError, .closed: throw TestFailure("\(event) instead of a frame")
      }
    }
    throw TestFailure("the events ended")
  }

  /// Skips frames until the connection is closed.
  func closeReason() async -> CloseReason? {
    while let event = await next() {
      if case .closed(let reason) = event { return reason }
    }
    return nil
  }

  func send(_ frames: [Frame]) async {
    await loop.on {
      for frame in frames { FrameEncoder.append(frame, into: &connection.output) }
      connection.setNeedsFlush()
    }
  }

  func write(_ bytes: Bytes) async {
    await loop.on { connection.write(bytes) }
  }

  func close() async { await loop.on { connection.close() } }
}

struct TestFailure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

func payload(_ count: Int, seed: UInt64) -> Bytes {
  var random = SeededRandom(seed: seed)
  var bytes: [UInt8] = []
  bytes.reserveCapacity(count + 8)
  while bytes.count < count {
    unsafe withUnsafeBytes(of: random.next()) { unsafe bytes.append(contentsOf: $0) }
  }
  return Bytes(bytes)[0..<count]
}

/// Waits until `condition` holds, for at most ten seconds.
func eventually(_ condition: () async -> Bool) async -> Bool {
  for _ in 0..<1000 {
    if await condition() { return true }
    try? await Task.sleep(for: .milliseconds(10))
  }
  return false
}
