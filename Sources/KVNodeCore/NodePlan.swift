package import KVBase
internal import KVCommand
package import KVPlacement

/// Which groups there are and who votes in them, as a pure function of the configuration: every
/// node of a cluster computes the same.
package struct NodePlan: Hashable, Sendable {
  /// At most this many nodes vote in the meta group: the lowest ids. The others learn.
  package static var metaVoters: Int { 5 }

  package let placement: Placement
  package let members: [NodeID]

  package init(_ configuration: NodeConfiguration) {
    members = configuration.members.map(\.node)
    placement = Placement.initial(
      members: configuration.members.map { PlacementMember(node: $0.node, zone: $0.zone) },
      partitions: configuration.partitions, replication: configuration.replication)
  }

  /// The meta group first, then one for each partition.
  package var groups: [GroupID] { (0...placement.replicas.count).map { GroupID(UInt32($0)) } }

  /// Who replicates a group, the preferred leader first.
  package func nodes(of group: GroupID) -> [NodeID] {
    guard let partition = group.partition else { return members }
    return placement.replicas[Int(partition.rawValue)]
  }

  /// The configuration that a group begins with.
  package func initialConfiguration(of group: GroupID) -> GroupConfiguration {
    let replicas = nodes(of: group).map { ReplicaID(node: $0) }
    guard group == .meta else { return GroupConfiguration(voters: replicas) }
    return GroupConfiguration(
      voters: Array(replicas.prefix(Self.metaVoters)),
      learners: Array(replicas.dropFirst(Self.metaVoters)))
  }

  /// By group: who should lead it.
  package var preferredLeaders: [NodeID?] { groups.map { nodes(of: $0).first } }
}
