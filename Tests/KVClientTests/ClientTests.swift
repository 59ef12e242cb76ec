import KVBase
import KVClient
import Testing

/// The client over real sockets.
@Suite(.timeLimit(.minutes(1))) struct ClientTests {
  func with(
    _ body: (LoopbackServer, Client) async throws -> Void
  ) async throws {
    let server = try await LoopbackServer.start()
    defer { server.stop() }
    let client = try Client(endpoints: [server.endpoint])
    try await body(server, client)
    await client.close()
  }

  @Test func recordsAreWrittenReadAndDeleted() async throws {
    try await with { server, client in
      let written = try await client.put("greeting", "hello")
      #expect(written.receipt.node == 1 && written.receipt.served == "commit")
      let value = try #require(try await client.get("greeting"))
      #expect(value.text == "hello")
      #expect(value.version == written.version)
      #expect(try await client.get("nothing") == nil)
      #expect(
        try await client.multiGet(["nothing", "greeting"]).map { $0?.text } == [nil, "hello"])
      let deleted = try await client.delete("greeting")
      #expect(deleted.existed && deleted.receipt.served == "commit")
      #expect(try await !client.delete("greeting").existed)
      let added = try await client.add("counter", 5)
      #expect(added.value == 5 && added.receipt.index == added.version)
      #expect(try await client.get("counter", consistency: .session(after: added.receipt)) != nil)
      #expect(try await client.append("journal", "one").length == 3)
      let appended = try await client.append("journal", ",two")
      #expect(appended.length == 7 && appended.receipt.served == "commit")
      let journal = try #require(try await client.get("journal"))
      #expect(journal.text == "one,two" && journal.version == appended.version)
      #expect(try await client.health().first?.health?.isReady == true)
      #expect(try await client.keyspaces().map(\.name) == ["default"])
      #expect(server.shared.withLock { $0.pongs } == 1)
      #expect(server.shared.withLock { $0.connections } == 1)
    }
  }

  /// What has written tells the partition when it closes; what has only read has nothing to tell.
  @Test func whoClosesEndsItsSession() async throws {
    let server = try await LoopbackServer.start()
    defer { server.stop() }
    let reader = try Client(endpoints: [server.endpoint])
    _ = try await reader.get("greeting")
    await reader.close()
    #expect(server.shared.withLock { $0.left } == [])
    let writer = try Client(endpoints: [server.endpoint])
    try await writer.put("greeting", "hello")
    await writer.close()
    await writer.close()
    #expect(server.shared.withLock { $0.left } == [GroupID(1)])
    let error = await #expect(throws: KVError.self) { try await writer.put("greeting", "again") }
    #expect(error?.kind == .cancelled && error?.outcome == .rejected)
  }

  @Test func conditionsAreErrorsWithTheVersionThatWasThere() async throws {
    try await with { _, client in
      let first = try await client.put("lock", "me", if: .absent)
      let error = await #expect(throws: KVError.self) {
        try await client.put("lock", "you", if: .absent)
      }
      #expect(error?.kind == .conditionFailed)
      #expect(error?.outcome == .rejected)
      #expect(error?.currentVersion == first.version)
      let missed = try await client.compareAndSet("lock", expected: .value(Array("it".utf8)), "x")
      #expect(missed == nil)
      let swapped = try await client.compareAndSet("lock", expected: .version(first.version), "x")
      #expect(swapped != nil)
      let bounds = await #expect(throws: KVError.self) {
        try await client.add("counter", 5, within: 0...4)
      }
      #expect(bounds?.kind == .outOfRange)
      let long = await #expect(throws: KVError.self) {
        try await client.append("lock", [UInt8](repeating: 0, count: 1 << 20))
      }
      #expect(long?.kind == .outOfRange && long?.outcome == .rejected)
      #expect(
        long?.message == "the value would become too long: it has 1 of at most 1048576 bytes")
    }
  }

  @Test func aScanGoesOverAllPages() async throws {
    try await with { _, client in
      for i in 0..<57 { try await client.put("user/\(100 + i)", "v\(i)") }
      try await client.put("zebra", "v")
      var keys: [String?] = []
      for try await entry in client.scan(.prefix("user/"), pageSize: 10) {
        keys.append(entry.keyText)
      }
      #expect(keys == (0..<57).map { "user/\(100 + $0)" })
    }
  }

  @Test func manyCallsShareOneConnection() async throws {
    try await with { server, client in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for i in 0..<2000 {
          group.addTask { try await client.put("k\(i)", "v\(i)") }
        }
        try await group.waitForAll()
      }
      #expect(server.shared.withLock { $0.connections } == 1)
      #expect(try await client.get("k1999")?.text == "v1999")
    }
  }

  @Test func aConnectionThatIsLostIsOpenedAnewAndTheRetryCountsOnce() async throws {
    try await with { server, client in
      try await client.put("warm", "up")
      server.set(.hangUpOnce)
      #expect(try await client.add("counter").value == 1)
      #expect(try await client.get("counter")?.text == "1")
      #expect(server.shared.withLock { $0.connections } == 2)
    }
  }

  @Test func garbageClosesTheConnectionAndTheCallGoesOn() async throws {
    try await with { server, client in
      try await client.put("a", "b")
      server.set(.garbageOnce)
      #expect(try await client.get("a")?.text == "b")
      #expect(server.shared.withLock { $0.connections } == 2)
    }
  }

  @Test func silenceIsUnknownForAWriteAtItsDeadline() async throws {
    try await with { server, client in
      try await client.put("a", "b")
      server.set(.silent)
      let error = await #expect(throws: KVError.self) {
        try await client.put("a", "c", options: Options(timeout: .milliseconds(200)))
      }
      #expect(error?.outcome == .unknown)
      #expect(error?.kind == .deadlineExceeded)
    }
  }

  @Test func aCancelledTaskEndsItsCall() async throws {
    try await with { server, client in
      try await client.put("a", "b")
      server.set(.silent)
      let task = Task { try await client.get("a", options: Options(timeout: .seconds(30))) }
      try await Task.sleep(for: .milliseconds(50))
      task.cancel()
      await #expect(throws: KVError.self) { _ = try await task.value }
      let early = Task {
        try await client.get("a", options: Options(timeout: .seconds(30)))
      }
      early.cancel()
      await #expect(throws: KVError.self) { _ = try await early.value }
    }
  }

  @Test func closingEndsCallsAndLaterOnesFail() async throws {
    try await with { server, client in
      try await client.put("a", "b")
      server.set(.silent)
      async let pending = client.get("a", options: Options(timeout: .seconds(30)))
      try await Task.sleep(for: .milliseconds(50))
      await client.close()
      do {
        _ = try await pending
        Issue.record("the call went on")
      } catch {
        #expect((error as? KVError)?.kind == .cancelled)
      }
      let late = await #expect(throws: KVError.self) { try await client.get("a") }
      #expect(late?.kind == .cancelled)
    }
  }

  @Test func nobodyThereIsUnavailable() async throws {
    let server = try await LoopbackServer.start()
    let endpoint = server.endpoint
    server.stop()
    let client = try Client(endpoints: [endpoint])
    let error = await #expect(throws: KVError.self) { try await client.put("a", "b") }
    #expect(error?.kind == .unavailable && error?.outcome == .rejected)
    #expect(error?.message.contains(endpoint) == true)
  }

  @Test func badEndpointsAreSaid() {
    for text in [
      "", "host", "host:0", "host:99999", "x=host:1", "0=host:1", ":1", "1:2:3", "::1:7401",
    ] {
      let error = #expect(throws: KVError.self, "\(text)") { try Client(endpoints: [text]) }
      #expect(error?.kind == .invalidArgument)
    }
    #expect(throws: KVError.self) { try Client(endpoints: []) }
  }
}
