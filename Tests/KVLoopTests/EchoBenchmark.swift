import Glibc
import KVBase
import KVLoop
import KVWire
import Testing

/// Frames per second over loopback, a server's loop and a client's loop on a thread each.
/// Numbers, not a check; run by
/// `LOOP_BENCH=1 swift test -c release -Xswiftc -enable-testing --filter EchoBenchmark`.
@Suite(.enabled(if: unsafe getenv("LOOP_BENCH") != nil), .serialized) struct EchoBenchmark {
  @Test(arguments: [(1, 1), (64, 1), (64, 8), (64, 64)])
  func echo(connections: Int, inFlight: Int) async throws {
    try await withLoop { serverLoop in
      let server = BenchServer(serverLoop)
      let target = try await server.listen()
      try await withLoop { loop in
        let client = BenchClient(loop, inFlight: inFlight)
        await client.connect(target, count: connections)
        #expect(await eventually { await client.answers > 1000 })
        let before = await client.answers
        let start = SystemClock.instant()
        try await Task.sleep(for: .seconds(3))
        let answers = await client.answers - before
        let nanoseconds = (SystemClock.instant() - start).nanoseconds
        print(
          "\(connections) connections, \(inFlight) in flight: "
            + "\(UInt64(answers) * 1_000_000_000 / nanoseconds) requests/s")
      }
    }
  }
}

private actor BenchServer: ListenerHandler {
  nonisolated let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }
  private var frames = 0
  init(_ loop: EventLoop) { self.loop = loop }

  func listen() throws -> HostPort {
    let listener = try Listener(
      loop: loop, on: HostPort(host: "127.0.0.1", port: 0), handler: self)
    return HostPort(host: "127.0.0.1", port: listener.port)
  }

  nonisolated func listener(_ listener: Listener, didRefuse error: LoopError) {}
  nonisolated func listener(_ listener: Listener, didAccept connection: Connection) {
    connection.handler = BenchSession(self)
  }

  fileprivate func answer(_ bytes: Bytes, _ decoder: inout FrameDecoder, _ connection: Connection) {
    decoder.feed(bytes)
    while let frame = try? decoder.next() {
      frames += 1
      let position = FrameEncoder.begin(.response, stream: frame.stream, into: &connection.output)
      connection.output.append(raw: frame.payload)
      FrameEncoder.end(position, into: &connection.output)
    }
    connection.setNeedsFlush()
  }
}

/// One connection's state; confined to the loop's thread, as the connection is.
private final class BenchSession: ConnectionHandler, @unchecked Sendable {
  private let server: BenchServer
  private var decoder = FrameDecoder()
  init(_ server: BenchServer) { self.server = server }

  func connection(_ connection: Connection, didRead bytes: Bytes) {
    server.assumeIsolated { $0.answer(bytes, &decoder, connection) }
  }
  func connection(_ connection: Connection, didClose reason: CloseReason) {}
}

private actor BenchClient: ConnectionHandler {
  nonisolated let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }
  private let inFlight: Int
  private var decoders: [FrameDecoder] = []
  private let request = payload(64, seed: 1)
  private(set) var answers = 0

  init(_ loop: EventLoop, inFlight: Int) {
    self.loop = loop
    self.inFlight = inFlight
  }

  func connect(_ target: HostPort, count: Int) {
    decoders = Array(repeating: FrameDecoder(), count: count + 1)
    for _ in 0..<count { _ = Connection.connect(loop: loop, to: target, handler: self) }
  }

  nonisolated func connectionDidOpen(_ connection: Connection) {
    assumeIsolated { $0.send($0.inFlight, connection) }
  }
  nonisolated func connection(_ connection: Connection, didRead bytes: Bytes) {
    assumeIsolated { $0.received(bytes, connection) }
  }
  nonisolated func connection(_ connection: Connection, didClose reason: CloseReason) {}

  private func send(_ count: Int, _ connection: Connection) {
    for stream in 0..<count {
      let position = FrameEncoder.begin(
        .request, stream: UInt32(stream), into: &connection.output)
      connection.output.append(raw: request)
      FrameEncoder.end(position, into: &connection.output)
    }
    connection.setNeedsFlush()
  }

  private func received(_ bytes: Bytes, _ connection: Connection) {
    let id = Int(connection.id)
    decoders[id].feed(bytes)
    var count = 0
    while (try? decoders[id].next()) != nil { count += 1 }
    answers += count
    send(count, connection)
  }
}
