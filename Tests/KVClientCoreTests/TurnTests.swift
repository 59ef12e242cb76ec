import KVBase
import KVClientCore
import KVCommand
import KVWire
import Testing

/// A group has moved: a node that holds it no longer says where it is now.
@Suite struct TurnTests {
  private func put(_ key: String) -> ClientOperation { .mutate(key: Bytes(key), .put(value: "v")) }

  /// Four nodes; the client knows the map of today, by which node 4 does not hold the group of "a".
  private func connected() -> (FakeCluster, group: Int, spare: NodeID) {
    let cluster = FakeCluster(nodes: 4)
    _ = cluster.run(put("a"))
    let group = Int(cluster.group(of: "a").rawValue)
    let holders = cluster.replicas(of: group)
    let spare = (1...4).map { NodeID($0) }.first { !holders.contains($0) }
    return (cluster, group, spare ?? NodeID(4))
  }

  /// The group's only replica is on `node` from now on, under a map of one more epoch.
  private func move(_ cluster: FakeCluster, _ group: Int, to node: NodeID) {
    let epoch = Epoch(cluster.view.map.epoch.rawValue + 1)
    cluster.view.map.epoch = epoch
    cluster.view.map.replicaSets[group] = ReplicaSet(
      epoch: epoch, voters: [ReplicaID(node: node, ordinal: 1)])
    cluster.leaders[group] = node
    cluster.turnsAway = true
  }

  /// The fetch of the map is not answered: the refusal alone has to do.
  private func withholdMap(_ cluster: FakeCluster) {
    cluster.script = { _, request in
      if case .map = request.body { .silence } else { nil }
    }
  }

  @Test func theRefusalSufficesToTurnRight() {
    let (cluster, group, spare) = connected()
    move(cluster, group, to: spare)
    withholdMap(cluster)
    let before = cluster.now
    cluster.received = []
    guard case .applied(_, let receipt) = cluster.run(put("a")) else {
      Issue.record("not applied")
      return
    }
    #expect(receipt.node == spare && cluster.now == before)
    // One wrong turn, then the right way, with the epoch that goes with it.
    #expect(cluster.received.map(\.request.epoch) == [Epoch(1), Epoch(2)])
    // The rest of the map is asked for, and nobody waits for it.
    cluster.advance(milliseconds: 2_000)
    #expect(cluster.received.contains { if case .map = $0.request.body { true } else { false } })
    cluster.received = []
    _ = cluster.run(put("a"))
    _ = cluster.run(.get(key: "a"))
    #expect(cluster.received.map(\.node) == [spare, spare])
  }

  /// A node that the client has not heard of: the address comes with the route.
  @Test func aNewNodeIsFoundByTheAddressInTheRefusal() {
    let (cluster, group, _) = connected()
    let new = NodeID(9)
    cluster.view.map.members.append(
      MemberRecord(node: new, incarnation: 1, address: "h9:1"))
    move(cluster, group, to: new)
    withholdMap(cluster)
    guard case .applied(_, let receipt) = cluster.run(put("a")) else {
      Issue.record("not applied")
      return
    }
    #expect(receipt.node == new)
  }

  /// A node that lags knows less than the client: its word is not taken.
  @Test func anOlderRouteIsNotFollowed() {
    let (cluster, group, spare) = connected()
    move(cluster, group, to: spare)
    _ = cluster.run(put("a"))
    cluster.advance(milliseconds: 2_000)
    let wrong = cluster.view.map.members.map(\.node).filter { $0 != spare }
    var refusals = 1
    cluster.script = { node, request in
      guard refusals > 0, case .mutate = request.body else { return nil }
      refusals -= 1
      let route = GroupRoute(
        group: GroupID(UInt32(group)), epoch: Epoch(1),
        replicas: wrong.map { .init(id: $0, address: "h\($0.rawValue):1") })
      return .reply(
        .failed(
          Failure(.unavailable, .notReplica, notStarted: true, "not here", route: route)))
    }
    cluster.received = []
    guard case .applied(_, let receipt) = cluster.run(put("a")) else {
      Issue.record("not applied")
      return
    }
    #expect(receipt.node == spare)
    #expect(!cluster.received.contains { $0.command != nil && $0.node != spare })
  }

  /// The map that follows may come from a node that lags: what was learned stays.
  @Test func aMapThatLagsDoesNotUndoTheTurn() {
    let (cluster, group, spare) = connected()
    let old = cluster.view
    move(cluster, group, to: spare)
    cluster.script = { _, request in
      if case .map = request.body { .reply(.map(old)) } else { nil }
    }
    guard case .applied = cluster.run(put("a")) else {
      Issue.record("not applied")
      return
    }
    cluster.advance(milliseconds: 5_000)
    cluster.received = []
    guard case .applied(_, let receipt) = cluster.run(put("a")) else {
      Issue.record("not applied")
      return
    }
    #expect(receipt.node == spare)
    let mutations = cluster.received.filter { $0.command != nil }
    #expect(mutations.map(\.node) == [spare])
    #expect(mutations.map(\.request.epoch) == [Epoch(2)])
  }

  /// The client's map is newer than a node's: it asks on until the node has caught up.
  @Test func aNodeWhoseMapLagsIsAskedAgain() {
    let (cluster, _, _) = connected()
    var refusals = 5
    cluster.script = { _, request in
      guard refusals > 0, case .mutate = request.body else { return nil }
      refusals -= 1
      return .reply(FakeCluster.failure(.mapBehind))
    }
    guard case .applied = cluster.run(put("a")) else {
      Issue.record("not applied")
      return
    }
    #expect(refusals == 0)
  }
}
