import KVBase
import KVCommand
import KVLog
import KVRaft
import KVState
import KVWire
import Testing

@testable import KVNodeCore

/// The map is an input: how a cluster is formed, who gets the map, and what a later start reads of
/// its flags.
@Suite struct MapTests {
  private func failure(_ reply: Reply?) -> Failure? {
    if case .failed(let failure)? = reply { failure } else { nil }
  }

  private func isApplied(_ reply: Reply?) -> Bool {
    if case .applied? = reply { true } else { false }
  }

  // MARK: Forming

  @Test func theFirstVersionIsAnEntryOfTheMetaGroup() throws {
    let cluster = try TestCluster()
    try cluster.run(milliseconds: 500)
    for node in cluster.nodes {
      #expect(node.map.isFormed && node.map.clusterID != 0)
      let commands = try node.commands(of: .meta)
      let forming = commands.compactMap { command -> ClusterMap? in
        if case .meta(.form(let map)) = command.body { map } else { nil }
      }
      guard case .meta(.form(let first))? = commands.first?.body else {
        Issue.record("the first command is \(String(describing: commands.first))")
        continue
      }
      #expect(forming == [first])
      #expect(first.epoch == Epoch(1) && first.clusterID == node.map.clusterID)
      #expect(first.replicaSets == node.map.replicaSets)
      #expect(node.map == cluster.nodes[0].map)
      // Every member has been met, and the identity file knows the cluster.
      #expect(node.map.members.map(\.incarnation) == [1000, 2000, 3000])
      #expect(node.clusterID == node.map.clusterID)
    }
  }

  /// A node that has not met enough others, and one whose cluster has no map yet.
  @Test(arguments: [true, false])
  func beforeThereIsAMapOnlyStatusAndHealthAreServed(_ isAlone: Bool) throws {
    let cluster = try TestCluster(down: isAlone ? 1..<3 : 0..<3)
    if !isAlone {
      for node in cluster.nodes { node.isDiskStuck = true }
      for at in 0..<3 { try cluster.setUp(at) }
    }
    try cluster.run(milliseconds: 1_000)
    #expect(!cluster.nodes[0].map.isFormed)
    #expect(cluster.nodes[0].replicas.isEmpty == isAlone)
    let scan = ScanCommand(
      keyspace: .default, from: Bytes(), to: nil, descending: false, keysOnly: false, limit: 1)
    let requests = [
      Request(.map), cluster.get("a"), cluster.get("a", .stale), cluster.put("a", "1"),
      Request(.read(.multiGet(keyspace: .default, keys: ["a"]))),
      Request(.read(.scan(scan)), group: GroupID(1)),
      cluster.mutation(.meta(.createKeyspace(name: "carts", mode: .cp))),
    ]
    for request in requests {
      let refusal = try #require(failure(try cluster.ask(0, request)), "\(request.body)")
      #expect(refusal.reason == .starting && refusal.notStarted)
      #expect(refusal.retryAfter > .zero)
      let missing =
        "not met: n2 (nobody listens at 127.0.0.1:7402), n3 (nobody listens at 127.0.0.1:7403)"
      #expect(refusal.message.contains(isAlone ? missing : "is being formed"))
    }
    guard case .health(let health)? = try cluster.ask(0, Request(.health)),
      case .status(let report)? = try cluster.ask(0, Request(.status))
    else {
      Issue.record("status and health are not served")
      return
    }
    #expect(health.groupsWithLeader == 0)
    #expect(report.clusterID == 0 && report.epoch == Epoch(0))
  }

