package import KVBase

/// Later placements are computed from the present one. A replica moves only to the node that joins
/// or off the node that leaves, never between two that stay.
extension Placement {
  /// The placement with one node more. It takes its share from the nodes that hold most over
  /// theirs, at most one replica a partition, and never so that a partition is in fewer zones.
  ///
  /// Where there were fewer nodes than `replication`, it joins every partition and nothing moves.
  package func adding(
    _ joiner: PlacementMember, to present: [PlacementMember], replication: Int
  ) -> Placement {
    let table = MemberTable(present + [joiner])
    let quotas = PlacementQuotas(table, partitions: replicas.count, replication: replication)
    guard let position = table.position(of: joiner.node) else { return self }
    var change = PlacementChange(table, quotas, lists: positions(in: table))
    change.join(position)
    return change.placement()
  }

  /// The placement with one node fewer. Each replica that it held goes to the node that holds least
  /// of its share, in a zone that the partition uses least.
  ///
  /// Where fewer nodes than `replication` stay, its replicas are not replaced.
  package func removing(
    _ leaver: NodeID, from present: [PlacementMember], replication: Int
  ) -> Placement {
    let staying = present.filter { $0.node != leaver }
    let table = MemberTable(staying)
    let quotas = PlacementQuotas(table, partitions: replicas.count, replication: replication)
    var change = PlacementChange(table, quotas, lists: positions(in: table))
    change.refill()
    return change.placement()
  }

  /// The replicas as positions in the table, without nodes that it lacks.
  private func positions(in table: MemberTable) -> [[Int]] {
    replicas.map { $0.compactMap { table.position(of: $0) } }
  }
}
