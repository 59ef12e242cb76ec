import KVBase
import KVCommand
import KVLog
import KVRaft
import KVWire
import Testing

@testable import KVNodeCore

/// What a node holds for its log is bounded for the node, however many groups it has.
@Suite struct LogBoundsTests {
  private static let mebibyte = Bytes([UInt8](repeating: 7, count: 1 << 20))

  /// A key of each partition.
  private func keys(_ cluster: TestCluster) -> [Bytes] {
    let count = cluster.nodes[0].configuration.partitions
    var keys = [Bytes?](repeating: nil, count: count)
    var number = 0
    while keys.contains(nil) {
      let key = Bytes("key \(number)")
      let partition = cluster.group(of: key).partition?.rawValue ?? 0
      keys[Int(partition)] = keys[Int(partition)] ?? key
      number += 1
    }
    return keys.compactMap(\.self)
  }

  @Test func whatGathersDuringAStallIsWrittenInBoundedBatches() throws {
    let cluster = try TestCluster(nodes: 1, partitions: 4)
    try cluster.run(milliseconds: 500)
    let node = cluster.nodes[0]
    let keys = keys(cluster)
    node.isDiskStuck = true
    // More turns than may have a write on its way; then the next write gathers.
    let value = Bytes([UInt8](repeating: 1, count: 100 << 10))
    for number in 0..<Limits.persistsInFlight + 100 {
      var writer = ByteWriter()
      cluster.put(keys[number % 4], value).encode(into: &writer)
      try cluster.send(0, stream: UInt32(number), writer.take())
    }
    node.isDiskStuck = false
    let last = try #require(node.stuck.last)
    try node.log.sync()
    try node.give(.persisted(last), cluster.now)
    try cluster.run(milliseconds: 200)
    let largest = try #require(node.persistSizes.max())
    #expect(
      largest <= Limits.logWriteBytes,
      "a write of \(largest) bytes, and \(Limits.logWriteBytes) are the limit")
    #expect(node.replies.count == Limits.persistsInFlight + 100)
    #expect(node.replies.allSatisfy { if case .applied = $0.reply { true } else { false } })
  }

  @Test func whatIsProposedAndNotAppliedIsBoundedForTheNode() throws {
    let cluster = try TestCluster(nodes: 1, partitions: 16)
    try cluster.run(milliseconds: 500)
    let node = cluster.nodes[0]
    let keys = keys(cluster)
    node.isDiskStuck = true
    let sent = 16 * 15
    for number in 0..<sent {
      var writer = ByteWriter()
      cluster.put(keys[number % 16], Self.mebibyte).encode(into: &writer)
      try cluster.send(0, stream: UInt32(number), writer.take())
    }
    let waiting = sent - node.replies.count
    #expect(
      waiting <= Limits.nodeUncommittedBytes >> 20,
      "\(waiting) MiB are proposed, and \(Limits.nodeUncommittedBytes >> 20) are the limit")
    for (_, reply) in node.replies {
      guard case .failed(let failure) = reply else {
        Issue.record("\(reply)")
        return
      }
      #expect(failure.code == .resourceExhausted && failure.notStarted)
    }
    // With the disk back, all of it is applied, and there is room again.
    node.isDiskStuck = false
    try node.log.sync()
    try node.give(.persisted(try #require(node.stuck.last)), cluster.now)
    try cluster.run(milliseconds: 500)
    guard case .applied? = try cluster.ask(0, cluster.put("again", "1"), timeout: 200) else {
      Issue.record("the node does not serve any more")
      return
    }
    #expect(node.replies.count == sent + 1)
  }

  /// Else a burst after a stall would hold back the heartbeats of all groups.
  @Test func whatGatheredDuringAStallIsAppliedInBoundedTurns() throws {
    let cluster = try TestCluster(nodes: 1, partitions: 16)
    try cluster.run(milliseconds: 500)
    let node = cluster.nodes[0]
    let keys = keys(cluster)
    node.isDiskStuck = true
    let size = 50 << 10
    let value = Bytes([UInt8](repeating: 1, count: size))
    for number in 0..<320 {
      var writer = ByteWriter()
      cluster.put(keys[number % 16], value).encode(into: &writer)
      try cluster.send(0, stream: UInt32(number), writer.take())
    }
    node.isDiskStuck = false
    node.applySizes = []
    try node.log.sync()
    try node.give(.persisted(try #require(node.stuck.last)), cluster.now)
    try cluster.run(milliseconds: 500)
    let largest = try #require(node.applySizes.max())
    // The last one that begins in a turn may be beyond it by an entry.
    #expect(
      largest <= Limits.applyTurnBytes + 2 * size,
      "\(largest) bytes were to be applied in one turn")
    // Nobody is forgotten, and each group's entries keep their order.
    #expect(node.replies.count == 320)
    #expect(node.replies.allSatisfy { if case .applied = $0.reply { true } else { false } })
  }

  @Test func aFollowerTakesNoMoreThanItMayHoldForItsLog() throws {
    let cluster = try TestCluster(partitions: 32)
    try cluster.run(milliseconds: 500)
    let keys = keys(cluster)
    let follower = cluster.nodes[2]
    // It can't vote for itself meanwhile, so it leads nothing: only what others send it is counted.
    follower.isDiskStuck = true
    try cluster.run(milliseconds: 3_000)
    var applied = 0
    for attempt in 0..<1_000 where applied < 3 * keys.count {
      let key = keys[applied % keys.count]
      let leader = cluster.leader(of: key) ?? attempt % 2
      let reply = try cluster.ask(leader, cluster.put(key, Self.mebibyte), timeout: 100)
      if case .applied? = reply { applied += 1 } else { try cluster.run(milliseconds: 20) }
    }
    #expect(applied == 3 * keys.count)
    // What is stuck, and what gathered behind it: that is written as soon as the disk is back.
    follower.isDiskStuck = false
    let stuck = follower.stuckBytes
    let writes = follower.persistSizes.count
    try follower.log.sync()
    try follower.give(.persisted(try #require(follower.stuck.last)), cluster.now)
    let held = follower.persistSizes[writes...].reduce(stuck, +)
    #expect(
      held <= Limits.undurableBytes + 2 * Limits.valueBytes,
      "\(held >> 20) MiB wait for the disk, and \(Limits.undurableBytes >> 20) are the limit")
    try cluster.run(milliseconds: 2_000)
    for key in keys {
      let group = cluster.group(of: key)
      let here = try #require(follower.report(group, cluster.now))
      let leader = try #require(cluster.leader(of: key))
      let there = try #require(cluster.nodes[leader].report(group, cluster.now))
      #expect(here.applied == there.applied && here.digest == there.digest, "\(group)")
    }
  }
}
