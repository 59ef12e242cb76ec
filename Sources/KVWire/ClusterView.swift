package import KVBase
package import KVCommand

/// What a client needs in order to route: the replicated part of the cluster map, the placement,
/// and where the answering node believes leaders to be.
package struct ClusterView: Hashable, Sendable {
  package struct Node: Hashable, Sendable {
    package var id: NodeID
    /// `host:port`.
    package var address: String
    package var zone: String

    package init(id: NodeID, address: String, zone: String) {
      self.id = id
      self.address = address
      self.zone = zone
    }
  }

  package var meta: MetaState
  /// By id.
  package var nodes: [Node]
  /// By partition: its replicas, the preferred leader first.
  package var placement: [[NodeID]]
  /// By group, the meta group first; 0 stands for unknown.
  package var leaders: [NodeID]
  package var replication: UInt8

  package init(
    meta: MetaState, nodes: [Node], placement: [[NodeID]], leaders: [NodeID], replication: UInt8
  ) {
    self.meta = meta
    self.nodes = nodes
    self.placement = placement
    self.leaders = leaders
    self.replication = replication
  }

  package var partitions: Int { placement.count }

  package func encode(into writer: inout ByteWriter) {
    writer.append(UInt8(1))
    meta.encode(into: &writer)
    writer.append(UInt32(nodes.count))
    for node in nodes {
      writer.append(node.id.rawValue)
      writer.append(short: node.address)
      writer.append(short: node.zone)
    }
    writer.append(replication)
    writer.append(UInt32(placement.count))
    for replicas in placement {
      writer.append(UInt32(replicas.count))
      for node in replicas { writer.append(node.rawValue) }
    }
    writer.append(UInt32(leaders.count))
    for leader in leaders { writer.append(leader.rawValue) }
  }

  package init(from reader: inout ByteReader) throws(WireError) {
    let version = try reader.read(UInt8.self)
    guard version == 1 else { throw .unknownValue(what: "view version", value: UInt64(version)) }
    meta = try MetaState(from: &reader)
    nodes = []
    for _ in 0..<(try reader.readCount(limit: Limits.nodes, minimumSize: 8, what: "nodes")) {
      let id = NodeID(try reader.read(UInt32.self))
      let address = try reader.readText(limit: Limits.addressBytes, what: "address")
      let zone = try reader.readText(limit: Limits.addressBytes, what: "zone")
      nodes.append(Node(id: id, address: address, zone: zone))
    }
    replication = try reader.read(UInt8.self)
    placement = []
    let partitions = try reader.readCount(
      limit: Limits.partitions, minimumSize: 4, what: "partitions")
    for _ in 0..<partitions {
      var replicas: [NodeID] = []
      let count = try reader.readCount(
        limit: Limits.replicasPerGroup, minimumSize: 4, what: "replicas")
      for _ in 0..<count { replicas.append(NodeID(try reader.read(UInt32.self))) }
      placement.append(replicas)
    }
    leaders = []
    let groups = try reader.readCount(
      limit: Limits.partitions + 1, minimumSize: 4, what: "leaders")
    for _ in 0..<groups { leaders.append(NodeID(try reader.read(UInt32.self))) }
    guard placement.count.nonzeroBitCount == 1, leaders.count == placement.count + 1 else {
      throw .invalid("view: partitions and leaders do not fit")
    }
  }
}
