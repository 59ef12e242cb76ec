internal import KVBase
internal import KVCommand
internal import KVPlacement
internal import KVWire

/// Where calls go: the newest cluster map, and for each group its replicas as peers, with the one
/// that is believed to lead.
///
/// A *hint* is the believed leader of a group: it comes from the map, from answers that only a
/// leader gives, and from refusals that name another node. It is tried first, and never trusted.
struct RouteTable: Sendable {
  private struct Group: Sendable {
    /// The replicas, the preferred leader first; at most 64.
    var peers: [Int32]
    /// Of the replica set.
    var epoch: Epoch
    /// The peer that is believed to lead; -1: unknown.
    var hint: Int32 = -1
  }

  private(set) var view: ClusterView?
  /// 0: not known yet.
  private(set) var clusterID: UInt64 = 0
  /// For look-up only.
  private var keyspaces: [String: KeyspaceID] = [:]
  private var groups: [Group] = []
  /// For what any node can answer.
  private var anyone: [Int32] = []
  /// Goes up when candidates change: masks of an earlier version mean nothing.
  private(set) var version: UInt32 = 0
  /// Spreads reads that any replica may answer.
  private var rotation: Int

  init(rotation: Int) { self.rotation = rotation }

  // MARK: The map

  var partitions: Int { groups.count - 1 }

  func group(of key: Bytes) -> Int {
    Int(Ring.partition(of: key, partitions: partitions).rawValue) + 1
  }

  func keyspace(named name: String) -> KeyspaceID? { keyspaces[name] }

  mutating func define(_ name: String, _ id: KeyspaceID) { keyspaces[name] = id }

  mutating func forget(_ name: String) { keyspaces[name] = nil }

  mutating func forget(_ name: String, _ id: KeyspaceID) {
    if keyspaces[name] == id { keyspaces[name] = nil }
  }

  /// The cluster's id, from a HELLO or a map.
  mutating func learn(clusterID id: UInt64) { if clusterID == 0 { clusterID = id } }

  /// Why a map can't be of this cluster; `nil` where it can.
  func problem(with new: ClusterView) -> String? {
    if new.map.clusterID != 0, clusterID != 0, new.map.clusterID != clusterID {
      return "it belongs to another cluster: check the endpoints"
    }
    guard new.map.isFormed else { return "its map is that of no cluster" }
    if let view, view.map.partitions != new.map.partitions {
      return "its map has \(new.map.partitions) partitions, not \(view.map.partitions)"
    }
    return nil
  }

  /// Adopts a map unless it is older than the present one. False: it is.
  mutating func adopt(_ new: ClusterView) -> Bool {
    learn(clusterID: new.map.clusterID)
    guard view.map({ new.map.epoch >= $0.map.epoch }) ?? true else { return false }
    view = new
    keyspaces = [:]
    for keyspace in new.map.keyspaces { keyspaces[keyspace.name] = keyspace.id }
    return true
  }

  /// Computes whom each group's requests may go to, and keeps what is known of leaders.
  mutating func rebuild(_ peers: PeerTable) {
    anyone = peers.usable
    version &+= 1
    guard let view else { return }
    func indexes(_ nodes: [NodeID]) -> [Int32] {
      nodes.prefix(64).compactMap { peers.index(of: $0).map { Int32($0) } }
    }
    var fresh = view.map.replicaSets.map { Group(peers: indexes($0.nodes), epoch: $0.epoch) }
    for group in fresh.indices where group < groups.count {
      if groups[group].epoch > fresh[group].epoch {
        // Learned from a refusal, and the map that has come since is of a node that lags.
        fresh[group] = Group(
          peers: indexes(groups[group].peers.compactMap { peers.node(of: Int($0)) }),
          epoch: groups[group].epoch)
      }
      let hint = groups[group].hint
      guard hint >= 0, let node = peers.node(of: Int(hint)), let peer = peers.index(of: node) else {
        continue
      }
      fresh[group].hint = Int32(peer)
      Self.admit(Int32(peer), to: &fresh[group])
    }
    groups = fresh
  }

  /// The epoch that a request to a group is routed by.
  func epoch(of route: Route) -> Epoch? {
    if case .group(let group) = route { groups[group].epoch } else { nil }
  }

