import KVBase
import KVWire
import Testing

@testable import KVNodeCore

/// The state store is about to slow its writers down: nothing is given to it until it has caught
/// up.
@Suite struct PressureTests {
  private func expectOverloaded(_ reply: Reply?) {
    guard case .failed(let failure)? = reply else {
      Issue.record("not refused: \(String(describing: reply))")
      return
    }
    #expect(failure.reason == .overloaded && failure.notStarted)
  }

  @Test func nothingIsAppliedUnderPressure() throws {
    var bench = ShardBench()
    bench.give(.addReplica(GroupID(1), ShardBench.own, ShardBench.alone))
    bench.lead()
    let waiting = bench.put()
    let (_, batch) = bench.endTurn()
    bench.give(.pressure(true))
    bench.persisted(batch)
    let refused = bench.put()
    for _ in 0..<3 {
      let (asked, _) = bench.endTurn()
      #expect(asked.applies.isEmpty)
      if let reply = try asked.answers()[refused] { expectOverloaded(reply) }
      let report = try #require(bench.report)
      #expect(report.commit == report.last && report.applied < report.commit)
      bench.tick()
    }
    bench.give(.pressure(false))
    bench.tick()
    let (asked, _) = bench.endTurn()
    #expect(asked.applies.count == 1)
    bench.shard.applied(asked.applies.map(ShardBench.result), now: bench.now, &bench.outputs)
    guard case .applied? = try bench.endTurn().asked.answers()[waiting] else {
      Issue.record("the put was not answered")
      return
    }
  }

  @Test func aChunkOfASnapshotIsNotInstalledUnderPressure() throws {
    var bench = ShardBench()
    _ = try bench.beginInstall()
    bench.give(.pressure(true))
    #expect(try !bench.receiveChunk())
    bench.give(.pressure(false))
    #expect(try bench.receiveChunk())
  }

  @Test func aGaugeOfTheInterpreterIsPressure() throws {
    let cluster = try TestCluster(nodes: 1)
    try cluster.run(milliseconds: 1_000)
    try cluster.nodes[0].give(.tick(NodeGauges(isUnderPressure: true)), cluster.now)
    expectOverloaded(try cluster.ask(0, cluster.put("a", "1")))
    try cluster.nodes[0].give(.tick(NodeGauges(isUnderPressure: false)), cluster.now)
    guard case .applied? = try cluster.ask(0, cluster.put("a", "1")) else {
      Issue.record("refused without pressure")
      return
    }
  }
}
