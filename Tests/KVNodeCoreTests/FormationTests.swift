import KVBase
import KVCommand
import KVLog
import KVRaft
import KVState
import KVWire
import Testing

@testable import KVNodeCore

/// A cluster that is cut off while it is being formed, and disks that are lost meanwhile.
@Suite struct FormationTests {
  private static func expectFormed(_ cluster: TestCluster) throws {
    for node in cluster.nodes {
      #expect(node.map.isFormed && node.map == cluster.nodes[0].map)
      #expect(node.fatal == nil)
    }
    let isServed = try cluster.nodes.indices.contains { at in
      if case .applied? = try cluster.ask(at, cluster.put("a", "1"), timeout: 200) {
        true
      } else {
        false
      }
    }
    #expect(isServed)
  }

  // MARK: No disk was lost

  /// One has voted, one has made its replica, and one has nothing yet.
  @Test func aVoteBeforeACrashOfAllKeepsNobodyOut() throws {
    let cluster = try TestCluster(down: 0..<3)
    try cluster.start(0, with: cluster.madeLog(0, vote: ReplicaID(node: NodeID(1))))
    try cluster.start(1, with: cluster.madeLog(1))
    try cluster.setUp(2)
    try cluster.run(milliseconds: 5_000)
    try Self.expectFormed(cluster)
  }

  /// With three of five that hold replicas, the other two are judged by the cluster that those
  /// form.
  @Test func ofFiveTheThreeThatHoldReplicasGoOn() throws {
    let cluster = try TestCluster(nodes: 5, down: 0..<5)
    try cluster.start(0, with: cluster.madeLog(0, vote: ReplicaID(node: NodeID(1))))
    for at in 1...2 { try cluster.start(at, with: cluster.madeLog(at)) }
    for at in 3...4 { try cluster.setUp(at) }
    try cluster.run(milliseconds: 5_000)
    try Self.expectFormed(cluster)
  }

  /// Else a vote could be counted of a replica that a loss of power undoes.
  @Test func aNewReplicaSendsNothingBeforeItIsDurable() throws {
    let cluster = try TestCluster(down: 0..<3)
    cluster.nodes[0].isDiskStuck = true
    for at in 0..<3 { try cluster.setUp(at) }
    try cluster.run(milliseconds: 50)
    try cluster.setDown(2)
    for _ in 0..<100 {
      try cluster.run(milliseconds: 10)
      #expect(cluster.nodes[0].core.report(now: .zero).groups.count == 1)
      // It needs this one, and so stays in term 0.
      #expect(cluster.nodes[1].report(.meta, cluster.now)?.term == .zero)
    }
    cluster.nodes[0].isDiskStuck = false
    for number in cluster.nodes[0].stuck {
      try cluster.nodes[0].give(.persisted(number), cluster.now)
    }
    try cluster.run(milliseconds: 2_000)
    #expect(cluster.nodes[1].map.isFormed)
  }

