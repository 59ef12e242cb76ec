internal import KVBase

/// What a shard knows of the other nodes: who can be sent to, and since when. Told by the host.
struct PeerTable: Sendable {
  struct Peer: Sendable {
    let node: NodeID
    /// The connection to send on; `nil`: it can't be reached.
    var connection: ConnectionID?
    /// Nobody listens at its address.
    var isRefusing = false
    /// Since when it is up or down.
    var since: Instant
  }

  private(set) var peers: [Peer] = []

  func connection(to node: NodeID) -> ConnectionID? {
    for peer in peers where peer.node == node { return peer.connection }
    return nil
  }

  /// Whether a node can be sent to, and could for at least so long.
  func isUp(_ node: NodeID, for time: TimeAmount, now: Instant) -> Bool {
    peers.contains { $0.node == node && $0.connection != nil && now - $0.since >= time }
  }

  var hasAnyUp: Bool { peers.contains { $0.connection != nil } }

  mutating func set(
    _ node: NodeID, _ connection: ConnectionID?, isRefusing: Bool, now: Instant
  ) {
    guard let at = peers.firstIndex(where: { $0.node == node }) else {
      peers.append(
        Peer(node: node, connection: connection, isRefusing: isRefusing, since: now))
      return
    }
    if (peers[at].connection == nil) != (connection == nil) { peers[at].since = now }
    peers[at].connection = connection
    peers[at].isRefusing = isRefusing
  }

  mutating func remove(_ node: NodeID) { peers.removeAll { $0.node == node } }

  /// Such as `1 of 3 replicas reachable; n2 down for 12 s`.
  func describe(_ voters: [ReplicaID], own: NodeID, now: Instant) -> String {
    var reachable = 0
    var absent = ""
    for voter in voters {
      guard voter.node != own, let peer = peers.first(where: { $0.node == voter.node }) else {
        if voter.node == own { reachable += 1 }
        continue
      }
      if peer.connection != nil {
        reachable += 1
      } else {
        absent +=
          "; \(peer.node) \(peer.isRefusing ? "down" : "unreachable") for \(now - peer.since)"
      }
    }
    return "\(reachable) of \(voters.count) replicas reachable\(absent)"
  }
}
