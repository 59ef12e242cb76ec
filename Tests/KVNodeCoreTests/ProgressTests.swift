import KVBase
import KVCommand
import KVLog
import KVWire
import Testing

@testable import KVNodeCore

/// A node that makes no progress hands over, and a follower that can't apply says so.
@Suite struct ProgressTests {
  private let key: Bytes = "a"
  private let group = GroupID(1)

  /// Puts to whoever leads until one is done; how long that took, in milliseconds.
  private func timeToPut(_ cluster: TestCluster, limit: UInt64 = 15_000) throws -> UInt64 {
    let begin = cluster.milliseconds
    while cluster.milliseconds < begin + limit {
      for at in cluster.nodes.indices
      where cluster.nodes[at].report(group, cluster.now)?.role == .leader {
        if case .applied? = try cluster.ask(at, cluster.put(key, "1"), timeout: 20) {
          return cluster.milliseconds - begin
        }
      }
      try cluster.run(milliseconds: 10)
    }
    return cluster.milliseconds - begin
  }

  private func release(_ node: TestNode, _ cluster: TestCluster) throws {
    node.isDiskStuck = false
    try node.log.sync()
    let stuck = node.stuck
    node.stuck = []
    for number in stuck { try node.give(.persisted(number), cluster.now) }
    try cluster.deliver()
  }

  /// `pause`: of good writes between two stalls, in milliseconds.
  @Test(arguments: [4_000, 8_000]) func theSixthStallIsNoticedAsSoonAsTheFirst(
    pause: UInt64
  ) throws {
    let cluster = try TestCluster(partitions: 1)
    try cluster.run(milliseconds: 3_000)
    var outages: [UInt64] = []
    for _ in 0..<6 {
      let leader = try #require(cluster.leader(of: group))
      let end = cluster.milliseconds + 5_000
      cluster.nodes[leader].isDiskStuck = true
      outages.append(try timeToPut(cluster))
      if cluster.milliseconds < end { try cluster.run(milliseconds: end - cluster.milliseconds) }
      try release(cluster.nodes[leader], cluster)
      for _ in 0..<pause / 100 {
        _ = try timeToPut(cluster)
        try cluster.run(milliseconds: 100)
      }
    }
    #expect(outages.allSatisfy { $0 <= 1_500 }, "milliseconds without service: \(outages)")
  }

  /// The patience with the disk has grown, and the followers commit what the leader can't apply.
  @Test func aLeaderThatCannotStoreWhatIsCommittedStepsDown() throws {
    let cluster = try TestCluster(partitions: 1)
    try cluster.run(milliseconds: 3_000)
    var outages: [UInt64] = []
    for _ in 0..<8 {
      let leader = try #require(cluster.leader(of: group))
      cluster.nodes[leader].isDiskStuck = true
      outages.append(try timeToPut(cluster))
      try cluster.run(milliseconds: 1_000)
      try release(cluster.nodes[leader], cluster)
      // No writes: nothing says that the disk is good again.
      try cluster.run(milliseconds: 5_000)
    }
    #expect(outages.allSatisfy { $0 <= 1_500 }, "milliseconds without service: \(outages)")
  }

  @Test func aLeaderUnderPressureOfItsStoreHandsOver() throws {
    let cluster = try TestCluster(partitions: 1)
    try cluster.run(milliseconds: 3_000)
    let leader = try #require(cluster.leader(of: group))
    cluster.nodes[leader].isUnderPressure = true
    try cluster.run(milliseconds: 10)
    let outage = try timeToPut(cluster)
    #expect(outage <= 1_500, "\(outage) ms without service")
    // And it stays where it can be carried out.
    try cluster.run(milliseconds: 10_000)
    #expect(cluster.leader(of: group, seenBy: leader) != leader)
    #expect(try timeToPut(cluster) < 100)
    cluster.nodes[leader].isUnderPressure = false
    try cluster.run(milliseconds: 70_000)
    #expect(cluster.leader(of: group) == leader)
  }

  /// With all stores under pressure nobody would do better: reads go on, writes are refused.
  @Test func whereAllAreUnderPressureLeadershipStays() throws {
    let cluster = try TestCluster(partitions: 1)
    try cluster.run(milliseconds: 3_000)
    let leader = try #require(cluster.leader(of: group))
    let term = try #require(cluster.nodes[leader].report(group, cluster.now)).term
    for node in cluster.nodes { node.isUnderPressure = true }
    try cluster.run(milliseconds: 10_000)
    #expect(cluster.nodes[leader].report(group, cluster.now)?.term == term)
    guard case .read? = try cluster.ask(leader, cluster.get(key), timeout: 200) else {
      Issue.record("not read")
      return
    }
    for node in cluster.nodes { node.isUnderPressure = false }
    #expect(try timeToPut(cluster) < 200)
  }

