import Glibc
import KVBase
import KVLoop
import KVWire
import Testing

@Suite(.timeLimit(.minutes(1))) struct ConnectTests {
  private func failureKind(_ loop: EventLoop, _ target: HostPort, _ timeout: TimeAmount) async
    -> LoopError.Kind?
  {
    let client = await TestClient.start(loop, target, timeout: timeout)
    guard case .failed(let error)? = await client.closeReason() else { return nil }
    #expect("\(error)".contains("\(target)"))
    return error.kind
  }

  @Test func refused() async throws {
    try await withLoop { loop in
      // A port that was just free.
      let worker = EchoWorker(loop)
      let target = try await worker.listen()
      let port = RawListener()
      port.close()
      #expect(await failureKind(loop, port.address, .seconds(10)) == .refused)
      // The loop serves on.
      _ = try await TestClient.open(loop, target)
    }
  }

  @Test func timedOut() async throws {
    try await withLoop { loop in
      // A queue of one, full: the system leaves further attempts without an answer.
      let listener = RawListener()
      defer { listener.close() }
      var fillers: [TestClient] = []
      for _ in 0..<3 { fillers.append(await TestClient.start(loop, listener.address)) }
      try await Task.sleep(for: .milliseconds(100))
      let start = SystemClock.instant()
      #expect(await failureKind(loop, listener.address, .milliseconds(300)) == .timedOut)
      let elapsed = SystemClock.instant() - start
      #expect(elapsed >= .milliseconds(290) && elapsed < .seconds(5))
      _ = fillers
    }
  }

  @Test func reset() async throws {
    try await withLoop { loop in
      let worker = EchoWorker(loop)
      let client = try await TestClient.open(loop, try await worker.listen())
      #expect(await eventually { await worker.connections.count == 1 })
      // Closing with unread bytes resets.
      let connection = await worker.connections[0]
      await loop.on { connection.pauseReading() }
      await client.write("unread")
      try await Task.sleep(for: .milliseconds(50))
      await worker.closeAll()
      guard case .failed(let error)? = await client.closeReason() else {
        throw TestFailure("not failed")
      }
      #expect(error.kind == .reset)
    }
  }

  /// `localhost` may stand for `::1` first, where nobody listens.
  @Test func aNameIsLookedUpAndEachAddressTried() async throws {
    try await withLoop { loop in
      let worker = EchoWorker(loop)
      let port = try await worker.listen().port
      let client = try await TestClient.open(loop, HostPort(host: "localhost", port: port))
      await client.send([Frame(type: .ping, stream: 1, payload: Bytes())])
      #expect(try await client.nextFrame().stream == 1)
      let remote = await loop.on { client.connection.remoteAddress }
      #expect(remote == "127.0.0.1:\(port)")
    }
  }

  @Test func aNameWithoutAddress() async throws {
    try await withLoop { loop in
      let kind = await failureKind(
        loop, HostPort(host: "no-such-host.invalid", port: 1), .seconds(20))
      #expect(kind == .nameNotFound || kind == .timedOut)
    }
  }

  @Test func anAttemptIsGivenUp() async throws {
    try await withLoop { loop in
      for host in ["127.0.0.1", "localhost", "no-such-host.invalid"] {
        let recorder = EventRecorder()
        let client = await loop.on {
          let connection = Connection.connect(
            loop: loop, to: HostPort(host: host, port: 9), handler: recorder)
          connection.close()
          connection.close()
          return TestClient(connection: connection, recorder: recorder)
        }
        guard case .closed(.requested)? = await client.next() else {
          throw TestFailure("\(host): another end than asked for")
        }
        #expect(await client.next() == nil)
      }
    }
  }

  @Test func aPortThatIsTaken() async throws {
    try await withLoop { loop in
      let first = EchoWorker(loop)
      let target = try await first.listen()
      let error = await loop.on {
        do throws(LoopError) {
          _ = try Listener(loop: loop, on: target, handler: first)
          return nil as LoopError?
        } catch { return error }
      }
      #expect(error?.kind == .addressInUse)
      #expect(error.map { "\($0)" } == "can't listen on \(target): address already in use")
      await #expect(throws: LoopError.self) {
        try await loop.on {
          _ = try Listener(
            loop: loop, on: HostPort(host: "not-numeric", port: 0), handler: first)
        }
      }
    }
  }

  @Test(arguments: [
    ("127.0.0.1:7401", "127.0.0.1", 7401), ("[::1]:80", "::1", 80), ("node-1:0", "node-1", 0),
  ])
  func hostAndPort(text: String, host: String, port: UInt16) {
    let parsed = HostPort(parsing: text)
    #expect(parsed == HostPort(host: host, port: port))
    #expect(parsed?.description == text)
  }

  @Test(arguments: ["", "host", ":80", "host:", "host:65536", "host:-1", "::1:80", "[]:1", "a:b"])
  func notHostAndPort(text: String) { #expect(HostPort(parsing: text) == nil) }
}

/// A listening socket that nobody accepts from.
private struct RawListener {
  let descriptor: Int32
  let address: HostPort

  init() {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    let socket = descriptor
    var bound = sockaddr_in()
    bound.sin_family = sa_family_t(AF_INET)
    bound.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    unsafe withUnsafeMutablePointer(to: &bound) {
      let generic = unsafe UnsafeMutableRawPointer($0).assumingMemoryBound(to: sockaddr.self)
      _ = unsafe bind(socket, generic, size)
      _ = unsafe getsockname(socket, generic, &size)
    }
    listen(descriptor, 0)
    self.address = HostPort(host: "127.0.0.1", port: UInt16(bigEndian: bound.sin_port))
  }

  func close() { _ = Glibc.close(descriptor) }
}
