import KVBase
import KVCommand
import KVRaft
import KVWire
import Testing

@testable import KVNodeCore

/// Reads that wait are bounded in what they hold, and go with whoever asked.
@Suite struct ReadBoundsTests {
  private static let client = ConnectionID(1)

  /// A scan that waits for `index`, and holds about 4 KiB.
  private func scan(_ group: GroupID, after index: UInt64, seconds: UInt64) -> Bytes {
    let command = ScanCommand(
      keyspace: .default, from: Bytes([UInt8](repeating: 1, count: Limits.keyBytes)), to: nil,
      descending: false, keysOnly: false, limit: 1)
    var writer = ByteWriter()
    Request(
      .read(.scan(command)), deadline: .seconds(seconds), consistency: .session,
      after: LogIndex(index), group: group
    ).encode(into: &writer)
    return writer.take()
  }

  private func cluster() throws -> (TestCluster, leader: Int) {
    let cluster = try TestCluster()
    try cluster.run(milliseconds: 500)
    return (cluster, try #require(cluster.leader(of: "a")))
  }

  @Test func aLeaderRefusesAnIndexBeyondItsLog() throws {
    let (cluster, leader) = try cluster()
    _ = try cluster.ask(leader, cluster.put("a", "1"), timeout: 200)
    var request = cluster.get("a", .session)
    request.deadline = .seconds(3_600)
    request.after = LogIndex(1_000_000)
    let reply = try cluster.ask(leader, request, timeout: 300)
    guard case .failed(let failure)? = reply else {
      Issue.record("the read still waits: \(String(describing: reply))")
      return
    }
    #expect(failure.code == .outOfRange && failure.notStarted)
    #expect(failure.message.contains("entry 1000000 of group"), "\(failure.message)")
    // The last entry there is can be asked for.
    let last = try #require(
      cluster.nodes[leader].report(cluster.group(of: "a"), cluster.now)?.last)
    request.after = last
    guard case .read? = try cluster.ask(leader, request, timeout: 300) else {
      Issue.record("the last entry was refused")
      return
    }
  }

  @Test func aLeaderThatIsDeposedDoesNotJudgeAnIndex() throws {
    let (cluster, leader) = try cluster()
    // What others committed meanwhile is beyond its log, and was acknowledged.
    for other in 0..<3 where other != leader { try cluster.setDown(other) }
    var request = cluster.get("a", .session)
    request.deadline = .milliseconds(200)
    request.after = LogIndex(1_000)
    guard case .failed(let failure)? = try cluster.ask(leader, request, timeout: 1_000) else {
      Issue.record("answered without a majority")
      return
    }
    #expect(failure.code != .outOfRange && failure.notStarted, "\(failure.message)")
  }

  @Test func whatWaitsIsBoundedForEachConnection() throws {
    let (cluster, leader) = try cluster()
    let follower = (leader + 1) % 3
    let group = cluster.group(of: "a")
    let count = 3 * Limits.connectionReadBytes / Limits.keyBytes / 2
    for stream in 0..<count {
      try cluster.send(
        follower, stream: UInt32(stream), scan(group, after: 1_000_000, seconds: 3_600))
    }
    let waiting = count - cluster.nodes[follower].replies.count
    #expect(
      waiting * Limits.keyBytes <= Limits.connectionReadBytes,
      "\(waiting) of \(count) reads of \(Limits.keyBytes) bytes wait")
    for (_, reply) in cluster.nodes[follower].replies {
      guard case .failed(let failure) = reply else {
        Issue.record("\(reply)")
        return
      }
      #expect(failure.code == .resourceExhausted && failure.notStarted)
    }
  }

  @Test func aClientThatLeavesTakesItsReadsWithIt() throws {
    let (cluster, leader) = try cluster()
    let follower = (leader + 1) % 3
    let group = cluster.group(of: "a")
    for stream in 0..<100 {
      try cluster.send(follower, stream: UInt32(stream), scan(group, after: 99_999, seconds: 1))
    }
    try cluster.nodes[follower].give(.closed(Self.client, isRefused: false), cluster.now)
    try cluster.run(milliseconds: 2_000)
    let answers = cluster.nodes[follower].replies.count
    #expect(answers == 0, "\(answers) reads of a client that had left were held until their time")
  }

  @Test func aReadThatWaitsForLongHoldsItsKeyAndNoMore() throws {
    let chunk = Bytes([UInt8](repeating: 65, count: Limits.readBytes))
    var reads = WaitingReads()
    let read = PendingRead(
      caller: Caller(connection: Self.client, stream: 1),
      command: .get(keyspace: .default, key: chunk[0..<16]), served: .readIndex,
      deadline: .distantFuture)
    let isTicketTaken = reads.wait(for: ReadTicket(1), read, now: .zero)
    let isIndexTaken = reads.wait(for: LogIndex(5), read)
    #expect(isTicketTaken && isIndexTaken)
    reads.detach(now: reads.nextDeadline)
    for read in reads.removeAll() {
      guard case .get(_, let key) = read.command else { continue }
      #expect(key == chunk[0..<16])
      #expect(key.bufferCount == 16)
    }
  }

  @Test func theBudgetIsGivenBack() {
    var budget = ReadBudget()
    let one = ConnectionID(1)
    let other = ConnectionID(2)
    let half = Limits.connectionReadBytes / 2 + 1
    let first = budget.take(half, for: one)
    let second = budget.take(half, for: one)
    let ofOther = budget.take(half, for: other)
    #expect(first && !second && ofOther)
    budget.giveBack(half, of: one)
    #expect(!budget.isHeld(by: one) && budget.isHeld(by: other))
    // One read is always let in, however large, as long as the node has room.
    let large = budget.take(Limits.connectionReadBytes + 1, for: one)
    let tooLarge = budget.take(Limits.heldReadBytes, for: ConnectionID(3))
    #expect(large && !tooLarge)
  }
}
