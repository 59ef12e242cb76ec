internal import KVBase
internal import KVCommand
internal import KVNodeCore

/// What differs between two starts that would create a cluster, of which one is known by its digest
/// alone: found by trying what the other may have been started with, one setting at a time.
struct CreationDifference {
  private var present: NodeConfiguration

  init(_ present: NodeConfiguration) {
    self.present = present
    self.present.recordedDigest = nil
  }

  /// `--partitions 4, and this one has 8`; `nil` where more than one setting differs, or the one
  /// that does is out of what is tried.
  func sentence(of digest: UInt64) -> String? {
    for replication in 1...7 {
      var tried = present
      tried.replication = replication
      if tried.creationDigest == digest {
        return "--replication \(replication), and this one has \(present.replication)"
      }
    }
    var partitions = 1
    while partitions <= Limits.partitions {
      var tried = present
      tried.partitions = partitions
      if tried.creationDigest == digest {
        return "--partitions \(partitions), and this one has \(present.partitions)"
      }
      partitions *= 2
    }
    return differenceOfMembers(digest)
  }

  private func differenceOfMembers(_ digest: UInt64) -> String? {
    var tried = present
    tried.members = present.members.map { .init(node: $0.node, address: $0.address) }
    if tried.creationDigest == digest { return "no --zones, and this one has some" }
    // The ids that people give: 1 to n, or the node alone.
    let others = (1...9).map { count in (1...UInt32(count)).map { NodeID($0) } }
    for nodes in [[present.node]] + others {
      tried.members = nodes.map { .init(node: $0, address: "") }
      if tried.creationDigest == digest {
        return "the --peers ids \(Self.list(nodes)), and this one has "
          + Self.list(present.members.map(\.node))
      }
    }
    return nil
  }

  private static func list(_ nodes: [NodeID]) -> String {
    nodes.map { "\($0.rawValue)" }.joined(separator: ", ")
  }
}
