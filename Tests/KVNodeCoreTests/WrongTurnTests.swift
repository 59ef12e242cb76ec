import KVBase
import KVCommand
import KVWire
import Testing

@testable import KVNodeCore

/// What a node answers a client that was routed by another map.
@Suite struct WrongTurnTests {
  /// Four nodes, three of which hold each partition; a key, and who does not hold it.
  private func cluster() throws -> (TestCluster, key: Bytes, holders: [Int], stranger: Int) {
    let cluster = try TestCluster(nodes: 4)
    try cluster.run(milliseconds: 1_000)
    let set = try #require(cluster.nodes[0].map.replicaSet(of: cluster.group(of: "a")))
    #expect(set.nodes.count == 3)
    let holders = set.nodes.map { Int($0.rawValue) - 1 }
    let stranger = try #require((0..<4).first { !holders.contains($0) })
    return (cluster, "a", holders, stranger)
  }

  private func failure(_ reply: Reply?) throws -> Failure {
    guard case .failed(let failure)? = reply else {
      Issue.record("not refused: \(String(describing: reply))")
      throw CancellationError()
    }
    return failure
  }

  @Test func aNodeWithoutAReplicaSaysWhereTheGroupIs() throws {
    let (cluster, key, holders, stranger) = try cluster()
    let map = cluster.nodes[stranger].map
    let group = cluster.group(of: key)
    let set = try #require(map.replicaSet(of: group))
    let scan = ScanCommand(
      keyspace: .default, from: Bytes(), to: nil, descending: false, keysOnly: false, limit: 1)
    for request in [
      cluster.put(key, "1"), cluster.get(key), cluster.get(key, .stale),
      Request(.read(.scan(scan)), group: group),
    ] {
      let refusal = try failure(try cluster.ask(stranger, request))
      #expect(refusal.reason == .notReplica && refusal.code == .unavailable)
      #expect(refusal.notStarted)
      #expect(refusal.leader == set.voters.first?.node)
      let route = try #require(refusal.route)
      #expect(route.group == group && route.epoch == set.epoch)
      #expect(route.replicas.map { Int($0.id.rawValue) - 1 } == holders)
      #expect(
        route.replicas.map(\.address) == holders.map { cluster.nodes[$0].configuration.address })
    }
    // Who holds a replica and does not lead says who leads; nothing is wrong with the route.
    let leader = try #require(cluster.leader(of: group, seenBy: holders[0]))
    let follower = try #require(holders.first { $0 != leader })
    let refusal = try failure(try cluster.ask(follower, cluster.put(key, "1")))
    #expect(refusal.reason == .notLeader && refusal.route == nil)
  }

  /// The client knows a newer version than the node: it is not to be sent back by an older one.
  @Test func aNewerEpochThanTheNodesIsAnsweredMapBehind() throws {
    let (cluster, key, holders, stranger) = try cluster()
    let set = try #require(cluster.nodes[0].map.replicaSet(of: cluster.group(of: key)))
    let newer = Epoch(set.epoch.rawValue + 1)
    for at in [stranger] + holders {
      for var request in [cluster.put(key, "1"), cluster.get(key), cluster.get(key, .stale)] {
        request.epoch = newer
        let refusal = try failure(try cluster.ask(at, request))
        #expect(refusal.reason == .mapBehind && refusal.notStarted)
        #expect(refusal.route == nil && refusal.retryAfter > .zero)
      }
    }
    // What has changed elsewhere in the map is no reason: the group's own epoch counts.
    let meta = try #require(cluster.leader(of: .meta))
    _ = try cluster.ask(
      meta, cluster.mutation(.meta(.createKeyspace(name: "carts", mode: .cp))), timeout: 200)
    try cluster.run(milliseconds: 200)
    #expect(cluster.nodes[holders[0]].map.epoch > set.epoch)
    let leader = try #require(cluster.leader(of: key, seenBy: holders[0]))
    for epoch in [nil, Epoch(0), set.epoch] as [Epoch?] {
      var request = cluster.put(key, "1")
      request.epoch = epoch
      guard case .applied? = try cluster.ask(leader, request, timeout: 200) else {
        Issue.record("refused for \(String(describing: epoch))")
        continue
      }
    }
  }

  /// What is refused by the map alone, before anything is proposed or read.
  @Test func whatTheMapDoesNotHaveIsRefusedWithItsReason() throws {
    let cluster = try TestCluster()
    try cluster.run(milliseconds: 500)
    let meta = try #require(cluster.leader(of: .meta))
    let made = try cluster.ask(
      meta, cluster.mutation(.meta(.createKeyspace(name: "carts", mode: .cp))), timeout: 200)
    guard case .applied(.keyspace(let carts), _)? = made else {
      Issue.record("not created: \(String(describing: made))")
      return
    }
    _ = try cluster.ask(meta, cluster.mutation(.meta(.dropKeyspace(name: "carts"))), timeout: 200)
    try cluster.run(milliseconds: 300)
    let key: Bytes = "a"
    func put(_ keyspace: KeyspaceID) -> Request {
      cluster.mutation(.mutate(keyspace: keyspace, key: key, .put(value: "1")))
    }
    let elsewhere = try #require(
      (0..<100).map { Bytes("k\($0)") }.first { cluster.group(of: $0) != cluster.group(of: key) })
    let scan = ScanCommand(
      keyspace: .default, from: Bytes(), to: nil, descending: false, keysOnly: false, limit: 1)
    var late = cluster.put(key, "1")
    late.deadline = .zero
    let unknown = KeyspaceID(99)
    let cases: [(name: String, Request, Reason)] = [
      ("put, id not given yet", put(unknown), .mapBehind),
      ("get, id not given yet", Request(.read(.get(keyspace: unknown, key: key))), .mapBehind),
      ("put, dropped", put(carts.id), .unknownKeyspace),
      ("get, dropped", Request(.read(.get(keyspace: carts.id, key: key))), .unknownKeyspace),
      (
        "keys of two partitions",
        Request(.read(.multiGet(keyspace: .default, keys: [key, elsewhere]))), .malformed
      ),
      ("deadline over", late, .expired),
      ("scan of the meta group", Request(.read(.scan(scan)), group: .meta), .malformed),
      ("scan of no group", Request(.read(.scan(scan))), .malformed),
    ]
    // Each of the three, so that the leader is among them.
    for at in 0..<3 {
      for (name, request, reason) in cases {
        let reply = try cluster.ask(at, request)
        guard case .failed(let failure)? = reply else {
          Issue.record("\(name): \(String(describing: reply))")
          continue
        }
        #expect(failure.reason == reason && failure.notStarted, "\(name)")
      }
    }
  }
}
