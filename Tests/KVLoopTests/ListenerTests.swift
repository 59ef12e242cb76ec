import Glibc
import KVBase
import KVLoop
import KVWire
import Testing

@Suite(.timeLimit(.minutes(1))) struct ListenerTests {
  @Test func connectionsBeyondTheLimitAreTurnedAwayAndOthersServed() async throws {
    try await withLoop { loop in
      let worker = EchoWorker(loop)
      let target = try await worker.listen(limit: 4)
      var served: [TestClient] = []
      for stream in 0..<4 as Range<UInt32> {
        let client = try await TestClient.open(loop, target)
        await client.send([Frame(type: .ping, stream: stream, payload: Bytes())])
        #expect(try await client.nextFrame().stream == stream)
        served.append(client)
      }
      var beyond: [TestClient] = []
      for _ in 0..<5 { beyond.append(try await TestClient.open(loop, target)) }
      for client in beyond { #expect(await client.closeReason() == .endOfStream) }
      #expect(await worker.refusedCount() == 5)
      #expect(await worker.refusals.first?.kind == .tooManyFiles)
      // Those who were first are served on.
      for client in served {
        await client.send([Frame(type: .ping, stream: 9, payload: Bytes())])
        #expect(try await client.nextFrame().stream == 9)
      }
      // With room again, new ones are.
      await worker.close(first: 2)
      #expect(await eventually { await worker.connections.count == 2 })
      let late = try await TestClient.open(loop, target)
      await late.send([Frame(type: .ping, stream: 7, payload: Bytes())])
      #expect(try await late.nextFrame().stream == 7)
    }
  }

  @Test func theHandlerMayMakeRoomForOneMore() async throws {
    try await withLoop { loop in
      let worker = EchoWorker(loop)
      await worker.makeRoom()
      let target = try await worker.listen(limit: 2)
      var clients: [TestClient] = []
      for stream in 0..<5 as Range<UInt32> {
        let client = try await TestClient.open(loop, target)
        await client.send([Frame(type: .ping, stream: stream, payload: Bytes())])
        #expect(try await client.nextFrame().stream == stream)
        clients.append(client)
      }
      // The oldest made room, the newest are served on.
      for client in clients.prefix(3) { #expect(await client.closeReason() == .endOfStream) }
      for client in clients.suffix(2) {
        await client.send([Frame(type: .ping, stream: 9, payload: Bytes())])
        #expect(try await client.nextFrame().stream == 9)
      }
      #expect(await worker.refusedCount() == 0)
      #expect(await worker.connections.count == 2)
    }
  }

  @Test func aFloodOfRefusalsIsSlow() async throws {
    try await withLoop { loop in
      let worker = EchoWorker(loop)
      let target = try await worker.listen(limit: 0)
      let start = SystemClock.instant()
      var clients: [TestClient] = []
      for _ in 0..<20 { clients.append(await TestClient.start(loop, target)) }
      for client in clients { #expect(await client.closeReason() == .endOfStream) }
      let pause = TimeAmount.milliseconds(Limits.refusalPauseMilliseconds)
      #expect(SystemClock.instant() - start >= pause * 18)
    }
  }

  @Test func aClosedListenerRefuses() async throws {
    try await withLoop { loop in
      let worker = EchoWorker(loop)
      let (listener, target) = try await loop.on {
        let listener = try Listener(
          loop: loop, on: HostPort(host: "localhost", port: 0), handler: worker)
        return (listener, HostPort(host: "127.0.0.1", port: listener.port))
      }
      let client = try await TestClient.open(loop, target)
      await loop.on { listener.close() }
      let refused = await TestClient.start(loop, target)
      guard case .failed(let error)? = await refused.closeReason() else {
        throw TestFailure("not refused")
      }
      #expect(error.kind == .refused)
      // What was accepted stays.
      await client.send([Frame(type: .ping, stream: 9, payload: Bytes())])
      #expect(try await client.nextFrame().stream == 9)
    }
  }

  /// Where descriptors run out all the same, new connections end and the others are served. In a
  /// process of its own, since the limit is the whole process's.
  @Test func descriptorsRunOut() async {
    await #expect(processExitsWith: .success) {
      try await withLoop { loop in
        let worker = EchoWorker(loop)
        let target = try await worker.listen()
        let first = try await TestClient.open(loop, target)
        // The runtime's own timers take their descriptors now, and trap where they get none.
        try await Task.sleep(for: .milliseconds(1))
        // Seven more descriptors: an accepted connection has two here, one at each end.
        let next = dup(0)
        close(next)
        var limit = rlimit()
        unsafe getrlimit(__rlimit_resource_t(7), &limit)
        limit.rlim_cur = rlim_t(next) + 7
        unsafe setrlimit(__rlimit_resource_t(7), &limit)
        var ended = 0
        var others: [TestClient] = []
        for _ in 0..<20 {
          // Refused a descriptor at this end, or turned away at the other.
          guard let client = try? await TestClient.open(loop, target) else {
            ended += 1
            continue
          }
          await client.send([Frame(type: .ping, stream: 0, payload: Bytes())])
          let isServed = (try? await client.nextFrame()) != nil
          if isServed { others.append(client) } else { ended += 1 }
        }
        precondition(ended > 0, "20 connections with 7 descriptors")
        for stream in 1...100 as ClosedRange<UInt32> {
          await first.send([Frame(type: .ping, stream: stream, payload: Bytes())])
          let answer = try await first.nextFrame()
          precondition(answer.stream == stream, "\(answer)")
        }
        for client in others { await client.close() }
        // With descriptors again, there are new connections.
        let isServed = await eventually {
          guard let late = try? await TestClient.open(loop, target) else { return false }
          await late.send([Frame(type: .ping, stream: 1, payload: Bytes())])
          return (try? await late.nextFrame()) != nil
        }
        precondition(isServed, "nobody is served any more")
      }
    }
  }
}
