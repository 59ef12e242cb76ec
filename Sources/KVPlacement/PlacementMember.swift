package import KVBase

/// A node that can hold replicas, and the zone that it fails with.
package struct PlacementMember: Hashable, Sendable {
  package var node: NodeID
  /// A name of the operator's choice. Nodes without one share the zone "".
  package var zone: String

  package init(node: NodeID, zone: String = "") {
    self.node = node
    self.zone = zone
  }
}

/// The members in order of id, with zones as small numbers: what the calculations work on. Nodes
/// are named by their position here.
struct MemberTable {
  let nodes: [NodeID]
  /// The zone of each node.
  let zoneOf: [Int]
  /// The nodes of each zone.
  let nodesOfZone: [[Int]]

  init(_ members: [PlacementMember]) {
    let sorted = members.sorted { $0.node < $1.node }
    precondition(!sorted.isEmpty, "a placement needs at least 1 member, not 0")
    for (a, b) in zip(sorted, sorted.dropFirst()) {
      precondition(a.node != b.node, "\(a.node) stands twice among the members")
    }
    // By the order of UTF-8, not of `String`: it is the same under every version of Unicode.
    var names: [String] = []
    for name in sorted.map(\.zone).sorted(by: { Bytes($0) < Bytes($1) })
    where names.last.map({ Bytes($0) != Bytes(name) }) ?? true {
      names.append(name)
    }
    let zones = sorted.map { member in
      names.firstIndex { Bytes($0) == Bytes(member.zone) } ?? 0
    }
    nodes = sorted.map(\.node)
    zoneOf = zones
    nodesOfZone = names.indices.map { zone in zones.indices.filter { zones[$0] == zone } }
  }

  var count: Int { nodes.count }

  /// The position of a node.
  func position(of node: NodeID) -> Int? { nodes.firstIndex(of: node) }
}
