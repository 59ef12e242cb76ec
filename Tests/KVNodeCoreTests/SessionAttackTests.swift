import KVBase
import KVCommand
import KVState
import KVWire
import Testing

@testable import KVNodeCore

/// Clients that would lock others out (ARCHITECTURE.md, "Exactly once").
@Suite struct SessionAttackTests {
  private func put(_ key: Bytes, by client: ClientID, sequence: UInt64 = 1) -> Request {
    let command = Command(
      session: SessionStamp(client: client, sequence: sequence, lowestUnacknowledged: sequence),
      body: .mutate(keyspace: .default, key: key, .put(value: "v")))
    var writer = ByteWriter()
    command.encode(into: &writer)
    return Request(.mutate(command, encoded: writer.take()))
  }

  private func isWritten(_ reply: Reply?) -> Bool {
    if case .applied(.written, _)? = reply { true } else { false }
  }

  /// The leader says what is wrong, and which time it admits, before anything is proposed.
  @Test func aCreationTimeAheadOfTheLeaderIsRefusedBeforeItIsProposed() throws {
    let cluster = try TestCluster(nodes: 1, partitions: 1)
    try cluster.run(milliseconds: 300)
    let leader = try #require(cluster.leader(of: "a"))
    func client(_ ahead: UInt64) -> ClientID {
      ClientID(createdMilliseconds: cluster.now.wallMilliseconds + ahead, random: ahead)
    }
    let bound = Limits.creationAheadMilliseconds
    #expect(isWritten(try cluster.ask(leader, put("a", by: client(bound)), timeout: 100)))
    let before = cluster.nodes[leader].report(GroupID(1), cluster.now)?.last
    let now = cluster.now.wallMilliseconds
    let reply = try cluster.ask(leader, put("a", by: client(bound + 1)))
    guard case .failed(let failure)? = reply else {
      Issue.record("\(String(describing: reply))")
      return
    }
    #expect(failure.reason == .createdAhead && failure.notStarted)
    #expect(failure.renewAt == now && failure.message.contains("clock"))
    #expect(cluster.nodes[leader].report(GroupID(1), cluster.now)?.last == before)
    let renewed = ClientID(createdMilliseconds: failure.renewAt, random: 1)
    #expect(isWritten(try cluster.ask(leader, put("a", by: renewed), timeout: 100)))
  }

  /// A session ends where the request names its group, and nowhere without.
  @Test func theEndOfASessionNamesItsGroup() throws {
    let cluster = try TestCluster(nodes: 1, partitions: 2)
    try cluster.run(milliseconds: 300)
    let leader = try #require(cluster.leader(of: "a"))
    let client = ClientID(createdMilliseconds: cluster.now.wallMilliseconds, random: 5)
    #expect(isWritten(try cluster.ask(leader, put("a", by: client), timeout: 100)))
    let command = Command(
      session: SessionStamp(client: client, sequence: 0, lowestUnacknowledged: 0),
      body: .endSession)
    var writer = ByteWriter()
    command.encode(into: &writer)
    var request = Request(.mutate(command, encoded: writer.take()))
    guard case .failed(let failure)? = try cluster.ask(leader, request) else {
      Issue.record("an end of no group was taken")
      return
    }
    #expect(failure.reason == .malformed)
    request.group = cluster.group(of: "a")
    guard case .applied(.done, _)? = try cluster.ask(leader, request, timeout: 100) else {
      Issue.record("the session did not end")
      return
    }
    let late = try cluster.ask(leader, put("a", by: client, sequence: 2), timeout: 100)
    guard case .applied(.sequenceTooLow, _)? = late else {
      Issue.record("\(String(describing: late))")
      return
    }
  }

  /// 4,100 sessions whose creation time lies in the future, then a correct client: it works, also
  /// after all nodes have been restarted.
  @Test(arguments: [100, 9_000, 86_400_000, UInt64.max / 2] as [UInt64])
  func sessionsOfTheFutureLockNobodyOut(ahead: UInt64) throws {
    let cluster = try TestCluster(nodes: 1, partitions: 1)
    try cluster.run(milliseconds: 300)
    let key: Bytes = "a"
    let leader = try #require(cluster.leader(of: key))
    for number in 0..<4_100 as Range<UInt64> {
      var writer = ByteWriter()
      let client = ClientID(
        createdMilliseconds: cluster.now.wallMilliseconds + ahead, random: number + 1)
      put(key, by: client).encode(into: &writer)
      try cluster.send(leader, stream: UInt32(100_000 + number), writer.take())
      if number % 64 == 0 { try cluster.deliver() }
    }
    try cluster.run(milliseconds: 100)
    for round in 1...2 as ClosedRange<UInt64> {
      let correct = ClientID(
        createdMilliseconds: cluster.now.wallMilliseconds, random: 1_000_000 + round)
      let leader = try #require(cluster.leader(of: key))
      let reply = try cluster.ask(leader, put(key, by: correct), timeout: 200)
      #expect(isWritten(reply), "round \(round), \(ahead) ms ahead: \(String(describing: reply))")
      try cluster.restart(0)
      try cluster.run(milliseconds: 1_000)
    }
  }
}
