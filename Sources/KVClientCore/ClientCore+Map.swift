internal import KVBase
internal import KVCommand
internal import KVWire

/// The cluster map: fetched when a call needs it and when an answer shows that it has changed.
extension ClientCore {
  /// The call goes on when the next map has come. Always false.
  mutating func waitForMap(_ slot: Int32, _ now: Now) -> Bool {
    calls[slot].state = .waitingForMap
    deadlines.set(slot, due: calls[slot].deadline)
    waitingForMap.append(calls.ref(slot))
    wantMap(now)
    return false
  }

  /// Fetches the map, unless a fetch runs already.
  mutating func wantMap(_ now: Now) {
    if let refresh, calls.isLive(refresh) { return }
    var call = Call()
    call.work = .map
    call.began = now.instant
    call.state = .ready
    let ref = calls.insert(call)
    refresh = ref
    if now.instant < nextRefreshAt {
      calls[ref.slot].state = .backingOff(until: nextRefreshAt)
      deadlines.set(ref.slot, due: nextRefreshAt)
    } else {
      ready.append(ref)
    }
  }

  /// The fetch found nobody in this round.
  mutating func endRefreshRound(
    _ slot: Int32, isBlocked: Bool, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    var waiters: [CallRef] = []
    for ref in waitingForMap where calls.isLive(ref) && calls[ref.slot].state == .waitingForMap {
      guard isBlocked, now.instant - calls[ref.slot].began >= settings.noQuorumPatience else {
        waiters.append(ref)
        continue
      }
      let failure = Failure(
        .unavailable, .none, notStarted: true,
        "no node can be reached (\(everyoneDescribed(now))): check the endpoints, and that the"
          + " nodes run")
      finishUndone(ref.slot, failure, now, &outputs)
    }
    waitingForMap = waiters
    if waiters.isEmpty {
      discard(slot)
      refresh = nil
    } else {
      backOff(slot, atLeast: .zero, now)
    }
  }

  mutating func mapArrived(
    _ slot: Int32, _ new: ClusterView, by peer: Int, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    if let problem = problem(with: new) {
      nonsense(slot, problem, by: peer, now, &outputs)
      return
    }
    install(new)
    let isRefresh = refresh == calls.ref(slot)
    if isRefresh {
      nextRefreshAt = now.instant + settings.mapInterval
      refresh = nil
    }
    finish(slot, .map(new), now, &outputs)
    let waiting = waitingForMap
    waitingForMap = []
    for ref in waiting where calls.isLive(ref) && calls[ref.slot].state == .waitingForMap {
      makeReady(ref.slot)
    }
  }

  private func problem(with new: ClusterView) -> String? {
    if new.meta.clusterID != 0, clusterID != 0, new.meta.clusterID != clusterID {
      return "it belongs to another cluster: check the endpoints"
    }
    if let view, view.partitions != new.partitions {
      return "its map has \(new.partitions) partitions, not \(view.partitions)"
    }
    if peers.count + new.nodes.count > Limits.clientPeers {
      return "its map has \(new.nodes.count) nodes, too many for this client"
    }
    return nil
  }

  /// Takes over what is newer in `new`. A node that is behind can still know a leader.
  private mutating func install(_ new: ClusterView) {
    if clusterID == 0 { clusterID = new.meta.clusterID }
    if view.map({ new.meta.epoch >= $0.meta.epoch }) ?? true {
      view = new
      keyspaces = [:]
      for keyspace in new.meta.keyspaces { keyspaces[keyspace.name] = keyspace.id }
      for node in new.nodes { learn(node) }
      if windows.isEmpty {
        windows = Array(repeating: SessionWindow(), count: new.partitions + 1)
      }
      rebuildRoutes()
    }
    for (group, leader) in new.leaders.enumerated() where leader.rawValue != 0 {
      if routes[group].hint < 0, let peer = peerOfNode[leader] { routes[group].hint = Int32(peer) }
    }
  }

  private mutating func learn(_ node: ClusterView.Node) {
    if let index = peerOfNode[node.id] {
      if peers[index].isOverride || peers[index].addresses.contains(node.address) { return }
      peers[index].addresses =
        peers[index].isGiven ? [peers[index].addresses[0], node.address] : [node.address]
      return
    }
    for index in peers.indices where peers[index].node == nil && peers[index].state != .alias {
      if peers[index].address == node.address {
        peers[index].node = node.id
        peerOfNode[node.id] = index
        return
      }
    }
    peerOfNode[node.id] = peers.count
    peers.append(Peer(node: node.id, address: node.address))
  }

  /// Computes whom each group's requests may go to, and keeps what is known of leaders.
  mutating func rebuildRoutes() {
    updateEveryone()
    guard let view else { return }
    func peersOf(_ nodes: [NodeID]) -> [Int32] {
      nodes.prefix(64).compactMap { peerOfNode[$0].map(Int32.init) }
    }
    // The first voters of the meta group are the lowest five ids.
    var fresh = [GroupRoute(peers: peersOf(Array(view.nodes.map(\.id).sorted().prefix(5))))]
    for replicas in view.placement { fresh.append(GroupRoute(peers: peersOf(replicas))) }
    for group in fresh.indices where group < routes.count {
      let hint = routes[group].hint
      guard hint >= 0, let node = peers[Int(hint)].node, let peer = peerOfNode[node] else {
        continue
      }
      fresh[group].hint = Int32(peer)
      // Such as a node that holds a group while it moves.
      if !fresh[group].peers.contains(Int32(peer)), fresh[group].peers.count < 64 {
        fresh[group].peers.append(Int32(peer))
      }
    }
    routes = fresh
  }
}
