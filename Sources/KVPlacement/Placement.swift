package import KVBase

/// Which nodes hold each partition; the first of a partition's nodes is its preferred leader.
///
/// A pure function of members, partitions and replication: every node computes the same.
package struct Placement: Hashable, Sendable {
  /// By partition. A node stands at most once in each list.
  package private(set) var replicas: [[NodeID]]

  package init(replicas: [[NodeID]]) {
    self.replicas = replicas
  }

  package func replicas(of partition: PartitionID) -> [NodeID] {
    replicas[Int(partition.rawValue)]
  }

  /// How many replicas a node holds.
  package func load(of node: NodeID) -> Int {
    replicas.reduce(0) { $0 + ($1.contains(node) ? 1 : 0) }
  }

  /// The first placement of a cluster: consistent hashing with bounded load (Mirrokni, Thorup and
  /// Zadimoghaddam, 2016), where the bound of each node is its exact share.
  ///
  /// From each partition's first token on, the ring is walked clockwise, and a node met is taken
  /// while it and its zone have a share left. Shares add up to what is needed, so a node (or zone)
  /// whose share equals the partitions left must be in every one of them; taking those always
  /// leaves a placement possible (Gale and Ryser: no share exceeds the partitions left).
  ///
  /// `replication` above the number of members gives one replica a member.
  package static func initial(
    members: [PlacementMember], partitions: Int, replication: Int
  ) -> Placement {
    let table = MemberTable(members)
    let quotas = PlacementQuotas(table, partitions: partitions, replication: replication)
    var walk = PlacementWalk(table, quotas)
    var chosen: [[Int]] = []
    chosen.reserveCapacity(partitions)
    for (partition, counts) in walk.zoneCounts().enumerated() {
      chosen.append(walk.choose(partition: partition, counts: counts))
    }
    EvenChoice.balance(&chosen, loads: table.nodes.map { _ in 0 })
    return Placement(replicas: chosen.map { $0.map { table.nodes[$0] } })
  }
}