  /// With one of three gone, the majority waits for a follower that a snapshot is on its way to:
  /// each new term would begin the snapshot again.
  @Test func aLeaderWaitsForTheSnapshotThatItsMajorityNeeds() throws {
    let cluster = try TestCluster(partitions: 1) {
      $0.flushBytes = 1
      $0.logKeepBytes = 1
    }
    try cluster.run(milliseconds: 1_000)
    let leader = try #require(cluster.leader(of: group))
    let (behind, gone) = ((leader + 1) % 3, (leader + 2) % 3)
    try cluster.setDown(behind)
    for _ in 0..<100 {
      guard case .applied? = try cluster.ask(leader, cluster.put(key, "1"), timeout: 200) else {
        Issue.record("not put")
        return
      }
    }
    try cluster.run(milliseconds: 500)
    // Its store takes no chunk before it has caught up.
    cluster.nodes[behind].isUnderPressure = true
    try cluster.setUp(behind)
    try cluster.run(milliseconds: 3_000)
    let term = try #require(cluster.nodes[leader].report(group, cluster.now)).term
    try cluster.setDown(gone)
    _ = try cluster.ask(leader, cluster.put(key, "2"), timeout: 100)
    try cluster.run(milliseconds: 10_000)
    #expect(cluster.nodes[leader].report(group, cluster.now)?.term == term)
    cluster.nodes[behind].isUnderPressure = false
    try cluster.run(milliseconds: 2_000)
    #expect(try timeToPut(cluster) < 500)
    #expect(cluster.nodes[leader].report(group, cluster.now)?.term == term)
  }

  // MARK: A follower that can't apply

  private static let value = Bytes(Array(repeating: 7, count: 256 << 10))

  /// Puts of 256 KiB to the leader; how many were done.
  private func fill(_ count: Int, _ leader: Int, _ cluster: TestCluster) throws -> Int {
    var done = 0
    for _ in 0..<count {
      if case .applied? = try cluster.ask(leader, cluster.put(key, Self.value), timeout: 100) {
        done += 1
      }
    }
    return done
  }

  @Test func aFollowerThatCannotApplyTakesNoMoreThanItsBound() throws {
    let cluster = try TestCluster(partitions: 1)
    try cluster.run(milliseconds: 3_000)
    let leader = try #require(cluster.leader(of: group))
    let follower = (leader + 1) % 3
    let term = try #require(cluster.nodes[leader].report(group, cluster.now)).term
    cluster.nodes[follower].isUnderPressure = true
    #expect(try fill(100, leader, cluster) == 100)
    try cluster.run(milliseconds: 1_000)
    let held = try #require(cluster.nodes[follower].report(group, cluster.now))
    let bytes = (held.last - held.applied) * Self.value.count
    #expect(bytes <= 10 << 20, "\(bytes) bytes that are not applied")
    #expect(cluster.nodes[leader].report(group, cluster.now)?.term == term)
    cluster.nodes[follower].isUnderPressure = false
    try cluster.run(milliseconds: 2_000)
    let after = try #require(cluster.nodes[follower].report(group, cluster.now))
    let leading = try #require(cluster.nodes[leader].report(group, cluster.now))
    #expect(after.applied == leading.applied && after.digest == leading.digest)
  }

  /// A majority takes no more: the leader refuses before it appends, and goes on leading.
  @Test func whereNoMajorityTakesMoreTheLeaderRefuses() throws {
    let cluster = try TestCluster(partitions: 1)
    try cluster.run(milliseconds: 3_000)
    let leader = try #require(cluster.leader(of: group))
    let term = try #require(cluster.nodes[leader].report(group, cluster.now)).term
    for at in 0..<3 where at != leader { cluster.nodes[at].isUnderPressure = true }
    let done = try fill(120, leader, cluster)
    #expect(done < 60)
    try cluster.run(milliseconds: 5_000)
    let report = try #require(cluster.nodes[leader].report(group, cluster.now))
    #expect(report.term == term)
    #expect((report.last - report.commit) * Self.value.count <= 10 << 20)
    guard
      case .failed(let failure)? = try cluster.ask(leader, cluster.put(key, "1"), timeout: 100)
    else {
      Issue.record("not refused")
      return
    }
    #expect(failure.code == .resourceExhausted && failure.notStarted)
    for node in cluster.nodes { node.isUnderPressure = false }
    try cluster.run(milliseconds: 2_000)
    #expect(try timeToPut(cluster) < 200)
    let reports = cluster.nodes.compactMap { $0.report(group, cluster.now) }
    #expect(Set(reports.map(\.term)) == [term])
  }
}
