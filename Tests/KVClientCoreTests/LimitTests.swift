import KVBase
import KVClientCore
import KVCommand
import KVWire
import Testing

/// When the client gives up, and what bounds it.
@Suite struct LimitTests {
  func put(_ key: String, _ value: String = "v") -> ClientOperation {
    .mutate(key: Bytes(key), .put(value: Bytes(value)))
  }

  @Test func withoutAQuorumItFailsEarlyAndSaysWhy() {
    let cluster = FakeCluster()
    _ = cluster.run(put("a"))
    for key in ["b", "c", "d", "e"] { _ = cluster.run(put(key)) }
    let leader = cluster.leader(of: "a")
    let others = (1...3).map { NodeID(UInt32($0)) }.filter { $0 != leader }
    for node in others { cluster.kill(node) }
    cluster.withoutQuorum = true
    cluster.advance(milliseconds: 12_000)
    let before = cluster.now
    guard case .rejected(let failure) = cluster.run(.get(key: "a")) else {
      Issue.record("not rejected")
      return
    }
    let taken = cluster.now - before
    #expect(taken >= .milliseconds(600) && taken <= .milliseconds(1200))
    #expect(failure.code == .unavailable)
    #expect(failure.reason == .noQuorum)
    #expect(failure.message.contains("(1 of 3 replicas answered; "))
    #expect(failure.message.contains("down for 12 s"))
    #expect(failure.message.contains("--consistency stale"))
  }

  @Test func aReplicaThatMayYetLeadPreventsGivingUp() {
    let cluster = FakeCluster()
    _ = cluster.run(put("a"))
    cluster.script = { node, request in
      guard case .read = request.body else { return nil }
      return .reply(FakeCluster.failure(node == NodeID(1) ? .noLeader : .noQuorum))
    }
    let id = cluster.call(.get(key: "a"))
    cluster.advance(milliseconds: 3000)
    #expect(cluster.completions[id] == nil)
  }

  @Test func anUnreachableClusterFailsEarly() {
    let cluster = FakeCluster()
    for node in 1...3 { cluster.health[NodeID(UInt32(node))] = .down }
    let before = cluster.now
    guard case .rejected(let failure) = cluster.run(put("a")) else {
      Issue.record("not rejected")
      return
    }
    #expect(cluster.now - before <= .milliseconds(1200))
    #expect(failure.message.contains("no node can be reached"))
  }

  @Test func aFullWindowWaitsAndAFullQueueRefuses() {
    let cluster = FakeCluster(partitions: 1)
    _ = cluster.run(put("a"))
    var hold = true
    cluster.script = { _, request in
      guard case .mutate = request.body, hold else { return nil }
      return .silence
    }
    cluster.received = []
    let total = 1024 + 8192 + 5
    for i in 0..<total { cluster.call(put("k\(i)")) }
    #expect(cluster.received.count == 1024)
    let refused = cluster.completions.values.filter {
      if case .rejected(let failure) = $0 { failure.code == .resourceExhausted } else { false }
    }
    #expect(refused.count == 5)
    hold = false
    while !cluster.held.isEmpty { cluster.releaseHeld() }
    #expect(cluster.completions.count == total + 1)
    #expect(cluster.core.callsInProgress == 0)
    let spread = cluster.received.compactMap { $0.command?.session }.map {
      $0.sequence - $0.lowestUnacknowledged
    }
    #expect(spread.allSatisfy { $0 < 1024 })
  }

  @Test func oneGroupWithoutALeaderDoesNotHoldUpTheOthers() {
    let cluster = FakeCluster()
    _ = cluster.run(put("a"))
    let stuck = cluster.group(of: "a")
    cluster.script = { [unowned cluster] _, request in
      guard case .mutate(let command, _) = request.body, let key = command.target?.key,
        cluster.group(of: key) == stuck
      else { return nil }
      return .silence
    }
    var others: [UInt64] = []
    for i in 0..<20_000 {
      let key = "k\(i)"
      let id = cluster.call(put(key))
      if cluster.group(of: Bytes(key)) != stuck { others.append(id) }
    }
    #expect(others.allSatisfy { cluster.completions[$0] != nil })
  }

  @Test func anOverloadedNodeIsAskedAgainLater() {
    let cluster = FakeCluster()
    var refusals = 3
    cluster.script = { _, request in
      guard case .mutate = request.body, refusals > 0 else { return nil }
      refusals -= 1
      return .reply(
        .failed(
          Failure(
            .resourceExhausted, .overloaded, notStarted: true, "full",
            retryAfter: .milliseconds(50))))
    }
    let before = cluster.now
    guard case .applied = cluster.run(put("a")) else {
      Issue.record("not applied")
      return
    }
    #expect(cluster.now - before >= .milliseconds(150))
  }

  @Test func cancellingCompletesOnce() {
    let cluster = FakeCluster()
    _ = cluster.run(put("a"))
    cluster.script = { _, _ in .silence }
    let id = cluster.call(put("a"))
    cluster.core.cancel(CallID(id), now: cluster.clock, into: &cluster.outputs)
    cluster.drain()
    guard case .unknown(let failure) = cluster.completions[id] else {
      Issue.record("not unknown")
      return
    }
    #expect(failure.code == .cancelled)
    cluster.releaseHeld()
  }

  @Test func shuttingDownCompletesEverything() {
    let cluster = FakeCluster()
    _ = cluster.run(put("a"))
    cluster.script = { _, _ in .silence }
    for i in 0..<50 { cluster.call(put("k\(i)")) }
    cluster.call(.multiGet(keys: ["a", "b", "c"]))
    cluster.call(.scan(ScanQuery()))
    cluster.core.shutDown(now: cluster.clock, into: &cluster.outputs)
    cluster.drain()
    #expect(cluster.completions.count == 53)
    #expect(cluster.core.callsInProgress == 0)
    #expect(cluster.core.nextDeadline == nil)
  }
}
