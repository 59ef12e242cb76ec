/// Chooses one of several nodes for each of many things, so that no node is chosen much more often
/// than another: preferred leaders of partitions, takers of the lists of a node that leaves.
enum EvenChoice {
  /// Reorders each list so that its first node is the chosen one. Those that stand first as given
  /// are kept where that costs no balance. `loads` is what each node has before.
  ///
  /// Semi-matching (Harvey, Ladner, Lovász, Tamir, 2006): while a chain leads from a node to one
  /// whose load is lower by at least two, each choice of the chain is handed on by one. Where no
  /// such chain is left, no choice is more even.
  static func balance(_ lists: inout [[Int]], loads before: [Int]) {
    var loads = before
    for list in lists { if let first = list.first { loads[first] += 1 } }
    while improve(&lists, &loads) {}
  }

  /// Shortens the longest of the uneven; false where nothing is left to improve.
  private static func improve(_ lists: inout [[Int]], _ loads: inout [Int]) -> Bool {
    // By load from the highest, then by position: the same on every node.
    let order = loads.indices.sorted { loads[$0] != loads[$1] ? loads[$0] > loads[$1] : $0 < $1 }
    let chosen = listsByChoice(lists, nodes: loads.count)
    for source in order {
      guard let chain = chain(from: source, lists, loads, chosen) else { continue }
      for step in chain {
        lists[step.list].removeAll { $0 == step.to }
        lists[step.list].insert(step.to, at: 0)
      }
      loads[source] -= 1
      if let last = chain.last { loads[last.to] += 1 }
      return true
    }
    return false
  }

  private static func listsByChoice(_ lists: [[Int]], nodes: Int) -> [[Int]] {
    var chosen = [[Int]](repeating: [], count: nodes)
    for (number, list) in lists.enumerated() {
      if let first = list.first { chosen[first].append(number) }
    }
    return chosen
  }

  private struct Step {
    var list: Int
    var from: Int
    var to: Int
  }

  /// The shortest chain from `source` to a node whose load is lower by at least two.
  private static func chain(
    from source: Int, _ lists: [[Int]], _ loads: [Int], _ chosen: [[Int]]
  ) -> [Step]? {
    var arrival = [Step?](repeating: nil, count: loads.count)
    var queue = [source]
    var next = 0
    while next < queue.count {
      let node = queue[next]
      next += 1
      for number in chosen[node] {
        for candidate in lists[number].dropFirst()
        where candidate != source && arrival[candidate] == nil {
          arrival[candidate] = Step(list: number, from: node, to: candidate)
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
