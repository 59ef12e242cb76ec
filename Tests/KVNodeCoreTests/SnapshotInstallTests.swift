import KVBase
import KVCommand
import KVLog
import KVState
import KVWire
import Testing

@testable import KVNodeCore

/// What a replica knows after a snapshot has taken the place of its log and state.
@Suite struct SnapshotInstallTests {
  @Test func aSnapshotOfTheMetaGroupBringsTheMap() throws {
    let cluster = try TestCluster(partitions: 1) {
      $0.flushBytes = 1
      $0.logKeepBytes = 1
    }
    try cluster.run(milliseconds: 1_000)
    let leader = try #require(cluster.leader(of: .meta))
    let behind = (leader + 1) % 3
    let last = try #require(cluster.nodes[behind].report(.meta, cluster.now)).last
    try cluster.setDown(behind)
    let made = try cluster.ask(
      leader, cluster.mutation(.meta(.createKeyspace(name: "carts", mode: .cp))), timeout: 200)
    guard case .applied(.keyspace(_), _)? = made else {
      Issue.record("not created: \(String(describing: made))")
      return
    }
    try cluster.run(milliseconds: 1_500)
    #expect(try #require(cluster.nodes[leader].report(.meta, cluster.now)).base > last)
    try cluster.restart(behind)
    try cluster.run(milliseconds: 1_000)
    let status = try #require(cluster.nodes[behind].machines.status(of: .meta))
    #expect(status.generation > Generation(1))
    #expect(cluster.nodes[behind].map == cluster.nodes[leader].map)
    #expect(cluster.nodes[behind].map.keyspace(named: "carts") != nil)
  }

  @Test func whatASnapshotHasDroppedIsNotDroppedAgain() throws {
    var bench = ShardBench()
    let transfer = try bench.beginInstall()
    #expect(try bench.receiveChunk())
    bench.step(transfer, .stepDone(problem: nil))
    let (index, term) = ShardBench.snapshot
    var status = ShardBench.status(through: index, term: term)
    status.generation = Generation(2)
    status.droppedKeyspaces.insert(KeyspaceID(5))
    bench.step(transfer, .installed(status))
    bench.persisted(bench.endTurn().batch)
    #expect(try #require(bench.report).applied == index)
    bench.lead()
    /// What the leader writes where the map has dropped these.
    func written(_ dropped: [KeyspaceID]) -> Int {
      var map = Bootstrap.map(ShardBench.configuration, clusterID: 5) { _ in 1 }
      map.dropped = KeyspaceIDSet()
      for keyspace in dropped { map.dropped.insert(keyspace) }
      bench.give(.map(map))
      bench.give(.dropRecords)
      return bench.endTurn().batch?.records.count ?? 0
    }
    #expect(written([KeyspaceID(5)]) == 0)
    #expect(written([KeyspaceID(5), KeyspaceID(6)]) == 1)
  }
}
