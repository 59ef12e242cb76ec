/// Spreads preferred leadership over the nodes as evenly as the replica lists allow.
enum PreferredLeaders {
  /// Reorders each list so that its first node is the preferred leader. The first nodes as given
  /// are kept where that costs no balance, so that a new placement moves few leaders.
  ///
  /// Semi-matching (Harvey, Ladner, Lovász, Tamir, 2006): while a chain of partitions leads from a
  /// node to one with at least two leaderships fewer, each partition of the chain is handed on by
  /// one. Where no such chain is left, no assignment is more even.
  static func balance(_ replicas: inout [[Int]], nodes: Int) {
    var loads = [Int](repeating: 0, count: nodes)
    for list in replicas { if let first = list.first { loads[first] += 1 } }
    while improve(&replicas, &loads) {}
  }

  /// Shortens the longest of the uneven; false where nothing is left to improve.
  private static func improve(_ replicas: inout [[Int]], _ loads: inout [Int]) -> Bool {
    // By load from the highest, then by position: the same on every node.
    let order = loads.indices.sorted { loads[$0] != loads[$1] ? loads[$0] > loads[$1] : $0 < $1 }
    let led = partitionsByLeader(replicas, nodes: loads.count)
    for source in order {
      guard let chain = chain(from: source, replicas, loads, led) else { continue }
      for step in chain {
        replicas[step.partition].removeAll { $0 == step.to }
        replicas[step.partition].insert(step.to, at: 0)
      }
      loads[source] -= 1
      if let last = chain.last { loads[last.to] += 1 }
      return true
    }
    return false
  }

  private static func partitionsByLeader(_ replicas: [[Int]], nodes: Int) -> [[Int]] {
    var led = [[Int]](repeating: [], count: nodes)
    for (partition, list) in replicas.enumerated() {
      if let first = list.first { led[first].append(partition) }
    }
    return led
  }

  private struct Step {
    var partition: Int
    var from: Int
    var to: Int
  }

  /// The shortest chain from `source` to a node that leads at least two fewer.
  private static func chain(
    from source: Int, _ replicas: [[Int]], _ loads: [Int], _ led: [[Int]]
  ) -> [Step]? {
    var arrival = [Step?](repeating: nil, count: loads.count)
    var queue = [source]
    var next = 0
    while next < queue.count {
      let node = queue[next]
      next += 1
      for partition in led[node] {
        for candidate in replicas[partition].dropFirst()
        where candidate != source && arrival[candidate] == nil {
          arrival[candidate] = Step(partition: partition, from: node, to: candidate)
          guard loads[candidate] > loads[source] - 2 else {
            return path(to: candidate, from: source, arrival)
          }
          queue.append(candidate)
        }
      }
    }
    return nil
  }

  private static func path(to end: Int, from source: Int, _ arrival: [Step?]) -> [Step] {
    var steps: [Step] = []
    var node = end
    while node != source, let step = arrival[node] {
      steps.append(step)
      node = step.from
    }
    return steps.reversed()
  }
}
