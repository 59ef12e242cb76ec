internal import KVBase
internal import KVCommand
internal import KVPlacement

/// The first version of a cluster's map, as a pure function of what its nodes are started with:
/// every one of them computes the same, but for the cluster's id. A node that is let in makes its
/// replica of the meta group by it, and that group's first leader proposes it. From then on nothing
/// is routed by the flags of a process.
enum Bootstrap {
  /// At most this many nodes vote in the meta group: the lowest ids. The others learn.
  static let metaVoters = 5

  /// `incarnation`: of the members that have been met; 0 for the others.
  static func map(
    _ configuration: NodeConfiguration, clusterID: UInt64, incarnation: (NodeID) -> UInt64
  ) -> ClusterMap {
    ClusterMap(
      forming: clusterID,
      members: configuration.members.map {
        MemberRecord(
          node: $0.node, incarnation: incarnation($0.node), address: $0.address, zone: $0.zone)
      }, replicaSets: replicaSets(configuration), defaultMode: configuration.defaultMode)
  }

  /// By group.
  static func replicaSets(_ configuration: NodeConfiguration) -> [ReplicaSet] {
    let epoch = Epoch(1)
    let all = configuration.members.map { ReplicaID(node: $0.node) }
    let placement = Placement.initial(
      members: configuration.members.map { PlacementMember(node: $0.node, zone: $0.zone) },
      partitions: configuration.partitions, replication: configuration.replication)
    return [
      ReplicaSet(
        epoch: epoch, voters: Array(all.prefix(metaVoters)),
        learners: Array(all.dropFirst(metaVoters)))
    ]
      + placement.replicas.map { nodes in
        ReplicaSet(epoch: epoch, voters: nodes.map { ReplicaID(node: $0) })
      }
  }
}
