internal import KVBase

/// A placement that is being changed, with nodes as positions in the table.
struct PlacementChange {
  private let table: MemberTable
  private let quotas: PlacementQuotas
  private var lists: [[Int]]
  private var loads: [Int]

  init(_ table: MemberTable, _ quotas: PlacementQuotas, lists: [[Int]]) {
    self.table = table
    self.quotas = quotas
    self.lists = lists
    loads = [Int](repeating: 0, count: table.count)
    for list in lists { for node in list { loads[node] += 1 } }
  }

  /// The result, with preferred leaders spread anew; those that can stay do.
  func placement() -> Placement {
    var balanced = lists
    EvenChoice.balance(&balanced, loads: table.nodes.map { _ in 0 })
    return Placement(replicas: balanced.map { $0.map { table.nodes[$0] } })
  }

  /// How much a node holds over its share.
  private func excess(_ node: Int) -> Int { loads[node] - quotas.ofNode[node] }

  private func replicasInZone(of node: Int, _ list: [Int]) -> Int {
    list.count { table.zoneOf[$0] == table.zoneOf[node] }
  }

  private func affinity(_ node: Int, _ number: Int) -> UInt64 {
    VirtualNodes.hash(table.nodes[node], UInt32(number))
  }

  // MARK: - Joining

  mutating func join(_ joiner: Int) {
    for number in lists.indices where lists[number].count < quotas.replication {
      lists[number].append(joiner)
      loads[joiner] += 1
    }
    // The smallest share in its zone: a share rounded up would move more than is needed.
    let zone = table.nodesOfZone[table.zoneOf[joiner]]
    let share = zone.map { quotas.ofNode[$0] }.min() ?? 0
    while loads[joiner] < share {
      guard let (number, donor) = nextGift(to: joiner) else { break }
      give(number, from: donor, to: joiner)
    }
  }

  private mutating func give(_ number: Int, from donor: Int, to joiner: Int) {
    guard let position = lists[number].firstIndex(of: donor) else { return }
    lists[number][position] = joiner
    loads[donor] -= 1
    loads[joiner] += 1
  }

  /// From the node with most over its share, a partition whose other nodes have least over theirs,
  /// so that those with several such nodes are left for later.
  private func nextGift(to joiner: Int) -> (number: Int, donor: Int)? {
    let donors = loads.indices.filter { $0 != joiner }
      .sorted { excess($0) != excess($1) ? excess($0) > excess($1) : $0 < $1 }
    for donor in donors {
      var best: (number: Int, others: Int)?
      for number in lists.indices where mayGive(number, from: donor, to: joiner) {
        let others = lists[number].reduce(0) { $0 + ($1 == donor ? 0 : max(0, excess($1))) }
        guard let found = best, !isBetter(number, others, than: found, for: joiner) else {
          best = (number, others)
          continue
        }
      }
      if let best { return (best.number, donor) }
    }
    return nil
  }

  private func isBetter(
    _ number: Int, _ others: Int, than best: (number: Int, others: Int), for joiner: Int
  ) -> Bool {
    others != best.others
      ? others < best.others : affinity(joiner, number) < affinity(joiner, best.number)
  }

  /// Whether the partition stays as well spread over the zones.
  private func mayGive(_ number: Int, from donor: Int, to joiner: Int) -> Bool {
    let list = lists[number]
    guard list.contains(donor), !list.contains(joiner) else { return false }
    return table.zoneOf[donor] == table.zoneOf[joiner]
      || replicasInZone(of: donor, list) > replicasInZone(of: joiner, list)
  }

  // MARK: - Leaving

  /// Gives every partition that lacks a replica one on another node: first each to the best at its
  /// turn, then evened out.
  mutating func refill() {
    let lacking = lists.indices.filter { lists[$0].count < quotas.replication }
    var takers: [[Int]] = []
    for number in lacking {
      let candidates = candidates(for: number)
      precondition(!candidates.isEmpty, "no node of \(table.count) can take \(lists[number])")
      loads[candidates[0]] += 1
      takers.append(candidates)
    }
    var before = loads.indices.map { excess($0) }
    for list in takers { before[list[0]] -= 1 }
    EvenChoice.balance(&takers, loads: before)
    for (number, list) in zip(lacking, takers) { lists[number].append(list[0]) }
  }

  /// The nodes that may take a replica of the partition: those of the zones that it uses least.
  /// The first is the one with least of its share.
  private func candidates(for number: Int) -> [Int] {
    let list = lists[number]
    let free = table.nodes.indices.filter { !list.contains($0) }
    let least = free.map { replicasInZone(of: $0, list) }.min() ?? 0
    return free.filter { replicasInZone(of: $0, list) == least }.sorted {
      excess($0) != excess($1)
        ? excess($0) < excess($1) : affinity($0, number) < affinity($1, number)
    }
  }
}
