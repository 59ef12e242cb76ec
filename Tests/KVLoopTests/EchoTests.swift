import KVBase
import KVLoop
import KVWire
import Testing

@Suite(.timeLimit(.minutes(1))) struct EchoTests {
  @Test func aThousandFramesComeBackInOrder() async throws {
    try await withLoop { loop in
      let worker = EchoWorker(loop)
      let client = try await TestClient.open(loop, try await worker.listen())
      let frames = (0..<1000 as Range<UInt32>).map {
        Frame(type: .request, stream: $0, payload: payload(Int($0) % 300, seed: UInt64($0)))
      }
      for start in stride(from: 0, to: 1000, by: 100) {
        await client.send(Array(frames[start..<start + 100]))
      }
      for sent in frames {
        let answer = try await client.nextFrame()
        #expect(answer.type == .response)
        #expect(answer.stream == sent.stream)
        #expect(answer.payload == sent.payload)
      }
      #expect(await worker.frames == 1000)
    }
  }

  @Test func theLargestFramesComeBack() async throws {
    try await withLoop { loop in
      let worker = EchoWorker(loop)
      let client = try await TestClient.open(loop, try await worker.listen())
      for size in [Frame.payloadLimit, 300_000, 1 << 20, 65_536] {
        let sent = payload(size, seed: UInt64(size))
        await client.send([Frame(type: .request, stream: 1, payload: sent)])
        #expect(try await client.nextFrame().payload == sent)
      }
    }
  }

  @Test func clientAndServerOnLoopsOfTheirOwn() async throws {
    try await withLoop { serverLoop in
      let worker = EchoWorker(serverLoop)
      let target = try await worker.listen()
      try await withLoop { loop in
        var clients: [TestClient] = []
        for _ in 0..<50 { clients.append(try await TestClient.open(loop, target)) }
        for round in 0..<20 as Range<UInt32> {
          for client in clients {
            await client.send([Frame(type: .request, stream: round, payload: "payload")])
          }
          for client in clients { #expect(try await client.nextFrame().stream == round) }
        }
        for client in clients { await client.close() }
        for client in clients { #expect(await client.closeReason() == .requested) }
      }
      #expect(await eventually { await worker.connections.isEmpty })
      #expect(await worker.closes.count == 50)
      #expect(await worker.closes.allSatisfy { $0 == .endOfStream })
    }
  }

  @Test func whatIsWrittenBeforeTheConnectionIsOpenIsSent() async throws {
    try await withLoop { loop in
      let worker = EchoWorker(loop)
      let target = try await worker.listen()
      let recorder = EventRecorder()
      let connection = await loop.on {
        let connection = Connection.connect(loop: loop, to: target, handler: recorder)
        let frame = Frame(type: .hello, stream: 5, payload: "early")
        FrameEncoder.append(frame, into: &connection.output)
        connection.setNeedsFlush()
        return connection
      }
      let client = TestClient(connection: connection, recorder: recorder)
      guard case .opened? = await client.next() else { throw TestFailure("not opened") }
      #expect(try await client.nextFrame().payload == "early")
    }
  }

  @Test func badBytesCloseTheirConnectionAndNoOther() async throws {
    try await withLoop { loop in
      let worker = EchoWorker(loop)
      let target = try await worker.listen()
      let good = try await TestClient.open(loop, target)
      let bad = try await TestClient.open(loop, target)
      await bad.write("GET / HTTP/1.1\r\n\r\n")
      #expect(await bad.closeReason() == .endOfStream)
      #expect(await worker.wireErrors == 1)
      await good.send([Frame(type: .ping, stream: 3, payload: Bytes())])
      #expect(try await good.nextFrame().stream == 3)
    }
  }

  /// A slow reader stops being read from, so what waits for it stays bounded; when it reads on, it
  /// gets everything.
  @Test func aSlowReaderIsHeldBack() async throws {
    try await withLoop { loop in
      let worker = EchoWorker(loop)
      let client = try await TestClient.open(loop, try await worker.listen())
      await loop.on { client.connection.pauseReading() }
      let count = 64
      let part = payload(1 << 20, seed: 1)
      // Written bit by bit, since the client's own output has a limit too.
      for stream in 0..<count as Range<Int> {
        await client.send([Frame(type: .request, stream: UInt32(stream), payload: part)])
      }
      #expect(await eventually { await worker.pendingNow() > Limits.congestedBytes })
      #expect(await loop.on { client.connection.isCongested })
      let bound = Limits.congestedBytes + 3 * Limits.frameBytes
      #expect(await worker.mostPending < bound)
      await loop.on { client.connection.resumeReading() }
      for stream in 0..<count {
        let frame = try await client.nextFrame()
        #expect(frame.stream == UInt32(stream))
        #expect(frame.payload == part)
      }
      #expect(await worker.mostPending < bound)
      #expect(await worker.drains > 0)
      #expect(await worker.pendingNow() == 0)
    }
  }

  @Test func aReaderThatTakesNothingIsClosed() async throws {
    try await withLoop { loop in
      let worker = EchoWorker(loop)
      await worker.configure(outputLimit: 4 << 20, pausesWhenCongested: false)
      let client = try await TestClient.open(loop, try await worker.listen())
      await loop.on { client.connection.pauseReading() }
      let part = payload(1 << 20, seed: 1)
      for stream in 0..<40 as Range<UInt32> {
        await client.send([Frame(type: .request, stream: stream, payload: part)])
      }
      #expect(await eventually { await !worker.closes.isEmpty })
      guard case .outputLimit(let bytes)? = await worker.closes.first else {
        throw TestFailure("closed for \(await worker.closes)")
      }
      #expect(bytes > 4 << 20 && bytes < 16 << 20)
    }
  }

  /// Not only at the turn's end: one turn could bring requests for any amount of answers.
  @Test func congestionIsSeenWithinTheTurn() async throws {
    try await withLoop { loop in
      let worker = EchoWorker(loop)
      let client = try await TestClient.open(loop, try await worker.listen())
      let connection = client.connection
      let part = payload(Limits.flushBytes, seed: 1)
      let parts = await loop.on {
        for count in 1...1000 {
          FrameEncoder.append(
            Frame(type: .request, stream: UInt32(count), payload: part), into: &connection.output)
          connection.setNeedsFlush()
          if connection.isCongested { return count }
        }
        return 1000
      }
      #expect(parts < 100)
      for _ in 0..<parts { #expect(try await client.nextFrame().payload == part) }
      #expect(await loop.on { !connection.isCongested && connection.pendingBytes == 0 })
      let sent = UInt64(parts * (part.count + Frame.headerSize + Frame.checksumSize))
      #expect(await loop.on { connection.bytesWritten } == sent)
      #expect(await loop.on { connection.bytesRead } == sent)
    }
  }

  /// What was written before `closeAfterFlush` arrives, however slow the reader and whatever it
  /// still sends.
  @Test func theLastWordArrives() async throws {
    try await withLoop { loop in
      let last = LastWordServer(size: 3 << 20)
      let target = try await loop.on {
        let listener = try Listener(
          loop: loop, on: HostPort(host: "127.0.0.1", port: 0), handler: last)
        return HostPort(host: "127.0.0.1", port: listener.port)
      }
      let client = try await TestClient.open(loop, target)
      await loop.on { client.connection.pauseReading() }
      await client.write(payload(1 << 20, seed: 3))
      try await Task.sleep(for: .milliseconds(100))
      await loop.on { client.connection.resumeReading() }
      let frame = try await client.nextFrame()
      #expect(frame.type == .goaway)
      #expect(frame.payload.count == 3 << 20)
      #expect(await client.closeReason() == .endOfStream)
    }
  }
}

/// Says one thing to whoever speaks, and closes.
private final class LastWordServer: ListenerHandler, ConnectionHandler, Sendable {
  let size: Int
  init(size: Int) { self.size = size }

  func listener(_ listener: Listener, didAccept connection: Connection) {
    connection.handler = self
  }
  func listener(_ listener: Listener, didRefuse error: LoopError) {}
  func connection(_ connection: Connection, didClose reason: CloseReason) {}
  func connection(_ connection: Connection, didRead bytes: Bytes) {
    let frame = Frame(type: .goaway, stream: 0, payload: payload(size, seed: 2))
    FrameEncoder.append(frame, into: &connection.output)
    connection.closeAfterFlush(within: .seconds(20))
  }
}
