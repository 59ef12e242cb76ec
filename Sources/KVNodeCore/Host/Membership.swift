internal import KVBase
internal import KVCommand
internal import KVWire

/// Who belongs to the cluster, as this node knows it: its own identity, the map, and what of other
/// nodes and clients can be talked with.
struct Membership: Sendable {
  private let configuration: NodeConfiguration
  private(set) var standing: Hello.Standing
  private(set) var map: ClusterMap
  private var hasToldClusterID = false
  /// Blank data directories that ask to be let in, one for a node, and since when.
  private var asking: [(node: NodeID, incarnation: UInt64, since: Instant)] = []

  init(_ configuration: NodeConfiguration, isBlank: Bool, map: ClusterMap) {
    self.configuration = configuration
    standing = isBlank ? .blank : .begun
    self.map = map
  }

  /// 0: not known yet.
  var clusterID: UInt64 { map.clusterID != 0 ? map.clusterID : configuration.clusterID }
  /// Nodes to keep a link to: the map's, once there is one.
  var others: [(node: NodeID, address: String)] {
    let all =
      map.isFormed
      ? map.members.map { (node: $0.node, address: $0.address) }
      : configuration.members.map { (node: $0.node, address: $0.address) }
    return all.filter { $0.node != configuration.node }.map { member in
      let given = configuration.peerAddresses.first { $0.node == member.node }
      return (member.node, given?.address ?? member.address)
    }
  }

  /// What this node says first on every connection.
  var hello: Hello {
    var hello = Hello(
      role: .node, clusterID: clusterID, creationDigest: configuration.creationDigest,
      node: configuration.node, incarnation: configuration.incarnation, isBlank: false,
      software: configuration.software, address: configuration.address)
    hello.standing = standing
    return hello
  }

  mutating func update(_ new: ClusterMap) { map = new }
  mutating func update(_ new: Hello.Standing) { standing = new }

  /// Has the identity file say what the meta group says, once in a life of this node.
  mutating func tellClusterID(_ outputs: inout NodeOutputs) {
    guard !hasToldClusterID, map.clusterID != 0, configuration.clusterID == 0 else { return }
    hasToldClusterID = true
    outputs.clusterID = map.clusterID
  }

  // MARK: Judging HELLO

  /// Why a client can't be served here, or `nil`.
  func problem(withClient hello: Hello) -> Goaway? {
    guard hello.clusterID == 0 || clusterID == 0 || hello.clusterID == clusterID else {
      return Goaway(
        .wrongCluster, "this node is of another cluster than the client expects")
    }
    return nil
  }

  /// Why a node that was dialed as `expected` can't be talked with, or `nil`. It has judged this
  /// one by sending HELLO and not GOAWAY.
  func problem(withDialed hello: Hello, expected: NodeID) -> Goaway? {
    guard hello.role == .node, hello.node == expected else {
      return Goaway(
        .wrongNode,
        "node \(hello.node.rawValue) answered where node \(expected.rawValue) was expected: check "
          + "the addresses in --peers")
    }
    return problem(withNode: hello)
  }

  /// Why a node that dialed this one can't be talked with, or `nil`. `mapAsOf`: the map here lacks
  /// nothing that the cluster had agreed on at this time. `Formation` says why a blank node is let
  /// in or not.
  mutating func problem(withDialing hello: Hello, mapAsOf: Instant?, now: Instant) -> Goaway? {
    if let problem = problem(withNode: hello) { return problem }
    guard hello.isBlank, standing == .begun else { return nil }
    // A data directory that is registered stays so.
    if map.member(hello.node)?.incarnation == hello.incarnation { return nil }
    let since = noteAsking(hello, now: now)
    if map.isFormed, let mapAsOf, mapAsOf >= since { return nil }
    return Goaway(
      .cannotJudgeYet,
      "node \(configuration.node.rawValue) does not know yet whether node "
        + "\(hello.node.rawValue) was a member before: no leader of the meta group yet")
  }

  /// When this data directory was first seen here. Only of members, so there are few.
  private mutating func noteAsking(_ hello: Hello, now: Instant) -> Instant {
    if let known = asking.first(where: { $0.node == hello.node }),
      known.incarnation == hello.incarnation
    {
      return known.since
    }
    asking.removeAll { $0.node == hello.node }
    asking.append((hello.node, hello.incarnation, now))
    return now
  }

  private func problem(withNode hello: Hello) -> Goaway? {
    guard hello.node != configuration.node else {
      return Goaway(.wrongNode, "both sides are node \(hello.node.rawValue)")
    }
    let isMember =
      map.isFormed
      ? map.member(hello.node) != nil
      : configuration.members.contains { $0.node == hello.node }
    guard isMember else { return notAMember(hello.node) }
    // Once both know their cluster, its id decides.
    guard
      hello.clusterID != 0 && clusterID != 0
        || hello.creationDigest == configuration.creationDigest
    else {
      return Goaway(
        .creationDiffers,
        "nodes \(hello.node.rawValue) and \(configuration.node.rawValue) were started with "
          + "different --peers ids, --zones, --partitions, --replication or --mode: make them "
          + "equal")
    }
    guard hello.clusterID == 0 || clusterID == 0 || hello.clusterID == clusterID else {
      return Goaway(
        .wrongCluster,
        "node \(hello.node.rawValue) belongs to another cluster: check --peers and --data-dir")
    }
    if let member = map.member(hello.node), member.incarnation != 0,
      member.incarnation != hello.incarnation, !letsLostDisksIn
    {
      return Goaway(
        .wipedDisk,
        "node \(hello.node.rawValue) is a member of the cluster with another data directory than "
          + "the one it has now: start it with its old --data-dir. If its disk was lost, the other "
          + "nodes go on without it, since this version can neither replace nor add a member; to "
          + "have all copies again, 'kvctl export' every keyspace, form a new cluster with empty "
          + "data directories, and 'kvctl import' there")
    }
    return nil
  }

  private func notAMember(_ node: NodeID) -> Goaway {
    guard map.isFormed else {
      return Goaway(
        .creationDiffers,
        "node \(node.rawValue) is not among the peers of node \(configuration.node.rawValue): "
          + "give all nodes the same --peers")
    }
    let members = map.members.map { "\($0.node.rawValue)" }.joined(separator: ", ")
    return Goaway(
      .notAMember,
      "node \(node.rawValue) is not a member of the cluster of node "
        + "\(configuration.node.rawValue), which was formed of nodes \(members), and this version "
        + "can add none: to be one of those, give its --id and its --data-dir; to form a cluster "
        + "with this node, start every node with an empty --data-dir and the same --peers")
  }

  private var letsLostDisksIn: Bool {
    #if PlantedFaults
      return plantedFault == .lostDiskAdmitted
    #else
      return false
    #endif
  }

  #if PlantedFaults
    var plantedFault: PlantedFault?
  #endif
}
