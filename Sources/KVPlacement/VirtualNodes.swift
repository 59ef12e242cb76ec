internal import KVBase

/// The points of the nodes on the ring (Karger et al., "Consistent Hashing and Random Trees", 1997;
/// several points a node as in the Dynamo paper, §4.2), in order of token.
struct VirtualNodes {
  static let perNode = 64

  private let tokens: [UInt64]
  private let owners: [Int]

  init(_ table: MemberTable) {
    var points: [(token: UInt64, owner: Int)] = []
    points.reserveCapacity(table.count * Self.perNode)
    for (position, node) in table.nodes.enumerated() {
      for number in 0..<Self.perNode {
        points.append((Self.hash(node, UInt32(number)), position))
      }
    }
    points.sort { $0.token != $1.token ? $0.token < $1.token : $0.owner < $1.owner }
    tokens = points.map(\.token)
    owners = points.map(\.owner)
  }

  var count: Int { owners.count }

  /// The index of the first point at or after `token`, going round.
  func index(at token: Token) -> Int {
    var low = 0
    var high = tokens.count
    while low < high {
      let middle = (low + high) / 2
      if tokens[middle] < token.rawValue { low = middle + 1 } else { high = middle }
    }
    return low == tokens.count ? 0 : low
  }

  /// The position of the node that owns a point.
  func owner(of index: Int) -> Int { owners[index < owners.count ? index : index - owners.count] }

  /// A number that is the same wherever it is computed: also breaks ties between equals.
  static func hash(_ node: NodeID, _ number: UInt32) -> UInt64 {
    var writer = ByteWriter(capacity: 8)
    writer.append(node.rawValue)
    writer.append(number)
    return XXH3.hash(writer.take())
  }
}
