import KVBase
import KVClientCore
import KVCommand
import KVWire
import Testing

@Suite struct OutcomeTests {
  func put(_ key: String, _ value: String = "v") -> ClientOperation {
    .mutate(key: Bytes(key), .put(value: Bytes(value)))
  }

  func options(milliseconds: UInt64) -> CallOptions {
    CallOptions(timeout: .milliseconds(milliseconds))
  }

  @Test func aRetryKeepsItsSequenceAndTakesEffectOnce() {
    let cluster = FakeCluster()
    _ = cluster.run(put("warm"))
    cluster.received = []
    var losses = 2
    cluster.script = { _, request in
      guard case .mutate = request.body, losses > 0 else { return nil }
      losses -= 1
      return .applyThenDisconnect
    }
    let add = ClientOperation.mutate(key: "n", .add(delta: 5, minimum: .min, maximum: .max))
    guard case .applied(.added(let value, _), _) = cluster.run(add) else {
      Issue.record("\(cluster.completions)")
      return
    }
    #expect(value == 5)
    #expect(losses == 0)
    let stamps = cluster.received.compactMap { $0.command?.session }
    #expect(stamps.count >= 3)
    #expect(Set(stamps.map(\.sequence)).count == 1)
    #expect(Set(stamps.map(\.client)).count == 1)
  }

  @Test func sequencesRiseAndTheWatermarkFollows() {
    let cluster = FakeCluster(partitions: 1)
    for i in 0..<10 { _ = cluster.run(put("k\(i)")) }
    let stamps = cluster.received.compactMap { $0.command?.session }
    #expect(stamps.map(\.sequence) == Array(1...10))
    #expect(stamps.map(\.lowestUnacknowledged) == Array(1...10))
  }

  @Test func theWatermarkStaysAtTheOldestInFlight() {
    let cluster = FakeCluster(partitions: 1)
    _ = cluster.run(put("a"))
    var hold = true
    cluster.script = { _, request in
      guard case .mutate = request.body, hold else { return nil }
      return .silence
    }
    let held = cluster.call(put("held"))
    hold = false
    for i in 0..<5 { cluster.call(put("k\(i)")) }
    let stamps = cluster.received.compactMap { $0.command?.session }
    #expect(stamps.suffix(6).allSatisfy { $0.lowestUnacknowledged == 2 })
    cluster.releaseHeld()
    #expect(cluster.completions[held] != nil)
    cluster.call(put("z"))
    #expect(cluster.received.last?.command?.session.lowestUnacknowledged == 8)
  }

  @Test func aDeadlineAfterSendingIsUnknown() {
    let cluster = FakeCluster()
    _ = cluster.run(put("a"))
    for node in 1...3 { cluster.health[NodeID(UInt32(node))] = .silent }
    guard case .unknown(let failure) = cluster.run(put("a"), options(milliseconds: 500)) else {
      Issue.record("not unknown")
      return
    }
    #expect(failure.code == .deadlineExceeded)
    #expect(!failure.notStarted)
    // The session ends with the call, so that a repetition would be another request.
    #expect(failure.message.contains("read the key before sending it again"))
    #expect(!failure.message.contains("repeat it"))
  }

  @Test func aDeadlineAfterDefiniteRefusalsIsRejected() {
    let cluster = FakeCluster()
    _ = cluster.run(put("a"))
    cluster.noLeader = true
    guard case .rejected(let failure) = cluster.run(put("a"), options(milliseconds: 500)) else {
      Issue.record("not rejected")
      return
    }
    #expect(failure.code == .unavailable)
    #expect(failure.notStarted)
    #expect(failure.message.contains("nothing was done"))
  }

  @Test func aDeadlineBeforeAnythingWasSentIsRejected() {
    let cluster = FakeCluster()
    for node in 1...3 { cluster.health[NodeID(UInt32(node))] = .blackHole }
    guard case .rejected(let failure) = cluster.run(put("a"), options(milliseconds: 400)) else {
      Issue.record("not rejected")
      return
    }
    #expect(failure.notStarted)
  }

