import KVBase
import KVCommand
import KVLog
import KVRaft
import KVState
import KVWire
import Testing

@testable import KVNodeCore

/// Nodes on their way into a cluster, and those that come back into one.
@Suite struct ReadinessTests {
  /// A node whose replicas were made and which was cut off before it voted is where it was: it asks
  /// nobody, and vouches for the blank ones.
  @Test func aNodeCutOffBetweenItsReplicasAndItsFirstVoteGoesOn() throws {
    let cluster = try TestCluster(down: 0..<3)
    let log = try TestCluster.makeLog(node: 1)
    for (at, set) in Bootstrap.replicaSets(cluster.nodes[0].configuration).enumerated() {
      let configuration = GroupConfiguration(voters: set.voters, learners: set.learners)
      try log.append([
        .reset(
          GroupID(UInt32(at)), generation: Generation(1), index: .zero, term: .zero,
          configuration: configuration)
      ])
    }
    try log.sync()
    let node = try TestNode(
      cluster.nodes[0].configuration, log: log.restart(), state: MemoryState(), now: cluster.now)
    try cluster.setUp(0, node)
    for at in 1..<3 { try cluster.setUp(at) }
    try cluster.run(milliseconds: 3_000)
    for node in cluster.nodes {
      #expect(node.map.isFormed && node.map == cluster.nodes[0].map)
      #expect(node.map.members.map(\.incarnation) == [1000, 2000, 3000])
      #expect(node.fatal == nil)
    }
    // What it had made is there, and not made anew.
    #expect(cluster.nodes[0].begun.isEmpty)
    let leader = try #require(cluster.leader(of: "a"))
    guard case .applied? = try cluster.ask(leader, cluster.put("a", "1"), timeout: 200) else {
      Issue.record("the cluster does not serve")
      return
    }
  }

  @Test func aNodeThatNobodyLetInIsNotReady() throws {
    let cluster = try TestCluster(down: 1..<3)
    try cluster.run(milliseconds: 1_000)
    #expect(cluster.nodes[0].replicas.isEmpty)
    guard case .health(let alone)? = try cluster.ask(0, Request(.health)) else {
      Issue.record("health is not served")
      return
    }
    #expect(alone.groups == 0 && !alone.isReady)
    for at in 1..<3 { try cluster.setUp(at) }
    try cluster.run(milliseconds: 1_000)
    guard case .health(let formed)? = try cluster.ask(0, Request(.health)) else {
      Issue.record("health is not served")
      return
    }
    #expect(formed.groups == 5 && formed.isReady)
  }

  /// Who comes back is dialed, greeted and sent to first; a leadership is for one that lasts.
  @Test func leadershipGoesBackOnlyToANodeThatHasBeenThereForAWhile() throws {
    let cluster = try TestCluster(partitions: 8)
    try cluster.run(milliseconds: 500)
    let preferring = cluster.nodes[1].map.replicaSets.enumerated().compactMap { at, set in
      set.voters.first?.node == NodeID(1) ? GroupID(UInt32(at)) : nil
    }
    #expect(preferring.count > 1)
    func ledByFirst() -> Int { preferring.count { cluster.leader(of: $0, seenBy: 1) == 0 } }
    #expect(ledByFirst() == preferring.count)
    try cluster.setDown(0)
    try cluster.run(milliseconds: 3_000)
    #expect(ledByFirst() == 0)
    try cluster.restart(0)
    for _ in 0..<18 {
      try cluster.run(milliseconds: 100)
      #expect(ledByFirst() == 0)
    }
    // Attempts that failed while it was away have made the pauses longer.
    for _ in 0..<20 where ledByFirst() < preferring.count { try cluster.run(milliseconds: 1_000) }
    #expect(ledByFirst() == preferring.count)
  }

  /// A link tries several times a second; the log says the reason once.
  @Test func whyADialIsRefusedIsSaidOnce() throws {
    let cluster = try TestCluster {
      // Node 3 was started for another cluster.
      if $0.node == NodeID(3) { $0.partitions = 8 }
    }
    try cluster.run(milliseconds: 10_000)
    let dials = cluster.dialed.filter { $0.from == 0 && $0.address == "127.0.0.1:7403" }
    #expect(dials.count > 3)
    for node in cluster.nodes {
      #expect(!node.warnings.isEmpty)
      #expect(Set(node.warnings).count == node.warnings.count, "\(node.warnings)")
    }
  }

  // MARK: Addresses

  /// A node started without peers has no address that others could reach it by.
  @Test func aNodeWithoutAnAddressKeepsTheOneInTheMap() throws {
    let cluster = try TestCluster()
    try cluster.run(milliseconds: 1_000)
    let map = cluster.nodes[0].map
    for at in 0..<3 {
      try cluster.restart(at) { $0.address = "" }
      try cluster.run(milliseconds: 3_000)
    }
    for node in cluster.nodes { #expect(node.map == map) }
  }

  /// Nor is one registered with the incarnation, when the map has yet to learn that.
  @Test func anEmptyAddressIsNotRegistered() throws {
    let cluster = try TestCluster(down: 0..<3) { $0.address = "" }
    for at in 0..<3 { cluster.proxies["127.0.0.1:\(7401 + at)"] = at }
    for at in 0..<3 { try cluster.setUp(at) }
    try cluster.run(milliseconds: 2_000)
    for node in cluster.nodes {
      #expect(node.map.members.map(\.incarnation) == [1000, 2000, 3000])
      #expect(node.map.members.map(\.address) == (1...3).map { "127.0.0.1:\(7400 + $0)" })
    }
  }
}
