import KVBase
import KVCommand
import KVLog
import KVState
import KVWire
import Testing

@testable import KVNodeCore

/// Who may let a blank node in, where a member has lost its disk meanwhile: none of the writes that
/// were acknowledged with it may be lost.
struct AdmissionTests {
  /// Nodes 1 and 2 form the cluster, and node 3 was never there. Positions of leader and follower.
  private func formWithoutThird(
    _ cluster: TestCluster
  ) throws -> (leader: Int, follower: Int) {
    for at in 0...1 { try cluster.start(at, with: cluster.madeLog(at)) }
    try cluster.run(milliseconds: 5_000)
    let leader = try #require(cluster.leader(of: .meta, seenBy: 0))
    #expect(cluster.nodes[leader].map.isFormed)
    return (leader, 1 - leader)
  }

  private func key(_ number: Int) -> Bytes { Bytes("key\(number)") }

  /// The keys whose puts were acknowledged.
  private func put(_ keys: Range<Int>, _ cluster: TestCluster, at nodes: [Int]) throws -> [Int] {
    try keys.filter { number in
      for at in nodes {
        if case .applied? = try cluster.ask(at, cluster.put(key(number), "1"), timeout: 1000) {
          return true
        }
      }
      return false
    }
  }

  /// Of these keys, those that a node answers to be absent.
  private func lost(_ keys: [Int], _ cluster: TestCluster, at nodes: [Int]) throws -> [Int] {
    try keys.filter { number in
      for at in nodes {
        let reply = try cluster.ask(at, cluster.get(key(number)), timeout: 500)
        if case .read(.record(let record), _)? = reply { return record == nil }
      }
      return false
    }
  }

  /// Node 3 with an empty disk.
  private func blankThird(_ cluster: TestCluster) throws -> TestNode {
    try TestNode(
      TestCluster.configuration(3, of: 3, partitions: 4, incarnation: 3333),
      log: TestCluster.makeLog(node: 3), state: MemoryState(), now: cluster.now)
  }

  /// A follower whose disk is stalled keeps the leader that it had for as long as the stall lasts.
  @Test func aStalledFollowerLetsNoLostDiskIn() throws {
    let cluster = try TestCluster(down: 0..<3)
    let (leader, follower) = try formWithoutThird(cluster)
    cluster.nodes[follower].isDiskStuck = true
    _ = try put(100..<120, cluster, at: [leader])
    try cluster.run(milliseconds: 400)
    cluster.cut = [[2, follower], [follower, 2]]
    try cluster.setUp(2)
    try cluster.run(milliseconds: 5_000)
    let acknowledged = try put(0..<20, cluster, at: [leader, 2, leader])
    #expect(acknowledged.count == 20)
    #expect(cluster.nodes[follower].map.member(NodeID(3))?.incarnation == 0)

    try cluster.cutDial(follower, leader)
    try cluster.cutDial(leader, follower)
    try cluster.setDown(leader)
    try cluster.setDown(2)
    try cluster.run(milliseconds: 30_000)
    cluster.cut = []
    try cluster.setUp(2, blankThird(cluster))
    try cluster.run(milliseconds: 1_000)
    #expect(cluster.nodes[2].replicas.isEmpty)
    let stalled = cluster.nodes[follower]
    stalled.isDiskStuck = false
    for number in stalled.stuck { try stalled.give(.persisted(number), cluster.now) }
    try cluster.run(milliseconds: 10_000)
    #expect(try lost(acknowledged, cluster, at: [follower, 2]) == [])
    try cluster.restart(leader)
    try cluster.run(milliseconds: 5_000)
    #expect(cluster.nodes[leader].fatal == nil)
    #expect(try lost(acknowledged, cluster, at: [leader, follower]) == [])
  }

