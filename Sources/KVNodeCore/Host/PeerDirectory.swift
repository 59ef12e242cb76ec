package import KVBase
internal import KVCommand
package import KVWire

/// The other nodes as the host knows them, and whether this node may take part.
///
/// A data directory that has never been part of a cluster may be a wiped one, so a blank node asks
/// its peers, who know the incarnations of members, before it votes: one that knows the cluster
/// judges it alone; where all are blank, as many must have met as rule out that the rest has formed
/// a cluster. Then it is admitted, and its replicas are made, once.
struct PeerDirectory: Sendable {
  private struct Peer: Sendable {
    let node: NodeID
    let address: String
    /// The connection that this node opened to it has said HELLO.
    var isConnected = false
    /// Since when that is so.
    var since: Instant
    /// What its HELLO said; 0: not met yet.
    var incarnation: UInt64 = 0
  }

  private enum Admission: Sendable, Hashable {
    case asking(vouchers: [NodeID])
    /// The replicas are to be made.
    case forming
    case admitted
  }

  private let configuration: NodeConfiguration
  /// The data directory had never been part of a cluster when the node started.
  private let startedBlank: Bool
  private var peers: [Peer]
  private var admission: Admission
  private(set) var map: MetaState
  private var hasToldClusterID = false

  init(_ configuration: NodeConfiguration, isBlank: Bool, map: MetaState, now: Instant) {
    self.configuration = configuration
    startedBlank = isBlank
    self.map = map
    peers = configuration.members.filter { $0.node != configuration.node }.map {
      Peer(node: $0.node, address: $0.address, since: now)
    }
    if !isBlank {
      admission = .admitted
    } else {
      admission = peers.isEmpty ? .forming : .asking(vouchers: [])
    }
  }

  var isAdmitted: Bool { admission == .admitted }
  var peerNodes: [NodeID] { peers.map(\.node) }
  var clusterID: UInt64 { map.clusterID != 0 ? map.clusterID : configuration.clusterID }
  /// This node knows of no cluster: it started blank and has seen none since.
  private var isUnformed: Bool { startedBlank && map.clusterID == 0 }

  /// What this node says first on every connection.
  var hello: Hello {
    Hello(
      role: .node, clusterID: clusterID, creationDigest: configuration.creationDigest,
      node: configuration.node, incarnation: configuration.incarnation, isBlank: isUnformed,
      software: configuration.software)
  }

  func reports(now: Instant) -> [NodeReport.Peer] {
    peers.map {
      NodeReport.Peer(
        node: $0.node, isConnected: $0.isConnected,
        sinceMilliseconds: (now - $0.since).milliseconds)
    }
  }

  // MARK: Admission

  /// Has the replicas made where the node has just been admitted.
  mutating func tick(_ plan: NodePlan, _ orders: inout [ShardInput]) {
    guard admission == .forming else { return }
    admission = .admitted
    orders.append(.admitted)
    for group in plan.groups where plan.nodes(of: group).contains(configuration.node) {
      orders.append(
        .addReplica(
          group, ReplicaID(node: configuration.node), plan.initialConfiguration(of: group)))
    }
    orders.append(.preferredLeaders(plan.preferredLeaders))
    orders.append(.campaignWherePreferred)
  }

  /// A node that knows the cluster has judged this one. One that knows of no cluster can only say
  /// so; where so many say it that no majority without them can have formed one, there is none.
  private mutating func vouched(
    by peer: NodeID, isJudge: Bool, _ outputs: inout NodeOutputs
  ) {
    guard case .asking(var vouchers) = admission else { return }
    if !vouchers.contains(peer) { vouchers.append(peer) }
    admission = .asking(vouchers: vouchers)
    let count = configuration.members.count
    guard isJudge || vouchers.count >= count - count / 2 else { return }
    admission = .forming
    outputs.events.append(
      .note(
        .info,
        isJudge
          ? "node \(peer.rawValue) knows the cluster, and no other data directory of this node"
          : "nobody knows of a cluster yet: beginning a new one"))
  }

  // MARK: The map

  mutating func update(_ new: MetaState, _ outputs: inout NodeOutputs) {
    map = new
    tellClusterID(&outputs)
  }

  /// Has the identity file say what the meta group says, once in a life of this node.
  mutating func tellClusterID(_ outputs: inout NodeOutputs) {
    guard !hasToldClusterID, map.clusterID != 0, configuration.clusterID == 0 else { return }
    hasToldClusterID = true
    outputs.clusterID = map.clusterID
  }

  /// A member that has been met and is not recorded in the map.
  var nextToRegister: MemberRecord? {
    for member in configuration.members {
      let incarnation =
        member.node == configuration.node
        ? configuration.incarnation
        : peers.first { $0.node == member.node }?.incarnation ?? 0
      if incarnation != 0, !map.members.contains(where: { $0.node == member.node }) {
        return MemberRecord(
          node: member.node, incarnation: incarnation, address: member.address)
      }
    }
    return nil
  }

  // MARK: HELLO

  /// The first frame on a connection that was accepted. `canJudge`: the members recorded here are
  /// those that the cluster has agreed on so far.
  func judge(_ payload: Bytes, canJudge: Bool) -> NodeCore.HelloDecision {
    guard let hello = try? Hello(decoding: payload) else {
      return .refuse(Goaway(.invalidArgument, .protocolViolation, "the HELLO can't be decoded"))
    }
    if let goaway = problem(withVersionOf: hello) { return .refuse(goaway) }
    switch hello.role {
    case .client:
      guard hello.clusterID == 0 || clusterID == 0 || hello.clusterID == clusterID else {
        return .refuse(
          Goaway(
            .failedPrecondition, .wrongCluster,
            "this node is of another cluster than the client expects"))
      }
      return .client
    case .node:
      if let goaway = problem(withNode: hello, canJudge: canJudge) { return .refuse(goaway) }
      return .node(hello.node)
    }
  }
}
