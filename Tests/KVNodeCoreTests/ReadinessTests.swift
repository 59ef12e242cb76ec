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

  private func waiting(_ cluster: TestCluster, _ at: Int) throws -> String {
    guard case .status(let report)? = try cluster.ask(at, Request(.status)),
      case .health(let health)? = try cluster.ask(at, Request(.health))
    else {
      Issue.record("status and health are not served")
      return ""
    }
    #expect(report.waitsFor == health.waitsFor)
    return report.waitsFor
  }

  @Test func aNodeThatWaitsSaysForWhomAndWhy() throws {
    let cluster = try TestCluster(down: 1..<3)
    try cluster.run(milliseconds: 5_000)
    let alone = try waiting(cluster, 0)
    #expect(
      alone.hasSuffix(
        "not met: n2 (nobody listens at 127.0.0.1:7402), n3 (nobody listens at 127.0.0.1:7403)"),
      "\(alone)")
    // Whoever is turned away hears the same, and the log once.
    guard case .failed(let failure)? = try cluster.ask(0, cluster.get("a")) else {
      Issue.record("a get was answered")
      return
    }
    #expect(failure.reason == .starting && failure.message.hasSuffix(alone))
    #expect(cluster.nodes[0].notes == [alone])
    for at in 1..<3 { try cluster.setUp(at) }
    try cluster.run(milliseconds: 3_000)
    #expect(try waiting(cluster, 0).isEmpty)
    #expect(cluster.nodes[0].notes.last == "waiting no longer")
    #expect(cluster.nodes[0].notes.count { $0 == alone } == 1)
  }

  @Test func aNodeThatIsRefusedSaysWhy() throws {
    let cluster = try TestCluster(nodes: 3) { configuration in
      if configuration.node == NodeID(2) { configuration.partitions = 8 }
    }
    try cluster.run(milliseconds: 3_000)
    let refused = try waiting(cluster, 1)
    #expect(refused.contains("n1 (it refuses this node: nodes 2 and 1 were started with different"))
    #expect(refused.contains("n3 (it refuses this node: nodes 2 and 3 were started with different"))
  }

  @Test func anInterpretersReasonIsSaid() throws {
    let cluster = try TestCluster(down: 1..<3)
    cluster.unknownAddresses = ["127.0.0.1:7402": "the name has no address"]
    try cluster.run(milliseconds: 1_000)
    #expect(try waiting(cluster, 0).contains("n2 (the name has no address), n3 (nobody listens"))
  }

  /// One that comes back into a formed cluster waits as well, and one that is cut off later.
  @Test func aMemberWithoutAMajoritySaysForWhomItWaits() throws {
    let cluster = try TestCluster()
    try cluster.run(milliseconds: 1_000)
    try cluster.setDown(1)
    try cluster.run(milliseconds: 2_000)
    #expect(try waiting(cluster, 0).isEmpty)
    try cluster.setDown(2)
    try cluster.run(milliseconds: 2_000)
    let text =
      "waiting for a majority of the nodes; not reached: n2 (nobody listens at 127.0.0.1:7402), "
      + "n3 (nobody listens at 127.0.0.1:7403)"
    #expect(try waiting(cluster, 0) == text)
    try cluster.restart(0)
    try cluster.run(milliseconds: 2_000)
    #expect(try waiting(cluster, 0) == text)
    #expect(cluster.nodes[0].notes == [text])
    try cluster.restart(1)
    try cluster.run(milliseconds: 2_000)
    #expect(try waiting(cluster, 0).isEmpty)
    #expect(cluster.nodes[0].notes == [text, "waiting no longer"])
  }

  @Test func nodesThatStartTogetherLogNoWait() throws {
    let cluster = try TestCluster()
    try cluster.run(milliseconds: 3_000)
    for node in cluster.nodes {
      #expect(node.notes.allSatisfy { !$0.contains("not met") && !$0.contains("waiting") })
    }
  }

  @Test(arguments: Consistency.allCases)
  func writesHaveTheLevelsOfTheirKeyspace(_ level: Consistency) throws {
    let cluster = try TestCluster()
    try cluster.run(milliseconds: 1_000)
    let leader = try #require(cluster.leader(of: "a"))
    var request = cluster.put("a", "1")
    request.consistency = level
    let reply = try cluster.ask(leader, request, timeout: 500)
    switch level {
    case .linearizable, .quorum:
      guard case .applied(.written, let receipt)? = reply else {
        Issue.record("\(level.name): \(String(describing: reply))")
        return
      }
      #expect(receipt.served == .commit)
    case .session, .stale, .one, .all:
      guard case .failed(let failure)? = reply else {
        Issue.record("\(level.name): \(String(describing: reply))")
        return
      }
      #expect(failure.code == .invalidArgument && failure.notStarted)
      #expect(failure.message.hasSuffix("use linearizable or quorum"))
    }
  }

  @Test(arguments: Consistency.allCases)
  func readsHaveTheLevelsOfTheirKeyspace(_ level: Consistency) throws {
    let cluster = try TestCluster()
    try cluster.run(milliseconds: 1_000)
    let leader = try #require(cluster.leader(of: "a"))
    let reply = try cluster.ask(leader, cluster.get("a", level), timeout: 500)
    switch level {
    case .linearizable, .quorum, .session, .stale:
      guard case .read(.record, _)? = reply else {
        Issue.record("\(level.name): \(String(describing: reply))")
        return
      }
    case .one, .all:
      guard case .failed(let failure)? = reply else {
        Issue.record("\(level.name): \(String(describing: reply))")
        return
      }
      #expect(failure.code == .invalidArgument)
      #expect(failure.message.hasSuffix("use linearizable, quorum, session or stale"))
    }
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
