import KVBase
import KVClientCore
import KVCommand
import KVWire
import Testing

@Suite struct RoutingTests {
  func put(_ key: String, _ value: String = "v") -> ClientOperation {
    .mutate(key: Bytes(key), .put(value: Bytes(value)))
  }

  @Test func aCallFetchesTheMapAndGoesToTheLeader() throws {
    let cluster = FakeCluster()
    guard case .applied(.written, let receipt) = cluster.run(put("a")) else {
      Issue.record("\(String(describing: cluster.completions))")
      return
    }
    #expect(receipt.node == cluster.leader(of: "a"))
    guard case .record(let record?, _) = cluster.run(.get(key: "a")) else {
      Issue.record("no record")
      return
    }
    #expect(record.value == "v")
    // One map, one put, one get: no detours.
    #expect(cluster.received.count == 3)
  }

  @Test func everyKeyGoesToItsOwnLeaderOverOneConnectionANode() {
    let cluster = FakeCluster()
    for i in 0..<200 { cluster.call(put("k\(i)")) }
    #expect(cluster.completions.count == 200)
    #expect(cluster.connectCount == 3)
    let wrong = cluster.received.filter { received in
      guard let key = received.command?.target?.key else { return false }
      return cluster.leader(of: key) != received.node
    }
    #expect(wrong.isEmpty)
  }

  @Test func aHintIsFollowedAtOnceAndRemembered() {
    let cluster = FakeCluster()
    _ = cluster.run(put("a"))
    let group = Int(cluster.group(of: "a").rawValue)
    let next = cluster.replicas(of: group)[2]
    cluster.leaders[group] = next
    let before = cluster.now
    cluster.received = []
    _ = cluster.run(put("a"))
    #expect(cluster.now == before)
    #expect(cluster.received.count == 2)
    cluster.received = []
    _ = cluster.run(put("a"))
    #expect(cluster.received.map(\.node) == [next])
  }

  @Test func withoutAHintTheOtherReplicasAreAskedAtOnce() {
    let cluster = FakeCluster()
    _ = cluster.run(put("a"))
    let group = Int(cluster.group(of: "a").rawValue)
    cluster.leaders[group] = cluster.replicas(of: group)[2]
    cluster.hintsLeader = false
    let before = cluster.now
    guard case .applied = cluster.run(put("a")) else {
      Issue.record("not applied")
      return
    }
    #expect(cluster.now == before)
  }

  @Test func aKilledLeaderIsLeftAtOnce() {
    let cluster = FakeCluster()
    _ = cluster.run(put("a"))
    let group = Int(cluster.group(of: "a").rawValue)
    let old = cluster.leaders[group]
    cluster.leaders[group] = cluster.replicas(of: group)[1]
    cluster.kill(old)
    let before = cluster.now
    guard case .applied(_, let receipt) = cluster.run(put("a")) else {
      Issue.record("not applied")
      return
    }
    #expect(receipt.node == cluster.leaders[group])
    #expect(cluster.now - before == .zero)
  }

  @Test func aSilentLeaderIsLeftAfterTheAttemptTimeout() {
    let cluster = FakeCluster()
    _ = cluster.run(put("a"))
    let group = Int(cluster.group(of: "a").rawValue)
    let old = cluster.leaders[group]
    cluster.health[old] = .silent
    let id = cluster.call(put("a"))
    cluster.advance(milliseconds: 300)
    cluster.leaders[group] = cluster.replicas(of: group)[1]
    let before = cluster.now
    cluster.finish(id)
    guard case .applied(_, let receipt) = cluster.completions[id] else {
      Issue.record("not applied")
      return
    }
    #expect(receipt.node != old)
    #expect(cluster.now - before <= .milliseconds(600))
    // Later calls do not run into it again.
    let started = cluster.now
    _ = cluster.run(put("a", "2"))
    #expect(cluster.now == started)
  }

  @Test func anElectionIsWaitedFor() {
    let cluster = FakeCluster()
    _ = cluster.run(put("a"))
    cluster.noLeader = true
    let id = cluster.call(put("a"))
    cluster.advance(milliseconds: 900)
    #expect(cluster.completions[id] == nil)
    cluster.noLeader = false
    cluster.finish(id)
    guard case .applied = cluster.completions[id] else {
      Issue.record("not applied")
      return
    }
    // Backed off: not a flood of requests.
    #expect(cluster.received.count < 60)
  }

  @Test func twoNodesThatPointAtEachOtherAreNotAskedForEver() {
    let cluster = FakeCluster()
    _ = cluster.run(put("a"))
    let replicas = cluster.replicas(of: Int(cluster.group(of: "a").rawValue))
    cluster.script = { node, request in
      guard case .mutate = request.body else { return nil }
      return .reply(
        FakeCluster.failure(.notLeader, leader: node == replicas[0] ? replicas[1] : replicas[0]))
    }
    cluster.received = []
    var options = CallOptions()
    options.timeout = .seconds(2)
    guard case .rejected = cluster.run(put("a"), options) else {
      Issue.record("not rejected")
      return
    }
    #expect(cluster.received.count < 200)
  }

  @Test func staleReadsSpreadOverTheReplicas() {
    let cluster = FakeCluster()
    _ = cluster.run(put("a"))
    var options = CallOptions()
    options.consistency = .stale
    cluster.received = []
    for _ in 0..<30 { _ = cluster.run(.get(key: "a"), options) }
    let nodes = Set(cluster.received.map(\.node))
    #expect(nodes.count >= 1)
    // All of them once they are connected.
    for i in 0..<30 { _ = cluster.run(put("k\(i)")) }
    cluster.received = []
    for _ in 0..<30 { _ = cluster.run(.get(key: "a"), options) }
    #expect(Set(cluster.received.map(\.node)).count == 3)
  }

