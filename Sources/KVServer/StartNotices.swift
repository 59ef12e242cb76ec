internal import KVBase
internal import KVCommand
internal import KVFiles
internal import KVNodeCore
internal import KVState

/// What a person is told at the start that is allowed and may not be what was meant.
struct StartNotices: Sendable {
  let all: [String]

  init(_ configuration: ServerConfiguration, _ opened: borrowing OpenedStores) {
    let meta = opened.recovery.groups.first { $0.group == .meta }
    self.init(configuration, map: meta?.status.meta, clusterID: opened.directory.identity.clusterID)
  }

  /// `map`: as the data directory has it. `clusterID`: 0 where no cluster is formed.
  init(_ configuration: ServerConfiguration, map: ClusterMap?, clusterID: UInt64) {
    let directory = configuration.dataDirectory
    let given = configuration.node.members
    var all: [String] = []
    if clusterID == 0, map?.isFormed != true, given.count == 1 {
      all.append(
        "forming a cluster of one node, since --peers names no other. Records will have one copy, "
          + "and no node can join later. If a cluster of several was meant: stop this node, remove "
          + "\(directory), and start every node with the same --peers, such as --peers "
          + "1=127.0.0.1:7401,2=127.0.0.1:7402,3=127.0.0.1:7403")
    }
    if let map, map.isFormed, given.count > 1, given.map(\.node) != map.members.map(\.node) {
      all.append(
        "warning: of --peers only this node's own entry counts, where it listens and is reached: "
          + "\(directory) belongs to a cluster that was formed of "
          + "\(Self.list(map.members.map(\.node))), and --peers names "
          + "\(Self.list(given.map(\.node))). To form a new cluster, start every node with an "
          + "empty --data-dir")
    }
    if let map, map.isFormed { all += Self.ignored(configuration, map) }
    let member = map?.member(configuration.node.node)
    // Without --peers a node does not say where it serves, so that the map keeps what it has.
    if map?.isFormed == true, let member, configuration.node.address.isEmpty,
      member.address != configuration.listen
    {
      all.append(
        "warning: the other nodes look for this one at \(member.address), and it listens on "
          + "\(configuration.listen): give it --listen or --peers")
    }
    self.all = all
  }

  /// Flags that form a cluster, and say something else than the cluster that there is.
  private static func ignored(
    _ configuration: ServerConfiguration, _ map: ClusterMap
  ) -> [String] {
    let replication = map.replicaSets.last?.voters.count ?? 0
    var ignored: [String] = []
    if let given = configuration.givenPartitions, given != map.partitions {
      ignored.append("--partitions \(given) (it has \(map.partitions))")
    }
    // With fewer nodes than that, each of them has a replica.
    if let given = configuration.givenReplication, min(given, map.members.count) != replication {
      ignored.append("--replication \(given) (it has \(replication))")
    }
    guard !ignored.isEmpty else { return [] }
    return [
      "warning: of no effect, since the cluster is formed: \(ignored.joined(separator: ", "))"
    ]
  }

  private static func list(_ nodes: [NodeID]) -> String {
    (nodes.count == 1 ? "node " : "nodes ")
      + nodes.map { "\($0.rawValue)" }.joined(separator: ", ")
  }
}
