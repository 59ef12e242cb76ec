/// What one node sends another.
struct NodeLink: Hashable, Sendable, Comparable, CustomStringConvertible {
  var from: Int
  var to: Int

  var description: String { "n\(from)→n\(to)" }

  static func < (a: Self, b: Self) -> Bool { (a.from, a.to) < (b.from, b.to) }

  /// Every link of a cluster, in order.
  static func all(_ nodes: Int) -> [NodeLink] {
    guard nodes > 1 else { return [] }
    return (1...nodes).flatMap { from in
      (1...nodes).filter { $0 != from }.map { NodeLink(from: from, to: $0) }
    }
  }
}

/// Which nodes a fault hits: said before the run, resolved when the fault begins.
enum NodeChoice: Hashable, Sendable, CustomStringConvertible {
  case leader
  /// Of those that don't lead, in order, this one (counted from 0, around).
  case follower(Int)
  case these([Int])
  /// The leader, and as many of the others (by this order) as make a majority.
  case majority(order: [Int])

  /// Whether it takes a leader that is known.
  var needsLeader: Bool {
    switch self {
    case .leader, .follower, .majority: true
    case .these: false
    }
  }

  /// None where it takes a leader, and nobody is known to lead: to hit any other node would be
  /// another fault than the one that the schedule names.
  func nodes(of count: Int, leader: Int?) -> [Int] {
    if case .these(let nodes) = self { return nodes }
    guard let leading = count == 1 ? 1 : leader else { return [] }
    switch self {
    case .leader: return [leading]
    case .follower(let number):
      let others = (1...count).filter { $0 != leading }
      return others.isEmpty ? [leading] : [others[number % others.count]]
    case .these(let nodes): return nodes
    case .majority(let order):
      let others = order.filter { $0 != leading }
      return ([leading] + others.prefix(count / 2)).sorted()
    }
  }

  /// Why these, in words, where `sighting` says who leads.
  func reason(_ sighting: String) -> String {
    switch self {
    case .leader: sighting
    case .follower(let number): "follower \(number + 1) of those that do not lead: \(sighting)"
    case .these: "drawn from the seed"
    case .majority(let order):
      "the leader, and as many as make a majority, first of \(Self.list(order)): \(sighting)"
    }
  }

  var description: String {
    switch self {
    case .leader: "the leader"
    case .follower(let number): "follower \(number + 1)"
    case .these(let nodes): Self.list(nodes)
    case .majority(let order): "the leader and a majority with it, first of \(Self.list(order))"
    }
  }

  static func list(_ nodes: [Int]) -> String {
    nodes.map { "n\($0)" }.joined(separator: ", ")
  }
}

/// A way to cut a cluster's links. A pure function of who leads.
enum Partition: Hashable, Sendable, CustomStringConvertible {
  /// Cut off from all others, both ways.
  case isolate(NodeChoice)
  /// The first of the order against the rest; the larger part is the rest.
  case halves(order: [Int])
  /// Two parts that only the last of the order hears and is heard by.
  case bridge(order: [Int])
  /// Each sees only its neighbours in the order: all have a majority, no two the same.
  case ring(order: [Int])
  /// Can send and hears nothing.
  case deaf(NodeChoice)
  /// Hears and can't send.
  case mute(NodeChoice)

  func cuts(nodes: Int, leader: Int?) -> Set<NodeLink> {
    switch self {
    case .isolate(let choice):
      return crossing(nodes, Set(choice.nodes(of: nodes, leader: leader)))
    case .halves(let order):
      return crossing(nodes, Set(order.prefix(nodes / 2)))
    case .bridge(let order):
      let ends = order.dropLast()
      let part = Set(ends.prefix(ends.count / 2))
      guard let bridge = order.last else { return [] }
      return crossing(nodes, part).filter { $0.from != bridge && $0.to != bridge }
    case .ring(let order):
      var positions: [Int: Int] = [:]
      for (position, node) in order.enumerated() { positions[node] = position }
      return Set(
        NodeLink.all(nodes).filter { link in
          guard let from = positions[link.from], let to = positions[link.to] else { return true }
          let distance = min(abs(from - to), order.count - abs(from - to))
          return distance > Self.ringReach(order.count)
        })
    case .deaf(let choice):
      let hit = Set(choice.nodes(of: nodes, leader: leader))
      return Set(NodeLink.all(nodes).filter { hit.contains($0.to) && !hit.contains($0.from) })
    case .mute(let choice):
      let hit = Set(choice.nodes(of: nodes, leader: leader))
      return Set(NodeLink.all(nodes).filter { hit.contains($0.from) && !hit.contains($0.to) })
    }
  }

  /// So many neighbours on each side make a majority with the node itself: one of five nodes.
  static func ringReach(_ nodes: Int) -> Int { (nodes / 2 + 1) / 2 }

  /// All links between a part and the rest.
  private func crossing(_ nodes: Int, _ part: Set<Int>) -> Set<NodeLink> {
    Set(NodeLink.all(nodes).filter { part.contains($0.from) != part.contains($0.to) })
  }

  /// Whose links it cuts, where that is chosen when it begins.
  var choice: NodeChoice? {
    switch self {
    case .isolate(let choice), .deaf(let choice), .mute(let choice): choice
    case .halves, .bridge, .ring: nil
    }
  }

  /// The nodes that it is about.
  func nodes(of count: Int, leader: Int?) -> [Int] {
    switch self {
    case .isolate(let choice), .deaf(let choice), .mute(let choice):
      choice.nodes(of: count, leader: leader)
    case .halves(let order): order.prefix(count / 2).sorted()
    case .bridge, .ring: Array(1...count)
    }
  }

  /// What was done to whom, when that is known.
  func text(nodes count: Int, leader: Int?) -> String {
    let hit = NodeChoice.list(nodes(of: count, leader: leader))
    switch self {
    case .isolate: return "\(hit) cut off from all others"
    case .halves(let order):
      return "\(hit) cut off from \(NodeChoice.list(order.dropFirst(count / 2).sorted()))"
    case .bridge(let order):
      let ends = Array(order.dropLast())
      let (one, other) = (ends.prefix(ends.count / 2), ends.dropFirst(ends.count / 2))
      return "\(NodeChoice.list(one.sorted())) cut off from \(NodeChoice.list(other.sorted())), "
        + "and n\(order.last ?? 0) sees both"
    case .ring(let order):
      return "each node sees only its neighbours in the ring "
        + order.map { "n\($0)" }.joined(separator: "-")
    case .deaf: return "\(hit) can send and hears no node"
    case .mute: return "\(hit) hears and can't send to any node"
    }
  }

  var description: String {
    switch self {
    case .isolate(let choice): "isolate \(choice)"
    case .halves(let order): "halves of \(NodeChoice.list(order))"
    case .bridge(let order): "bridge over \(NodeChoice.list(order))"
    case .ring(let order): "ring of \(NodeChoice.list(order))"
    case .deaf(let choice): "\(choice) hears nothing"
    case .mute(let choice): "\(choice) can't send"
    }
  }
}
