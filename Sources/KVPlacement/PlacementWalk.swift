internal import KVBase

/// The walk around the ring that places the replicas of one partition after the other.
struct PlacementWalk {
  private let table: MemberTable
  private let quotas: PlacementQuotas
  private let ring: VirtualNodes
  /// What each node may still take.
  private var nodeShare: [Int]
  /// In how many partitions to come each zone takes part; known once `zoneCounts` has run.
  private var columnsLeft: [Int]

  init(_ table: MemberTable, _ quotas: PlacementQuotas) {
    self.table = table
    self.quotas = quotas
    ring = VirtualNodes(table)
    nodeShare = quotas.ofNode
    columnsLeft = table.nodesOfZone.map { _ in 0 }
  }

  /// How many replicas each zone gives to each partition.
  mutating func zoneCounts() -> [[Int]] {
    var share = quotas.extrasOfZone
    var result: [[Int]] = []
    result.reserveCapacity(quotas.partitions)
    for partition in 0..<quotas.partitions {
      let left = quotas.partitions - partition
      var counts = quotas.base
      // Zones that must give to every partition left, and what remains for the walk to decide.
      var free = quotas.extrasPerPartition
      for zone in share.indices where share[zone] == left {
        assign(zone, &share, &counts)
        free -= 1
      }
      var point = start(partition)
      var steps = 0
      while free > 0 {
        precondition(steps < ring.count, "\(free) extra replicas of partition \(partition) left")
        let zone = table.zoneOf[ring.owner(of: point)]
        if share[zone] > 0, counts[zone] == quotas.base[zone] {
          assign(zone, &share, &counts)
          free -= 1
        }
        advance(&point, &steps)
      }
      result.append(counts)
    }
    for zone in columnsLeft.indices {
      columnsLeft[zone] = result.reduce(0) { $0 + ($1[zone] > 0 ? 1 : 0) }
    }
    return result
  }

  private func assign(_ zone: Int, _ share: inout [Int], _ counts: inout [Int]) {
    share[zone] -= 1
    counts[zone] += 1
  }

  /// The nodes of a partition, in the order in which the walk met them.
  mutating func choose(partition: Int, counts: [Int]) -> [Int] {
    var isForced = table.nodes.map { _ in false }
    var free = counts
    for node in table.nodes.indices {
      let zone = table.zoneOf[node]
      guard counts[zone] > 0, nodeShare[node] == columnsLeft[zone] else { continue }
      isForced[node] = true
      free[zone] -= 1
    }
    var chosen: [Int] = []
    var point = start(partition)
    var steps = 0
    while chosen.count < quotas.replication {
      precondition(
        steps < ring.count, "\(chosen.count) of \(quotas.replication) replicas of \(partition)")
      let node = ring.owner(of: point)
      let zone = table.zoneOf[node]
      if !chosen.contains(node), isForced[node] || (free[zone] > 0 && nodeShare[node] > 0) {
        if !isForced[node] { free[zone] -= 1 }
        nodeShare[node] -= 1
        chosen.append(node)
      }
      advance(&point, &steps)
    }
    for zone in counts.indices where counts[zone] > 0 { columnsLeft[zone] -= 1 }
    return chosen
  }

  private func start(_ partition: Int) -> Int {
    ring.index(
      at: Ring.firstToken(
        of: PartitionID(UInt16(partition)), partitions: quotas.partitions))
  }

  private func advance(_ point: inout Int, _ steps: inout Int) {
    steps += 1
    point = point + 1 == ring.count ? 0 : point + 1
  }
}
