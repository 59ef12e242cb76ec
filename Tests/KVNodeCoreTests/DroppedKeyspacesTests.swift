import KVBase
import KVCommand
import KVState
import KVWire
import Testing

@testable import KVNodeCore

/// Keyspaces that come and go leave nothing behind.
@Suite struct DroppedKeyspacesTests {
  @Test func whatIsStoredOfDroppedKeyspacesDoesNotGrow() throws {
    let cluster = try TestCluster(partitions: 1)
    try cluster.run(milliseconds: 500)
    let at = try #require(cluster.leader(of: .meta))
    func mapBytes() -> Int {
      var writer = ByteWriter()
      cluster.nodes[0].map.encode(into: &writer)
      return writer.count
    }
    let before = mapBytes()
    for number in 0..<200 {
      let name = "k\(number)"
      for command in [MetaCommand.createKeyspace(name: name, mode: .cp), .dropKeyspace(name: name)]
      {
        let reply = try cluster.ask(at, cluster.mutation(.meta(command)), timeout: 200)
        guard case .applied(.keyspace, _)? = reply else {
          Issue.record("\(command): \(String(describing: reply))")
          return
        }
      }
    }
    try cluster.run(milliseconds: 2_000)
    #expect(mapBytes() <= before + 16)
    for node in cluster.nodes {
      let status = try #require(node.machines.status(of: GroupID(1)))
      #expect(Array(status.droppedKeyspaces).count == 200)
    }
  }

  @Test func whatIsSettledIsNotProposedAgain() {
    var all = KeyspaceIDSet()
    for id in UInt32(2)..<1_002 { all.insert(KeyspaceID(id)) }
    var proposals = DropProposals(dropped: [])
    var applied = KeyspaceIDSet()
    var proposed = 0
    while true {
      let due = proposals.due(all)
      #expect(due.count <= Limits.dropsInFlight)
      guard let first = due.first else { break }
      for id in due { proposals.noteProposed(id) }
      #expect(proposals.due(all).isEmpty || due.count < Limits.dropsInFlight)
      proposed += due.count
      for id in due { applied.insert(id) }
      proposals.applied(applied)
      #expect(first.rawValue + UInt32(due.count) == UInt32(proposed) + 2)
    }
    #expect(proposed == 1_000)
    proposals.leadershipEnded()
    #expect(proposals.due(all).isEmpty)
  }
}