  /// With five nodes, three that have met rule nothing out: the other two and a wiped one may have
  /// been a majority.
  @Test func aBlankNodeWritesNothingUntilEnoughHaveMet() throws {
    let cluster = try TestCluster(nodes: 5, down: 3..<5)
    try cluster.run(milliseconds: 3_000)
    for node in cluster.nodes {
      #expect(node.replicas.isEmpty && node.log.statistics.batches == 0)
    }
    try cluster.setUp(3)
    try cluster.run(milliseconds: 1_000)
    for at in 0..<4 { #expect(cluster.nodes[at].map.isFormed) }
    #expect(cluster.nodes[4].log.statistics.batches == 0)
    try cluster.setUp(4)
    try cluster.run(milliseconds: 1_000)
    #expect(cluster.nodes[4].map == cluster.nodes[0].map)
    #expect(cluster.nodes[4].map.member(NodeID(5))?.incarnation == 5000)
  }

  /// The meta group has five voters; the other nodes learn every version from them.
  @Test(arguments: [6, 7])
  func everyNodeGetsEveryVersion(_ count: Int) throws {
    let cluster = try TestCluster(nodes: count)
    try cluster.run(milliseconds: 1_500)
    let meta = try #require(cluster.nodes[0].map.replicaSet(of: .meta))
    #expect(meta.voters.map(\.node.rawValue) == [1, 2, 3, 4, 5])
    #expect(meta.learners.count == count - 5)
    let before = cluster.nodes[0].map
    #expect(before.members.allSatisfy { $0.incarnation == UInt64($0.node.rawValue) * 1000 })
    #expect(cluster.nodes.allSatisfy { $0.map == before })
    let at = try #require(cluster.leader(of: .meta))
    let made = try cluster.ask(
      at, cluster.mutation(.meta(.createKeyspace(name: "carts", mode: .cp))), timeout: 200)
    #expect(isApplied(made))
    try cluster.run(milliseconds: 200)
    for node in cluster.nodes {
      #expect(node.map.epoch > before.epoch)
      #expect(node.map.keyspace(named: "carts") != nil)
      #expect(node.map == cluster.nodes[0].map)
    }
  }

  // MARK: Later starts

  @Test func aRestartWithOtherFlagsOpensWhatTheDiskHolds() throws {
    let cluster = try TestCluster()
    try cluster.run(milliseconds: 500)
    let leader = try #require(cluster.leader(of: "a"))
    #expect(isApplied(try cluster.ask(leader, cluster.put("a", "1"), timeout: 200)))
    try cluster.run(milliseconds: 100)
    let map = cluster.nodes[2].map
    try cluster.restart(2) {
      $0.members = [.init(node: NodeID(3), address: "127.0.0.1:7403")]
      $0.partitions = 8
      $0.replication = 1
    }
    try cluster.run(milliseconds: 1_000)
    let node = cluster.nodes[2]
    #expect(node.fatal == nil)
    #expect(node.map == map)
    #expect(node.replicas == (0..<5).map { GroupID($0) })
    #expect(node.begun.isEmpty && node.log.recovered.count == 5)
    let report = node.core.report(now: cluster.now.instant)
    #expect(report.peers.map(\.node.rawValue) == [1, 2])
    #expect(report.peers.allSatisfy { $0.isConnected })
    // It takes part again, and routes by the map: with 8 partitions most keys would go elsewhere.
    for at in 0..<40 {
      let key = Bytes("k\(at)")
      guard case .read(_, let receipt)? = try cluster.ask(2, cluster.get(key, .stale)) else {
        Issue.record("\(key) is not served")
        continue
      }
      #expect(receipt.group == cluster.group(of: key))
    }
    for replica in report.groups {
      let other = try #require(cluster.nodes[0].report(replica.group, cluster.now))
      #expect(replica.applied == other.applied && replica.digest == other.digest)
    }
  }

  /// All at once, each alone in its flags: nothing but the disk says who the others are.
  @Test func aClusterRestartedWithoutPeersFindsItselfAgain() throws {
    let cluster = try TestCluster()
    try cluster.run(milliseconds: 500)
    let map = cluster.nodes[0].map
    for at in 0..<3 { try cluster.setDown(at) }
    for at in 0..<3 {
      try cluster.restart(at) { configuration in
        configuration.members.removeAll { $0.node != configuration.node }
      }
    }
    try cluster.run(milliseconds: 2_000)
    let leader = try #require(cluster.leader(of: "a"))
    #expect(isApplied(try cluster.ask(leader, cluster.put("a", "1"), timeout: 200)))
    for node in cluster.nodes { #expect(node.map == map) }
  }

  /// Killed when its replica of the meta group is made and before there is a map; what was not
  /// synced may be gone.
  @Test(arguments: [true, false], [true, false])
  func aNodeKilledBetweenAdmissionAndFormationComesBackRight(
    _ losingPower: Bool, _ wasSynced: Bool
  ) throws {
    let cluster = try TestCluster(down: 0..<3)
    let victim = cluster.nodes[1]
    victim.isDiskStuck = !wasSynced
    for at in 0..<3 { try cluster.setUp(at) }
    while victim.replicas.isEmpty { try cluster.run(milliseconds: 10) }
    #expect(!victim.map.isFormed)
    try cluster.restart(1, losingPower: losingPower)
    try cluster.run(milliseconds: 1_500)
    let node = cluster.nodes[1]
    // Blank again where nothing was durable; else what it had made is there, and not made anew.
    // The replicas of partitions follow the map.
    #expect(node.log.recovered.isEmpty == (losingPower && !wasSynced))
    let firstBegun: UInt32 = losingPower && !wasSynced ? 0 : 1
    #expect(node.begun == (firstBegun..<5).map { GroupID($0) })
    #expect(node.fatal == nil)
    #expect(node.map.isFormed && node.map == cluster.nodes[0].map)
    #expect(node.map.members.map(\.incarnation) == [1000, 2000, 3000])
    #expect(node.replicas == (0..<5).map { GroupID($0) })
    for group in node.replicas {
      #expect(node.machines.status(of: group)?.generation == Generation(1))
    }
    for replica in node.core.report(now: cluster.now.instant).groups {
      let other = try #require(cluster.nodes[0].report(replica.group, cluster.now))
      #expect(replica.applied == other.applied && replica.digest == other.digest)
    }
    let leader = try #require(cluster.leader(of: "a"))
    #expect(isApplied(try cluster.ask(leader, cluster.put("a", "1"), timeout: 200)))
  }

  // MARK: Addresses

  @Test func aMemberUnderAnotherAddressIsRegisteredAndFound() throws {
    let cluster = try TestCluster()
    try cluster.run(milliseconds: 1_000)
    for at in 0..<3 {
      // Whoever leads the meta group, the one that moves and the others.
      let address = "127.0.0.1:\(9401 + at)"
      let epoch = cluster.nodes[0].map.epoch
      try cluster.restart(at) { $0.address = address }
      try cluster.run(milliseconds: 3_000)
      for node in cluster.nodes {
        #expect(node.map.member(NodeID(UInt32(at + 1)))?.address == address)
        #expect(node.map.epoch == Epoch(epoch.rawValue + 1))
        let peers = node.core.report(now: cluster.now.instant).peers
        #expect(peers.allSatisfy { $0.isConnected })
      }
      // A client that knows only the map of today finds it.
      guard case .map(let view)? = try cluster.ask(at, Request(.map)) else {
        Issue.record("no map")
        return
      }
      #expect(view.map.member(NodeID(UInt32(at + 1)))?.address == address)
    }
  }

  @Test func addressesGivenLocallyOverrideFlagsAndMap() throws {
    let cluster = try TestCluster(down: 0..<3) {
      if $0.node == NodeID(1) { $0.peerAddresses = [(NodeID(2), "proxy:2")] }
    }
    cluster.proxies["proxy:2"] = 1
    for at in 0..<3 { try cluster.setUp(at) }
    try cluster.run(milliseconds: 1_000)
    #expect(cluster.nodes[0].map.isFormed)
    #expect(cluster.nodes[0].map.member(NodeID(2))?.address == "127.0.0.1:7402")
    // Once there is a map, after a restart, and when the member has moved.
    try cluster.restart(1)
    try cluster.run(milliseconds: 500)
    try cluster.restart(0)
    try cluster.run(milliseconds: 500)
    try cluster.restart(1) { $0.address = "127.0.0.1:9402" }
    try cluster.run(milliseconds: 2_000)
    #expect(cluster.nodes[0].map.member(NodeID(2))?.address == "127.0.0.1:9402")
    let own = cluster.dialed.filter { $0.from == 0 }.map(\.address)
    #expect(own.filter { $0 == "proxy:2" }.count >= 4)
    #expect(Set(own) == ["proxy:2", "127.0.0.1:7403"])
    let others = cluster.dialed.filter { $0.from == 2 }.map(\.address)
    #expect(others.contains("127.0.0.1:7402") && others.contains("127.0.0.1:9402"))
  }
}