  /// A node has answered where a group's requests go. False where that is not newer than what is
  /// known here.
  mutating func adopt(_ route: GroupRoute, _ peers: PeerTable) -> Bool {
    let at = Int(route.group.rawValue)
    guard at < groups.count, route.epoch > groups[at].epoch else { return false }
    let indexes = route.replicas.prefix(64).compactMap { peers.index(of: $0.id).map { Int32($0) } }
    groups[at] = Group(peers: indexes, epoch: route.epoch)
    version &+= 1
    return true
  }

  /// Such as a node that holds a group while it moves.
  private static func admit(_ peer: Int32, to group: inout Group) {
    if !group.peers.contains(peer), group.peers.count < 64 { group.peers.append(peer) }
  }

  // MARK: Leaders

  /// What a map says of leaders; a node that lags can still know one.
  mutating func learnLeaders(_ leaders: [NodeID], _ peers: PeerTable) {
    for (group, leader) in leaders.enumerated() where leader.rawValue != 0 && group < groups.count {
      if groups[group].hint < 0, let peer = peers.index(of: leader) {
        groups[group].hint = Int32(peer)
      }
    }
  }

  /// A peer answered what only the leader of the group answers.
  mutating func confirmLeader(_ peer: Int, of route: Route) {
    if case .group(let group) = route { groups[group].hint = Int32(peer) }
  }

  /// A peer said that it does not lead the group.
  mutating func denyLeader(_ peer: Int, of group: Int) {
    if groups[group].hint == Int32(peer) { groups[group].hint = -1 }
  }

  /// A peer was named as the leader of the group.
  mutating func suggestLeader(_ peer: Int, of group: Int) {
    Self.admit(Int32(peer), to: &groups[group])
    groups[group].hint = Int32(peer)
  }

  // MARK: Candidates

  func candidates(of route: Route) -> [Int32] {
    switch route {
    case .unresolved: []
    case .group(let group): groups[group].peers
    case .anyone: anyone
    case .peer(let peer): [Int32(peer)]
    }
  }

  /// The bit of a peer in the masks of a round; 0 where it is not, or no longer, a candidate.
  func mask(of peer: Int, _ route: Route, _ round: Round) -> UInt64 {
    guard round.routesVersion == version else { return 0 }
    guard let position = candidates(of: route).firstIndex(of: Int32(peer)) else { return 0 }
    return 1 << UInt64(position)
  }

  /// The position of the candidate to try next; `nil` where all were tried.
  mutating func nextCandidate(
    of route: Route, _ candidates: [Int32], tried: UInt64, needsLeader: Bool, _ peers: PeerTable,
    _ now: Instant
  ) -> Int? {
    switch route {
    case .group(let group) where needsLeader:
      if let position = position(of: groups[group].hint, candidates, tried) { return position }
      return Self.firstUntried(candidates, tried, from: 0) { Self.isAvailable($0, peers, now) }
        ?? Self.firstUntried(candidates, tried, from: 0) { _ in true }
    case .anyone:
      // The meta group's leader has the newest map.
      if let hint = groups.first?.hint, hint >= 0, peers.isConnected(Int(hint)),
        let position = position(of: hint, candidates, tried)
      {
        return position
      }
    case .group, .peer, .unresolved: break
    }
    if tried == 0 { rotation &+= 1 }
    let start = candidates.isEmpty ? 0 : (rotation & Int.max) % candidates.count
    return Self.firstUntried(candidates, tried, from: start) {
      peers.isConnected($0) && Self.isAvailable($0, peers, now)
    }
      ?? Self.firstUntried(candidates, tried, from: start) { Self.isAvailable($0, peers, now) }
      ?? Self.firstUntried(candidates, tried, from: start) { _ in true }
  }

  private func position(of hint: Int32, _ candidates: [Int32], _ tried: UInt64) -> Int? {
    guard hint >= 0, let position = candidates.firstIndex(of: hint),
      tried >> UInt64(position) & 1 == 0
    else { return nil }
    return position
  }

  private static func isAvailable(_ peer: Int, _ peers: PeerTable, _ now: Instant) -> Bool {
    switch peers.standing(of: peer, now) {
    case .ready, .busy, .unconnected: true
    case .unavailable: false
    }
  }

  private static func firstUntried(
    _ candidates: [Int32], _ tried: UInt64, from start: Int, where suits: (Int) -> Bool
  ) -> Int? {
    for offset in candidates.indices {
      let position = (start + offset) % candidates.count
      if tried >> UInt64(position) & 1 == 0, suits(Int(candidates[position])) { return position }
    }
    return nil
  }
}