  /// A follower that hears heartbeats, and whose answers are lost, follows a leader and lacks what
  /// that has committed.
  @Test func aFollowerThatLagsLetsNoLostDiskIn() throws {
    let cluster = try TestCluster(down: 0..<3)
    let (leader, follower) = try formWithoutThird(cluster)
    try cluster.setUp(2)
    for _ in 0..<500 where cluster.nodes[2].replicas.isEmpty { try cluster.run(milliseconds: 10) }
    // The follower can't dial the leader any more; the leader's connection to it works.
    try cluster.cutDial(follower, leader)
    try cluster.run(milliseconds: 6_000)
    let acknowledged = try put(0..<20, cluster, at: [leader, 2, leader])
    #expect(!acknowledged.isEmpty)
    #expect(cluster.nodes[follower].map.member(NodeID(3))?.incarnation == 0)

    try cluster.setDown(2)
    cluster.cut.formUnion([[2, leader], [leader, 2]])
    try cluster.setUp(2, blankThird(cluster))
    try cluster.run(milliseconds: 1_000)
    #expect(cluster.nodes[2].replicas.isEmpty)
    try cluster.setDown(leader)
    try cluster.run(milliseconds: 10_000)
    #expect(try lost(acknowledged, cluster, at: [follower, 2]) == [])
  }

  /// A new version of the map is applied, and HELLO of a lost disk comes in the same turn.
  @Test func aMapThatIsAppliedJudgesAtOnce() throws {
    let cluster = try TestCluster(nodes: 4, partitions: 1, down: 3..<4)
    try cluster.run(milliseconds: 1_000)
    let leader = try #require(cluster.leader(of: .meta))
    let node = cluster.nodes[(leader + 1) % 3]
    node.holdsApplies = true
    try cluster.setUp(3)
    try cluster.run(milliseconds: 1_000)
    #expect(cluster.nodes[leader].map.member(NodeID(4))?.incarnation == 4000)
    #expect(node.map.member(NodeID(4))?.incarnation == 0)
    let results = try node.machines.apply(node.heldApplies)
    node.holdsApplies = false

    let flags = cluster.nodes[3].configuration
    let hello = Hello(
      role: .node, clusterID: 0, creationDigest: flags.creationDigest, node: NodeID(4),
      incarnation: 4444, isBlank: true, software: "test")
    var writer = ByteWriter()
    hello.encode(into: &writer)
    let frame = Frame(type: .hello, stream: 0, payload: writer.take())
    let lost = ConnectionID(99)
    for input in [.accepted(lost, from: "n4"), .applied(results), .frame(lost, frame)]
      as [NodeInput]
    {
      node.core.step(input, now: cluster.now, into: &node.outputs)
    }
    try node.endTurn(cluster.now)
    #expect(node.map.member(NodeID(4))?.incarnation == 4000)
    let answer = try #require(node.frames.last { $0.connection == lost }?.frame)
    #expect(answer.type == .goaway)
    #expect(try Goaway(decoding: answer.payload).reason == .wipedDisk)
  }

  /// A blank node met a peer before that had begun, and can't reach the other one.
  @Test func aPeerThatHasBegunMeanwhileIsAskedAgain() throws {
    let cluster = try TestCluster(down: 0..<3)
    cluster.cut = [[1, 2], [2, 1]]
    try cluster.start(0, with: cluster.madeLog(0))
    try cluster.setUp(2)
    try cluster.start(1, with: cluster.madeLog(1))
    try cluster.run(milliseconds: 20_000)
    #expect(cluster.nodes[0].map.isFormed)
    #expect(!cluster.nodes[2].replicas.isEmpty)
  }
}

/// Who is not a member of a formed cluster is told so, and does not wait for ever.
@Suite struct StrangerTests {
  @Test func aNodeThatIsNotAMemberEndsWithAClearMessage() throws {
    let cluster = try TestCluster()
    try cluster.run(milliseconds: 1_000)
    cluster.nodes.append(
      try TestNode(
        TestCluster.configuration(4, of: 4, partitions: 4), log: TestCluster.makeLog(node: 4),
        state: MemoryState(), now: cluster.now))
    cluster.isDown.append(false)
    try cluster.run(milliseconds: 2_000)
    let problem = try #require(cluster.nodes[3].fatal)
    #expect(problem.contains("node 4 is not a member of the cluster"), "\(problem)")
    #expect(problem.contains("nodes 1, 2, 3"), "\(problem)")
    for node in cluster.nodes[0..<3] { #expect(node.fatal == nil) }
  }
}
