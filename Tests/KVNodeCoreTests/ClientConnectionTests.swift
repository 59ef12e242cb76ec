import KVBase
import KVCommand
import KVWire
import Testing

@testable import KVNodeCore

/// Connections that clients open to a node: which of them it serves.
@Suite struct ClientConnectionTests {
  private func accept(_ cluster: TestCluster, _ connection: UInt64) throws {
    try cluster.nodes[0].give(.accepted(ConnectionID(connection), from: "a client"), cluster.now)
  }

  /// Says HELLO on a new connection. Why it was refused; `nil`: it is served.
  private func greet(
    _ cluster: TestCluster, _ connection: UInt64, clusterID: UInt64 = 0
  ) throws -> Goaway? {
    try accept(cluster, connection)
    let hello = Hello(
      role: .client, clusterID: clusterID, creationDigest: 0, node: NodeID(0), incarnation: 0,
      isBlank: false, software: "test")
    var writer = ByteWriter()
    hello.encode(into: &writer)
    let node = cluster.nodes[0]
    let frame = Frame(type: .hello, stream: 0, payload: writer.take())
    try node.give(.frame(ConnectionID(connection), frame), cluster.now)
    let answer = try #require(
      node.frames.last { $0.connection == ConnectionID(connection) }?.frame)
    guard answer.type != .hello else { return nil }
    return try Goaway(decoding: answer.payload)
  }

  @Test func aPlaceIsFreeWhenItsClientHasGone() throws {
    let cluster = try TestCluster(nodes: 1) { $0.clientLimit = 1 }
    func clients() -> UInt32 {
      cluster.nodes[0].core.report(now: cluster.now.instant).clientConnections
    }
    #expect(try greet(cluster, 2) == nil)
    #expect(try greet(cluster, 3)?.reason == .tooManyClients)
    #expect(clients() == 1)
    try cluster.nodes[0].give(.closed(ConnectionID(2), isRefused: false), cluster.now)
    #expect(clients() == 0)
    #expect(try greet(cluster, 4) == nil)
    #expect(try greet(cluster, 5)?.reason == .tooManyClients)
    #expect(clients() == 1)
  }

  @Test func roomIsMadeByTheOldestThatHasSaidNothingForLong() throws {
    let cluster = try TestCluster(nodes: 1)
    let node = cluster.nodes[0]
    /// The connection that was closed for another one.
    func makeRoom() throws -> UInt64? {
      let isThereRoom = node.core.makeRoom(now: cluster.now, into: &node.outputs)
      try node.endTurn(cluster.now)
      defer { node.connections = [] }
      guard case .close(let connection)? = node.connections.first else {
        #expect(!isThereRoom)
        return nil
      }
      #expect(isThereRoom)
      return connection.rawValue
    }
    #expect(try greet(cluster, 2) == nil)
    try accept(cluster, 3)
    try cluster.run(milliseconds: 100)
    try accept(cluster, 4)
    #expect(try makeRoom() == nil)
    try cluster.run(milliseconds: 90)
    #expect(try makeRoom() == nil)
    try cluster.run(milliseconds: 10)
    #expect(try makeRoom() == 3)
    #expect(try makeRoom() == nil)
    try cluster.run(milliseconds: 100)
    #expect(try makeRoom() == 4)
    // Who is served keeps its place.
    try cluster.run(milliseconds: 1_000)
    #expect(try makeRoom() == nil)
  }

  @Test func aClientOfAnotherClusterIsRefused() throws {
    let cluster = try TestCluster(nodes: 1)
    // Before the cluster has an id every client may be right.
    #expect(try greet(cluster, 2, clusterID: 99) == nil)
    try cluster.run(milliseconds: 1_000)
    let id = cluster.nodes[0].map.clusterID
    #expect(id != 0)
    #expect(try greet(cluster, 3, clusterID: id) == nil)
    #expect(try greet(cluster, 4) == nil)
    #expect(try greet(cluster, 5, clusterID: id ^ 1)?.reason == .wrongCluster)
  }
}