  /// A definite answer to a retry does not speak for the try before it.
  @Test func refusalsAfterALostAnswerStayUnknown() {
    let cluster = FakeCluster()
    _ = cluster.run(put("a"))
    var first = true
    cluster.script = { _, request in
      guard case .mutate = request.body else { return nil }
      if first {
        first = false
        return .disconnect
      }
      return .reply(FakeCluster.failure(.noLeader))
    }
    guard case .unknown(let failure) = cluster.run(put("a"), options(milliseconds: 700)) else {
      Issue.record("not unknown")
      return
    }
    #expect(!failure.notStarted)
    #expect(failure.message.contains("read the key before sending it again"))
    #expect(!failure.message.contains("retry when"))
  }

  @Test func aFinalRefusalAfterALostAnswerStaysUnknown() {
    let cluster = FakeCluster()
    _ = cluster.run(put("a"))
    var first = true
    cluster.script = { _, request in
      guard case .mutate = request.body else { return nil }
      defer { first = false }
      return first
        ? .disconnect : .reply(FakeCluster.failure(.malformed, code: .invalidArgument))
    }
    guard case .unknown = cluster.run(put("a")) else {
      Issue.record("not unknown")
      return
    }
  }

  @Test func aFirstRefusalIsRejected() {
    let cluster = FakeCluster()
    cluster.script = { _, request in
      guard case .mutate = request.body else { return nil }
      return .reply(FakeCluster.failure(.none, code: .unimplemented))
    }
    guard case .rejected(let failure) = cluster.run(.createKeyspace(name: "c", mode: .ap)) else {
      Issue.record("not rejected")
      return
    }
    #expect(failure.code == .unimplemented)
    #expect(failure.message == "said none")
  }

  @Test func lostLeadershipIsTriedAgainWithTheSameSequence() {
    let cluster = FakeCluster()
    _ = cluster.run(put("a"))
    cluster.received = []
    var first = true
    cluster.script = { _, request in
      guard case .mutate = request.body, first else { return nil }
      first = false
      return .reply(FakeCluster.failure(.leadershipLost, notStarted: false))
    }
    guard case .applied = cluster.run(put("a")) else {
      Issue.record("not applied")
      return
    }
    #expect(Set(cluster.received.compactMap { $0.command?.session.sequence }).count == 1)
  }

  @Test func withoutRetriesALostAnswerIsUnknownAtOnce() {
    let cluster = FakeCluster()
    _ = cluster.run(put("a"))
    cluster.script = { _, request in
      guard case .mutate = request.body else { return nil }
      return .applyThenDisconnect
    }
    cluster.received = []
    var options = CallOptions()
    options.retriesUnknown = false
    let before = cluster.now
    guard case .unknown = cluster.run(put("a"), options) else {
      Issue.record("not unknown")
      return
    }
    #expect(cluster.received.count == 1)
    #expect(cluster.now == before)
  }

  @Test func aLateAnswerOfATryCounts() {
    let cluster = FakeCluster()
    _ = cluster.run(put("a"))
    cluster.script = { _, request in
      if case .mutate = request.body { .silence } else { nil }
    }
    let id = cluster.call(put("a", "late"))
    cluster.advance(milliseconds: 1000)
    #expect(cluster.completions[id] == nil)
    cluster.releaseHeld()
    guard case .applied = cluster.completions[id] else {
      Issue.record("not applied")
      return
    }
    // What was asked again is answered later and finds nobody.
    cluster.advance(milliseconds: 1000)
    cluster.releaseHeld()
    #expect(cluster.core.callsInProgress == 0)
  }

  @Test func answersThatNobodyAskedForChangeNothing() {
    let cluster = FakeCluster()
    _ = cluster.run(put("a"))
    for peer in cluster.open.keys.sorted() {
      for stream: UInt32 in [0, 1, 7, 9999, .max] {
        cluster.give(.response, stream, { $0.append(raw: "nonsense") }, peer)
      }
    }
    cluster.drain()
    guard case .record = cluster.run(.get(key: "a")) else {
      Issue.record("no record")
      return
    }
  }

  @Test func anAnswerThatCantBeReadClosesTheConnectionAndTheCallGoesOn() {
    let cluster = FakeCluster()
    _ = cluster.run(put("a"))
    var first = true
    cluster.script = { _, request in
      guard case .read = request.body, first else { return nil }
      first = false
      return .raw(Bytes([0, 0, 99, 1, 2]))
    }
    guard case .record = cluster.run(.get(key: "a")) else {
      Issue.record("no record")
      return
    }
  }
}
