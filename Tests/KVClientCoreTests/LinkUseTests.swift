import KVBase
import KVClientCore
import KVCommand
import KVWire
import Testing

/// What a user sees of the links to nodes.
@Suite struct LinkUseTests {
  func put(_ key: String, _ value: String = "v") -> ClientOperation {
    .mutate(key: Bytes(key), .put(value: Bytes(value)))
  }

  /// One node, connected, that leaves the next requests unanswered.
  func connected(_ health: FakeCluster.Health) -> FakeCluster {
    let cluster = FakeCluster(nodes: 1, partitions: 1)
    _ = cluster.run(put("a"))
    cluster.advance(milliseconds: 5_000)
    cluster.script = { _, _ in .silence }
    cluster.health[NodeID(1)] = health
    return cluster
  }

  func options(milliseconds: UInt64) -> CallOptions {
    CallOptions(timeout: .milliseconds(milliseconds))
  }

  @Test func aConnectionThatIsSilentWhileSomebodyWaitsIsOpenedAnew() {
    let cluster = connected(.silent)
    cluster.call(.get(key: "a"), options(milliseconds: 10_000))
    cluster.advance(milliseconds: 1_900)
    #expect(cluster.connectCount == 1 && !cluster.open.isEmpty)
    cluster.advance(milliseconds: 200)
    #expect(cluster.open.isEmpty)
    cluster.call(.get(key: "a"))
    #expect(cluster.connectCount == 2)
  }

  @Test func aNodeThatIsSlowAndAnswersPingKeepsItsConnection() {
    let cluster = connected(.up)
    let id = cluster.call(.get(key: "a"), options(milliseconds: 20_000))
    cluster.advance(milliseconds: 9_000)
    #expect(cluster.connectCount == 1 && cluster.pings >= 10)
    cluster.releaseHeld()
    guard case .record = cluster.completions[id] else {
      Issue.record("not answered")
      return
    }
  }

  @Test func nobodyIsAskedForASignOfLifeWithoutARequest() {
    let cluster = connected(.up)
    cluster.advance(milliseconds: 60_000)
    #expect(cluster.pings == 0 && cluster.connectCount == 1)
  }

  @Test func whatIsInFlightIsAnsweredAfterGoaway() {
    let cluster = connected(.up)
    let id = cluster.call(put("b"), options(milliseconds: 5_000))
    cluster.say(Goaway(.shuttingDown, "it is shutting down"), NodeID(1))
    cluster.advance(milliseconds: 100)
    #expect(cluster.open.count == 1)
    cluster.releaseHeld()
    guard case .applied = cluster.completions[id] else {
      Issue.record("not applied")
      return
    }
    #expect(cluster.open.isEmpty)
    let next = cluster.call(.get(key: "a"), options(milliseconds: 20))
    cluster.finish(next)
    guard case .rejected(let failure) = cluster.completions[next] else {
      Issue.record("not rejected")
      return
    }
    #expect(failure.message.contains("n1: it is shutting down"))
  }

  @Test func aNodeThatDrainsForTooLongIsLeft() {
    let cluster = connected(.up)
    cluster.call(put("b"), options(milliseconds: 60_000))
    cluster.say(Goaway(.shuttingDown, "it is shutting down"), NodeID(1))
    cluster.advance(milliseconds: 9_900)
    #expect(cluster.connectCount == 1)
    cluster.advance(milliseconds: 700)
    #expect(cluster.connectCount == 2)
  }

  @Test func aRefusalByGoawayIsSaid() {
    let cluster = FakeCluster(nodes: 1, partitions: 1)
    cluster.refusal = Goaway(.tooManyClients, "node 1 serves 10 clients")
    guard case .rejected(let failure) = cluster.run(.get(key: "a")) else {
      Issue.record("not rejected")
      return
    }
    #expect(failure.message.contains("h1:1: node 1 serves 10 clients"))
    // With back-off: not a flood of connections.
    #expect(cluster.connectCount < 20)
  }

  @Test func anotherVersionIsSaid() {
    let cluster = FakeCluster(nodes: 1, partitions: 1)
    cluster.versions = 5...6
    guard case .rejected(let failure) = cluster.run(.get(key: "a")) else {
      Issue.record("not rejected")
      return
    }
    #expect(failure.message.contains("it speaks protocol versions 5 to 6, this client \(Hello.protocolVersion)"))
  }

  @Test func anUnexpectedFrameEndsTheConnectionAndTheCallGoesOn() {
    let cluster = connected(.up)
    let id = cluster.call(.get(key: "a"))
    cluster.script = nil
    for peer in cluster.open.keys.sorted() { cluster.give(.peer, 0, { _ in }, peer) }
    cluster.drain()
    cluster.finish(id)
    guard case .record = cluster.completions[id] else {
      Issue.record("not answered")
      return
    }
    #expect(cluster.connectCount == 2)
    #expect(cluster.goaways.map(\.reason) == [.protocolViolation])
  }
}
