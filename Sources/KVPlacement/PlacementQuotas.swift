/// How many replicas each zone and each node should hold, decided before any is placed.
///
/// Every partition gets its replicas from as many zones as there are, and as evenly: first `base`
/// from each zone, then one more from `extrasPerPartition` of the zones that have nodes left. Where
/// that leaves a choice, the load of the nodes decides.
struct PlacementQuotas {
  let partitions: Int
  /// Replicas of each partition: the replication asked for, at most one a node.
  let replication: Int
  /// Replicas that every partition has in a zone.
  let base: [Int]
  /// Zones that give a partition one replica more than their base.
  let extrasPerPartition: Int
  /// In how many partitions a zone gives one replica more.
  let extrasOfZone: [Int]
  /// Replicas that a node should hold: within a zone, all the same or one more.
  let ofNode: [Int]

  init(_ table: MemberTable, partitions: Int, replication: Int) {
    precondition(Ring.isValid(partitions: partitions), "\(partitions) partitions")
    precondition(replication >= 1, "replication \(replication)")
    self.partitions = partitions
    let copies = min(replication, table.count)
    self.replication = copies
    let sizes = table.nodesOfZone.map(\.count)
    var level = 0
    while sizes.reduce(0, { $0 + min($1, level + 1) }) <= copies, level < copies { level += 1 }
    let base = sizes.map { min($0, level) }
    self.base = base
    let extras = copies - base.reduce(0, +)
    extrasPerPartition = extras
    extrasOfZone = Self.spread(
      extras * partitions, over: sizes, base: base, level: level, partitions: partitions)
    ofNode = Self.share(
      table, loads: sizes.indices.map { [extrasOfZone] in base[$0] * partitions + extrasOfZone[$0] }
    )
  }

  /// Hands out `units` one by one, each to the zone whose nodes would then be the least loaded, at
  /// most one a partition.
  private static func spread(
    _ units: Int, over sizes: [Int], base: [Int], level: Int, partitions: Int
  ) -> [Int] {
    var given = sizes.map { _ in 0 }
    for _ in 0..<units {
      var best = -1
      for zone in sizes.indices where sizes[zone] > level && given[zone] < partitions {
        guard best >= 0 else {
          best = zone
          continue
        }
        let load = base[zone] * partitions + given[zone] + 1
        let least = base[best] * partitions + given[best] + 1
        if load * sizes[best] < least * sizes[zone] { best = zone }
      }
      precondition(best >= 0, "no zone left for \(units) units over \(sizes)")
      given[best] += 1
    }
    return given
  }

  /// Shares the load of each zone among its nodes. Who has one more is decided by hash, so that it
  /// is not always the lowest id.
  private static func share(_ table: MemberTable, loads: [Int]) -> [Int] {
    var result = table.nodes.map { _ in 0 }
    for (zone, nodes) in table.nodesOfZone.enumerated() {
      let order = nodes.sorted {
        let a = VirtualNodes.hash(table.nodes[$0], .max)
        let b = VirtualNodes.hash(table.nodes[$1], .max)
        return a != b ? a < b : $0 < $1
      }
      for (rank, node) in order.enumerated() {
        result[node] = loads[zone] / nodes.count + (rank < loads[zone] % nodes.count ? 1 : 0)
      }
    }
    return result
  }
}