  @Test func staleReadsAreServedByTheLastSurvivor() {
    let cluster = FakeCluster()
    _ = cluster.run(put("a"))
    cluster.kill(NodeID(1))
    cluster.kill(NodeID(2))
    cluster.withoutQuorum = true
    var options = CallOptions()
    options.consistency = .stale
    guard case .record(let record?, let receipt) = cluster.run(.get(key: "a"), options) else {
      Issue.record("no record")
      return
    }
    #expect(record.value == "v")
    #expect(receipt.node == NodeID(3))
  }

  @Test func theFirstLivingEndpointIsFound() {
    for health in [FakeCluster.Health.down, .blackHole] {
      let cluster = FakeCluster()
      cluster.health[NodeID(1)] = health
      cluster.health[NodeID(2)] = health
      let before = cluster.now
      guard case .map = cluster.run(.map) else {
        Issue.record("no map")
        return
      }
      #expect(cluster.now - before <= .milliseconds(600))
    }
  }

  @Test func aLocalAddressOverridesTheMap() {
    let cluster = FakeCluster(endpoints: ["1=proxy1:9", "h2:1", "h3:1"])
    for i in 0..<20 { cluster.call(put("k\(i)")) }
    #expect(cluster.completions.count == 20)
    #expect(cluster.node(at: "proxy1:9") == NodeID(1))
    // n1 is reached by the proxy alone: were h1:1 used too, that would be a fourth connection.
    #expect(cluster.connectCount == 3)
  }

  @Test func twoEndpointsOfOneNodeShareAConnection() {
    let cluster = FakeCluster(endpoints: ["proxy1:1", "proxy1:2", "proxy1:3"])
    for i in 0..<40 { _ = cluster.run(put("k\(i)")) }
    #expect(cluster.completions.count == 40)
    #expect(Set(cluster.open.values).count == cluster.open.count)
  }

  @Test func aNodeOfAnotherClusterIsRefused() {
    let cluster = FakeCluster()
    _ = cluster.run(put("a"))
    let group = Int(cluster.group(of: "a").rawValue)
    cluster.view.map.clusterID = 78
    cluster.disconnect(cluster.leaders[group])
    var options = CallOptions()
    options.timeout = .seconds(1)
    guard case .rejected(let failure) = cluster.run(put("a"), options) else {
      Issue.record("not rejected")
      return
    }
    #expect(failure.code == .unavailable)
  }

  @Test func aNewKeyspaceIsFoundAndAMissingOneIsSaid() {
    let cluster = FakeCluster()
    var options = CallOptions(keyspace: "accounts")
    guard case .rejected(let failure) = cluster.run(put("a"), options) else {
      Issue.record("not rejected")
      return
    }
    #expect(failure.code == .notFound)
    #expect(failure.message.contains("accounts"))
    _ = cluster.run(.createKeyspace(name: "accounts", mode: .cp))
    guard case .applied(.written, _) = cluster.run(put("a"), options) else {
      Issue.record("not applied")
      return
    }
    // A node whose map is behind is asked again.
    var refusals = 3
    cluster.script = { _, request in
      guard case .mutate = request.body, refusals > 0 else { return nil }
      refusals -= 1
      return .reply(FakeCluster.failure(.unknownKeyspace, code: .notFound))
    }
    guard case .applied(.written, _) = cluster.run(put("b"), options) else {
      Issue.record("not applied after refusals")
      return
    }
    options.keyspace = "accounts"
    #expect(refusals == 0)
  }

  @Test func badArgumentsAreRefusedHere() {
    let cluster = FakeCluster()
    let bad: [ClientOperation] = [
      .get(key: ""),
      .mutate(key: "a", .put(value: Bytes([UInt8](repeating: 0, count: (1 << 20) + 1)))),
      .get(key: Bytes([UInt8](repeating: 0, count: 4097))),
      .mutate(key: "a", .add(delta: 1, minimum: 2, maximum: 1)),
      .scan(ScanQuery(limit: 0)), .createKeyspace(name: "a b", mode: .cp),
    ]
    for operation in bad {
      guard case .rejected(let failure) = cluster.run(operation) else {
        Issue.record("not rejected")
        continue
      }
      #expect(failure.code == .invalidArgument)
    }
    #expect(cluster.received.isEmpty)
  }

  @Test func statusAsksThatNodeAndNoOther() {
    let cluster = FakeCluster()
    guard case .status(let report) = cluster.run(.status(NodeID(2))) else {
      Issue.record("no status")
      return
    }
    #expect(report.node == NodeID(2))
    cluster.kill(NodeID(3))
    let before = cluster.now
    guard case .rejected(let failure) = cluster.run(.status(NodeID(3))) else {
      Issue.record("not rejected")
      return
    }
    #expect(failure.message.contains("n3 down"))
    #expect(cluster.now == before)
  }

  @Test func goawayMovesCallsElsewhere() {
    let cluster = FakeCluster()
    _ = cluster.run(put("a"))
    let group = Int(cluster.group(of: "a").rawValue)
    let old = cluster.leaders[group]
    cluster.leaders[group] = cluster.replicas(of: group)[1]
    cluster.say(Goaway(.shuttingDown, "it is shutting down"), old)
    let before = cluster.now
    guard case .applied(_, let receipt) = cluster.run(put("a")) else {
      Issue.record("not applied")
      return
    }
    #expect(receipt.node != old)
    #expect(cluster.now == before)
  }
}