  /// A partition's replica is made when the map names the node's data directory, not before.
  @Test func replicasOfPartitionsFollowTheMap() throws {
    let cluster = try TestCluster(down: 0..<3)
    for at in 0..<3 {
      cluster.nodes[at].isDiskStuck = true
      try cluster.setUp(at)
    }
    try cluster.run(milliseconds: 50)
    for node in cluster.nodes { #expect(node.replicas == [.meta]) }
    for node in cluster.nodes {
      node.isDiskStuck = false
      for number in node.stuck { try node.give(.persisted(number), cluster.now) }
    }
    for _ in 0..<200 {
      try cluster.run(milliseconds: 10)
      for node in cluster.nodes where !node.map.isFormed { #expect(node.replicas == [.meta]) }
    }
    for node in cluster.nodes {
      #expect(node.begun == (0...4).map { GroupID(UInt32($0)) })
    }
  }

  /// A map that does not name the data directory yet is not enough: the registration of node 4 is
  /// held back.
  @Test func replicasOfPartitionsWaitForTheRegistration() throws {
    let cluster = try TestCluster(nodes: 4, partitions: 8, down: 3..<4)
    try cluster.run(milliseconds: 1_000)
    let leader = try #require(cluster.leader(of: .meta))
    let stuck = (0..<3).filter { $0 != leader }
    for at in stuck { cluster.nodes[at].isDiskStuck = true }
    try cluster.setUp(3)
    let last = cluster.nodes[3]
    for _ in 0..<50 {
      try cluster.run(milliseconds: 10)
      if last.map.isFormed { #expect(last.replicas == [.meta]) }
    }
    #expect(last.map.member(NodeID(4))?.incarnation == 0)
    for at in stuck { try cluster.nodes[at].releaseDisk(cluster.now) }
    try cluster.run(milliseconds: 1_000)
    #expect(last.map.member(NodeID(4))?.incarnation == 4000)
    #expect(last.replicas.count > 1)
  }

  /// The map was applied, and a loss of power came before the record of the replicas was durable.
  /// `keepsState`: what was applied is durable, so that the map is not applied again.
  @Test(arguments: [true, false])
  func replicasThatALossOfPowerTookAreMadeAgain(_ keepsState: Bool) throws {
    let cluster = try TestCluster()
    try cluster.run(milliseconds: 1_000)
    let node = cluster.nodes[2]
    let report = try #require(node.report(.meta, cluster.now))
    let entries = try node.log.read(
      .meta, from: LogIndex(1), through: report.last, maxBytes: .max)
    try cluster.setDown(2)
    let log = try cluster.madeLog(2)
    try log.append([
      .hardState(.meta, HardState(term: report.term, vote: nil)), .entries(.meta, entries),
    ])
    try log.sync()
    let state = keepsState ? node.machines.store : MemoryState()
    try cluster.start(2, with: log.restart(), state: state)
    try cluster.run(milliseconds: 3_000)
    #expect(cluster.nodes[2].replicas.count == 5)
    try Self.expectFormed(cluster)
  }

  // MARK: A disk was lost

  /// Node 1 has voted, perhaps with node 2, of which it is not known that it is new: both are kept
  /// out, and told what a person must do.
  @Test func whereAMajorityOfTheFirstDisksIsGoneAPersonIsAsked() throws {
    let cluster = try TestCluster(down: 0..<3)
    try cluster.start(0, with: cluster.madeLog(0, vote: ReplicaID(node: NodeID(2))))
    for at in 1...2 { try cluster.setUp(at) }
    try cluster.run(milliseconds: 9_000)
    func advice(_ at: Int) -> Int {
      cluster.nodes[at].warnings.count { $0.contains("remove their data directories") }
    }
    #expect(advice(1) == 0 && advice(2) == 0)
    try cluster.run(milliseconds: 20_000)
    for at in 1...2 {
      #expect(cluster.nodes[at].replicas.isEmpty)
      #expect(cluster.nodes[at].log.statistics.batches == 0)
      #expect(advice(at) == 1, "\(cluster.nodes[at].warnings)")
    }
    #expect(!cluster.nodes[0].map.isFormed)
  }

  /// Four of five formed a cluster without the fifth and were stopped; the fifth was started first.
  @Test func noAdviceWhileTheClusterIsOnlyStarting() throws {
    let cluster = try TestCluster(nodes: 5, down: 4..<5)
    try cluster.run(milliseconds: 3_000)
    #expect(cluster.nodes[0].map.isFormed)
    for at in 0..<4 { try cluster.setDown(at) }
    try cluster.setUp(4)
    try cluster.run(milliseconds: 15_000)
    for at in 0..<4 { try cluster.setUp(at) }
    try cluster.run(milliseconds: 8_000)
    #expect(!cluster.nodes[4].warnings.contains { $0.contains("remove their data directories") })
    try Self.expectFormed(cluster)
  }

  /// Two that wait for a third ask each other again and again: no news.
  @Test func askingAgainIsNotReported() throws {
    let cluster = try TestCluster(down: 2..<3)
    try cluster.run(milliseconds: 10_000)
    for at in 0..<2 {
      let events = cluster.nodes[at].peerEvents
      #expect(events.count == 1 && events.allSatisfy(\.isConnected), "\(events)")
      #expect(cluster.nodes[at].notes.count <= 1, "\(cluster.nodes[at].notes)")
    }
    try cluster.setUp(2)
    try cluster.run(milliseconds: 3_000)
    try Self.expectFormed(cluster)
  }

  /// A node that has begun lets a blank one in only where it can tell that its disk is the first.
  @Test(arguments: [true, false])
  func aRegisteredDirectoryNeedsNoLeader(_ isRegistered: Bool) throws {
    let own = TestCluster.configuration(1, of: 3, partitions: 4)
    let map = Bootstrap.map(own, clusterID: 7) { isRegistered ? UInt64($0.rawValue) * 1000 : 0 }
    let membership = Membership(own, isBlank: false, map: map)
    let hello = Hello(
      role: .node, clusterID: 0, creationDigest: own.creationDigest, node: NodeID(2),
      incarnation: 2000, isBlank: true, software: "test")
    let expected: Goaway.Reason? = isRegistered ? nil : .cannotJudgeYet
    #expect(membership.problem(withDialing: hello, canJudge: false)?.reason == expected)
    #expect(membership.problem(withDialing: hello, canJudge: true) == nil)
    // A leader without a map knows nobody.
    let unformed = Membership(own, isBlank: false, map: .unformed)
    #expect(
      unformed.problem(withDialing: hello, canJudge: true)?.reason == .cannotJudgeYet)
  }

  // MARK: Who vouches

  /// How many of these peers it took to let the node in, in this order; `nil`: all do not suffice.
  private func peersNeeded(
    by node: UInt32, of count: Int, _ peers: [(UInt32, Hello.Standing)],
    refusedBy refusing: UInt32? = nil
  ) -> Int? {
    let configuration = TestCluster.configuration(node, of: count, partitions: 4)
    var formation = Formation(configuration, holds: [])
    var outputs = NodeOutputs()
    var orders: [ShardInput] = []
    for (at, peer) in peers.enumerated() {
      formation.met(NodeID(peer.0), peer.1, now: .zero, &outputs)
      if formation.begins(&orders) { return at + 1 }
      if at == 0, let refusing { formation.refused(by: NodeID(refusing)) }
    }
    return nil
  }

  @Test func aJudgeSufficesAndVouchersMustBeEnough() {
    #expect(peersNeeded(by: 2, of: 3, [(1, .begun)]) == 1)
    #expect(peersNeeded(by: 2, of: 3, [(1, .unbegun), (1, .blank), (3, .blank)]) == 3)
    #expect(peersNeeded(by: 2, of: 5, [(1, .blank), (4, .unbegun), (5, .blank)]) == 3)
    #expect(peersNeeded(by: 2, of: 3, [(1, .unbegun), (3, .blank)], refusedBy: 1) == nil)
    #expect(peersNeeded(by: 1, of: 2, [(2, .blank)]) == 1)
  }

  /// The others know nothing of what the five voters of the meta group have done.
  @Test func onlyVotersOfTheMetaGroupVouch() {
    let peers = (5...9).map { (UInt32($0), Hello.Standing.blank) } + [(4, .blank), (3, .unbegun)]
    #expect(peersNeeded(by: 1, of: 9, peers) == peers.count)
  }
}
