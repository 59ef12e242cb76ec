import KVBase
import KVCommand
import KVLog
import KVRaft
import KVState
import KVWire
import Testing

@testable import KVNodeCore

@Suite struct NodeCoreTests {
  @Test func aNewClusterSpreadsItsLeadersAndServes() throws {
    let cluster = try TestCluster(partitions: 16)
    try cluster.run(milliseconds: 300)
    let view = cluster.nodes[0].core.clusterView
    #expect(
      view.leaders.dropFirst().elementsEqual(
        view.map.replicaSets.dropFirst().map { $0.voters[0].node }))
    let key: Bytes = "a"
    let leader = try #require(cluster.leader(of: key))
    guard
      case .applied(.written(let version), let receipt)? = try cluster.ask(
        leader, cluster.put(key, "1"), timeout: 200)
    else {
      Issue.record("the put was not applied")
      return
    }
    #expect(receipt.index == version)
    guard
      case .read(.record(let record), let read)? = try cluster.ask(
        leader, cluster.get(key), timeout: 200)
    else {
      Issue.record("the get was not answered")
      return
    }
    #expect(record == Record(version: version, value: "1"))
    #expect(read.served == .readIndex)
    #expect(read.replicas == 2)
  }

  @Test func aFollowerNamesTheLeader() throws {
    let cluster = try TestCluster()
    try cluster.run(milliseconds: 300)
    let leader = try #require(cluster.leader(of: "a"))
    guard case .failed(let failure)? = try cluster.ask((leader + 1) % 3, cluster.put("a", "1"))
    else {
      Issue.record("a follower took a put")
      return
    }
    #expect(failure.reason == .notLeader)
    #expect(failure.notStarted)
    #expect(failure.leader == cluster.nodes[leader].configuration.node)
  }

  @Test func withoutAMajorityTheSurvivorSaysSoAndStillReadsStale() throws {
    let cluster = try TestCluster()
    try cluster.run(milliseconds: 300)
    let leader = try #require(cluster.leader(of: "a"))
    _ = try cluster.ask(leader, cluster.put("a", "1"), timeout: 200)
    try cluster.run(milliseconds: 100)
    let survivor = (leader + 1) % 3
    for at in 0..<3 where at != survivor { try cluster.setDown(at) }
    try cluster.run(milliseconds: 2_000)
    guard case .failed(let failure)? = try cluster.ask(survivor, cluster.put("a", "2")) else {
      Issue.record("a put was answered without a majority")
      return
    }
    #expect(failure.code == .unavailable)
    #expect(failure.reason == .noQuorum)
    #expect(failure.notStarted)
    #expect(failure.message.contains("1 of 3 replicas reachable"))
    #expect(failure.message.contains("--consistency stale"))
    guard
      case .read(.record(let record), let receipt)? = try cluster.ask(
        survivor, cluster.get("a", .stale))
    else {
      Issue.record("a stale read was refused")
      return
    }
    #expect(record?.value == "1")
    #expect(receipt.served == .stale)
  }

  @Test func aStaleReadKeepsItsMaximumAge() throws {
    let cluster = try TestCluster()
    try cluster.run(milliseconds: 300)
    let leader = try #require(cluster.leader(of: "a"))
    _ = try cluster.ask(leader, cluster.put("a", "1"), timeout: 200)
    try cluster.run(milliseconds: 100)
    let follower = (leader + 1) % 3
    var request = cluster.get("a", .stale)
    request.maximumAge = .milliseconds(200)
    guard case .read? = try cluster.ask(follower, request) else {
      Issue.record("a follower that is up to date refused")
      return
    }
    // Alone, its age grows; restarted alone, it has none.
    for at in 0..<3 where at != follower { try cluster.setDown(at) }
    try cluster.run(milliseconds: 500)
    guard case .failed(let failure)? = try cluster.ask(follower, request) else {
      Issue.record("an old state was read")
      return
    }
    #expect(failure.reason == .tooOld)
    try cluster.setDown(follower)
    try cluster.setUp(
      follower,
      TestNode(
        cluster.nodes[follower].configuration, log: cluster.nodes[follower].log.restart(),
        state: cluster.nodes[follower].machines.store, now: cluster.now))
    guard case .failed(let unknown)? = try cluster.ask(follower, request) else {
      Issue.record("a restarted node vouched for an age")
      return
    }
    #expect(unknown.message.contains("of any age"))
    // No limit would do.
    #expect(unknown.message.contains("leave --max-age out"))
    #expect(!unknown.message.contains("higher --max-age"))
  }

  @Test func aWipedDiskUnderAnOldIdIsRefusedWithAdvice() throws {
    let cluster = try TestCluster()
    try cluster.run(milliseconds: 1_000)
    #expect(cluster.nodes[0].core.clusterView.map.members.filter { $0.incarnation != 0 }.count == 3)
    let wiped = try TestNode(
      TestCluster.configuration(3, of: 3, partitions: 4, incarnation: 99),
      log: try TestCluster.makeLog(node: 3), state: MemoryState(), now: cluster.now)
    try cluster.setDown(2)
    try cluster.setUp(2, wiped)
    try cluster.run(milliseconds: 100)
    #expect(wiped.core.report(now: cluster.now.instant).groups.isEmpty)
    let fatal = try #require(wiped.fatal)
    #expect(fatal.contains("its disk was lost"))
    #expect(fatal.contains("'kvctl export' every keyspace"))
  }

  @Test func aBlankNodeDoesNotVoteBeforeAMajorityHasMetIt() throws {
    let node = try TestNode(
      TestCluster.configuration(1, of: 3, partitions: 4), log: try TestCluster.makeLog(node: 1),
      state: MemoryState(),
      now: Now(instant: .zero, wallMilliseconds: 0))
    for tick in 1...200 {
      try node.give(
        .tick(NodeGauges()),
        Now(instant: Instant(nanoseconds: UInt64(tick) * 10_000_000), wallMilliseconds: 0))
    }
    #expect(node.core.report(now: .zero).groups.isEmpty)
    #expect(node.log.statistics.batches == 0)
    #expect(node.frames.isEmpty)
  }

  @Test func aStalledDiskGivesUpLeadership() throws {
    let cluster = try TestCluster()
    try cluster.run(milliseconds: 300)
    let leader = try #require(cluster.leader(of: "a"))
    cluster.nodes[leader].isDiskStuck = true
    _ = try cluster.ask(leader, cluster.put("b", "1"))
    _ = try cluster.ask(leader, cluster.put("a", "1"))
    try cluster.run(milliseconds: 2_000)
    let groups = cluster.nodes[leader].core.report(now: cluster.now.instant).groups
    #expect(groups.count == 5)
    #expect(groups.allSatisfy { $0.role != .leader })
    let other = (leader + 1) % 3
    #expect(cluster.leader(of: "a", seenBy: other) != leader)
  }

  /// The followers answer heartbeats, and store nothing: whoever waits for a write gets an answer.
  @Test func aLeaderWhoseFollowersStoreNothingStepsDown() throws {
    let cluster = try TestCluster()
    try cluster.run(milliseconds: 1_000)
    let leader = try #require(cluster.leader(of: "a"))
    for at in 0..<3 where at != leader { cluster.nodes[at].isDiskStuck = true }
    let reply = try cluster.ask(leader, cluster.put("a", "1"), timeout: 3_000)
    guard case .failed(let failure)? = reply else {
      Issue.record("not answered: \(String(describing: reply))")
      return
    }
    #expect(failure.reason == .leadershipLost && !failure.notStarted)
    let replica = try #require(cluster.nodes[leader].report(cluster.group(of: "a"), cluster.now))
    #expect(replica.role != .leader)
  }

  @Test func shutdownHandsLeadershipsOver() throws {
    let cluster = try TestCluster()
    try cluster.run(milliseconds: 300)
    let leader = try #require(cluster.leader(of: "a"))
    try cluster.nodes[leader].give(.shutdown, cluster.now)
    try cluster.deliver()
    try cluster.run(milliseconds: 100)
    #expect(cluster.nodes[leader].core.isDrained)
    let next = try #require(cluster.leader(of: "a", seenBy: (leader + 1) % 3))
    #expect(next != leader)
  }

  @Test func aDroppedKeyspaceIsGoneInEveryGroup() throws {
    let cluster = try TestCluster()
    try cluster.run(milliseconds: 500)
    let at = try #require(cluster.leader(of: .meta))
    let made = try cluster.ask(
      at, cluster.mutation(.meta(.createKeyspace(name: "carts", mode: .cp))), timeout: 200)
    guard case .applied(.keyspace(let carts), _)? = made else {
      Issue.record("not created: \(String(describing: made))")
      return
    }
    try cluster.run(milliseconds: 100)
    let key: Bytes = "a"
    let leader = try #require(cluster.leader(of: key))
    let put = cluster.mutation(
      .mutate(keyspace: carts.id, key: key, .put(value: "1")))
    guard case .applied(.written, _)? = try cluster.ask(leader, put, timeout: 200) else {
      Issue.record("not written")
      return
    }
    _ = try cluster.ask(at, cluster.mutation(.meta(.dropKeyspace(name: "carts"))), timeout: 200)
    try cluster.run(milliseconds: 500)
    for node in cluster.nodes {
      let groups = node.core.report(now: cluster.now.instant).groups
      #expect(groups.count == 5)
      for replica in groups where replica.group != .meta {
        let status = try #require(node.machines.status(of: replica.group))
        #expect(status.droppedKeyspaces == [carts.id])
      }
    }
    guard
      case .failed(let failure)? = try cluster.ask(
        leader, Request(.read(.get(keyspace: carts.id, key: key))))
    else {
      Issue.record("a dropped keyspace was read")
      return
    }
    #expect(failure.code == .notFound)
  }

  @Test func apIsRefusedInOneSentence() throws {
    let cluster = try TestCluster()
    try cluster.run(milliseconds: 300)
    guard
      case .failed(let failure)? = try cluster.ask(
        0, cluster.mutation(.meta(.createKeyspace(name: "carts", mode: .ap))))
    else {
      Issue.record("ap was not refused")
      return
    }
    #expect(failure.code == .unimplemented)
    #expect(failure.message.contains("not there yet"))
  }

  @Test(arguments: [Consistency.one, .all]) func levelsOfOtherModesAreNamed(
    _ level: Consistency
  ) throws {
    let cluster = try TestCluster()
    try cluster.run(milliseconds: 300)
    let leader = try #require(cluster.leader(of: "a"))
    guard case .failed(let failure)? = try cluster.ask(leader, cluster.get("a", level)) else {
      Issue.record("level \(level) was taken")
      return
    }
    #expect(failure.code == .invalidArgument)
    #expect(failure.message.contains("linearizable, quorum, session or stale"))
  }

  @Test func garbageIsAnsweredAndHarmsNobody() throws {
    let cluster = try TestCluster()
    try cluster.run(milliseconds: 300)
    var random = SeededRandom(seed: 3)
    for stream in 1...500 {
      let bytes = (0..<random.below(60)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      try cluster.send(0, stream: UInt32(stream), Bytes(bytes))
    }
    #expect(cluster.nodes[0].replies.count == 500)
    let leader = try #require(cluster.leader(of: "a"))
    guard case .applied? = try cluster.ask(leader, cluster.put("a", "1"), timeout: 200) else {
      Issue.record("the cluster does not serve any more")
      return
    }
  }

  @Test func aFollowerFarBehindGetsASnapshot() throws {
    let cluster = try TestCluster(partitions: 1) {
      $0.flushBytes = 1
      $0.logKeepBytes = 1
    }
    try cluster.run(milliseconds: 500)
    let leader = try #require(cluster.leader(of: "a"))
    let behind = (leader + 1) % 3
    try cluster.setDown(behind)
    for number in 0..<200 {
      guard
        case .applied? = try cluster.ask(
          leader, cluster.put(Bytes("key \(number)"), Bytes("\(number)")), timeout: 200)
      else {
        Issue.record("put \(number) failed")
        return
      }
    }
    try cluster.run(milliseconds: 500)
    try cluster.setUp(behind)
    try cluster.run(milliseconds: 3_000)
    let group = GroupID(1)
    let status = try #require(cluster.nodes[behind].machines.status(of: group))
    #expect(status.generation > Generation(1))
    let replica = try #require(cluster.nodes[behind].report(group, cluster.now))
    let leading = try #require(cluster.nodes[leader].report(group, cluster.now))
    #expect(replica.applied == leading.applied)
    #expect(replica.digest == leading.digest)
  }
}
