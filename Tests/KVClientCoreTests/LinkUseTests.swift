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
    let versions = "versions 5 to 6, this client \(Hello.protocolVersion)"
    #expect(failure.message.contains(versions))
    #expect(failure.message.hasSuffix("use a client of the cluster's release, then retry"))
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

  // MARK: Advice

  private func refusal(_ cluster: FakeCluster, _ operation: ClientOperation) -> String {
    guard case .rejected(let failure)? = cluster.run(operation, options(milliseconds: 3_000)) else {
      Issue.record("not rejected")
      return ""
    }
    return failure.message
  }

  /// Each cause has the advice that fits it, and no other's.
  @Test(arguments: [
    (FakeCluster.Health.down, "h1:1 down", "start what is down, or correct its address"),
    (
      .blackHole, "h1:1 does not answer|h1:1 can't be reached",
      "see whether it hangs, or a firewall or the network"
    ),
    (.mute, "h1:1 accepts connections and says nothing", "check that the address is a kvnode's"),
    (.hangsUp, "h1:1 closed the connection without a word", "check that the address is a kvnode's"),
    (
      .babbles, "h1:1 does not speak the protocol of kvnode", "check that the address is a kvnode's"
    ),
  ])
  func adviceFitsTheCause(_ health: FakeCluster.Health, _ state: String, _ advice: String) {
    let cluster = FakeCluster(nodes: 1, partitions: 1)
    cluster.health[NodeID(1)] = health
    for operation in [ClientOperation.get(key: "a"), .map, .statusAt(endpoint: "h1:1")] {
      let message = refusal(cluster, operation)
      #expect(state.split(separator: "|").contains { message.contains($0) }, "\(message)")
      #expect(message.contains(advice), "\(message)")
      for other in ["start what", "check that", "see whether"] where !advice.hasPrefix(other) {
        #expect(!message.contains(other), "\(message)")
      }
      #expect(message.hasSuffix("then retry"))
    }
  }

  @Test func anAddressThatLeadsNowhereIsToBeChecked() {
    let cluster = FakeCluster(nodes: 1, partitions: 1, endpoints: ["nowhere:1"])
    cluster.unknownAddresses = ["nowhere:1": "the name has no address"]
    let message = refusal(cluster, .get(key: "a"))
    #expect(message.contains("nowhere:1: the name has no address"), "\(message)")
    #expect(message.hasSuffix("check that the address is a kvnode's, then retry"), "\(message)")
  }

  @Test func severalCausesHaveTheirAdvicesOnce() {
    let cluster = FakeCluster(nodes: 3, partitions: 1)
    cluster.health = [NodeID(1): .down, NodeID(2): .down, NodeID(3): .babbles]
    let message = refusal(cluster, .get(key: "a"))
    #expect(
      message.hasSuffix(
        "start what is down, or correct its address; check that the address is a kvnode's, then "
          + "retry"), "\(message)")
  }

  /// Where a node answers that it can't serve yet, that is what is said.
  @Test func whyThereIsNoMapIsSaid() {
    let cluster = FakeCluster(nodes: 2, partitions: 1)
    cluster.health[NodeID(2)] = .down
    cluster.script = { _, request in
      guard case .map = request.body else { return nil }
      return .reply(FakeCluster.failure(.starting))
    }
    let message = refusal(cluster, .get(key: "a"))
    #expect(
      message.contains("(said starting)") && message.hasSuffix("nothing was done; retry"),
      "\(message)")
    // And what each endpoint says of itself is there all the same.
    guard case .status(let report)? = cluster.run(.statusAt(endpoint: "h1:1")) else {
      Issue.record("no status")
      return
    }
    #expect(report.node == NodeID(1))
    #expect(refusal(cluster, .statusAt(endpoint: "h9:1")).contains("none of the endpoints"))
  }

  /// Two endpoints of one node: one of them is an alias of the other.
  @Test func theStatusOfAnAliasIsThatOfItsNode() {
    let cluster = FakeCluster(nodes: 1, partitions: 1, endpoints: ["proxy1:1", "h1:1", "proxy1:2"])
    for endpoint in ["h1:1", "proxy1:2", "proxy1:1"] {
      guard case .status(let report)? = cluster.run(.statusAt(endpoint: endpoint)) else {
        Issue.record("no status at \(endpoint)")
        continue
      }
      #expect(report.node == NodeID(1))
    }
  }
}
