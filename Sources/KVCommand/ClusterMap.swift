package import KVBase

/// A node as the map has it.
package struct MemberRecord: Hashable, Sendable {
  package var node: NodeID
  /// Random, made with the data directory: a wiped disk has another. 0: not met yet.
  package var incarnation: UInt64
  /// `host:port` where it serves.
  package var address: String
  /// Replicas are spread over zones.
  package var zone: String

  package init(node: NodeID, incarnation: UInt64, address: String, zone: String = "") {
    self.node = node
    self.incarnation = incarnation
    self.address = address
    self.zone = zone
  }

  /// u32 node, u64 incarnation, short address, short zone.
  package func encode(into writer: inout ByteWriter) {
    writer.append(node.rawValue)
    writer.append(incarnation)
    writer.append(short: address)
    writer.append(short: zone)
  }

  package init(from reader: inout ByteReader) throws(WireError) {
    node = NodeID(try reader.read(UInt32.self))
    incarnation = try reader.read(UInt64.self)
    address = try reader.readText(limit: Limits.addressBytes, what: "address")
    zone = try reader.readText(limit: Limits.addressBytes, what: "zone")
  }
}

/// Who replicates a group.
package struct ReplicaSet: Hashable, Sendable {
  /// The version of the map that made it so: a change elsewhere leaves it as it is.
  package var epoch: Epoch
  /// The preferred leader first.
  package var voters: [ReplicaID]
  package var learners: [ReplicaID]

  package init(epoch: Epoch, voters: [ReplicaID], learners: [ReplicaID] = []) {
    self.epoch = epoch
    self.voters = voters
    self.learners = learners
  }

  package var nodes: [NodeID] { (voters + learners).map(\.node) }

  package func replica(on node: NodeID) -> ReplicaID? {
    (voters + learners).first { $0.node == node }
  }

  /// u64 epoch; voters and learners: u32 count, u64 ids.
  package func encode(into writer: inout ByteWriter) {
    writer.append(epoch.rawValue)
    for list in [voters, learners] {
      writer.append(UInt32(list.count))
      for replica in list { writer.append(replica.rawValue) }
    }
  }

  package init(from reader: inout ByteReader) throws(WireError) {
    epoch = Epoch(try reader.read(UInt64.self))
    voters = try Self.replicas(from: &reader)
    learners = try Self.replicas(from: &reader)
    guard !voters.isEmpty else { throw .invalid("map: a group without voters") }
  }

  private static func replicas(from reader: inout ByteReader) throws(WireError) -> [ReplicaID] {
    let count = try reader.readCount(
      limit: Limits.replicasPerGroup, minimumSize: 8, what: "replicas")
    var replicas: [ReplicaID] = []
    for _ in 0..<count { replicas.append(ReplicaID(rawValue: try reader.read(UInt64.self))) }
    return replicas
  }
}

/// The cluster map: who is in the cluster, who replicates what, and which keyspaces there are.
///
/// It is the replicated state of the meta group and is changed by its entries only. Its first
/// version is one of them (`MetaCommand.form`); nodes and clients get every version as an input,
/// and route by nothing else. Until then it is `unformed`, with epoch 0.
package struct ClusterMap: Hashable, Sendable {
  /// Goes up by one with every change; 0: the cluster is not formed.
  package var epoch: Epoch
  /// Random; 0 while unformed.
  package var clusterID: UInt64
  /// By node.
  package var members: [MemberRecord]
  /// By group: the meta group, then one for each partition.
  package var replicaSets: [ReplicaSet]
  package var nextKeyspace: KeyspaceID
  /// By id.
  package var keyspaces: [KeyspaceDescriptor]
  /// Keyspaces that were dropped.
  package var dropped: KeyspaceIDSet

  /// What the meta group begins with.
  package static var unformed: ClusterMap {
    ClusterMap(
      epoch: Epoch(0), clusterID: 0, members: [], replicaSets: [],
      nextKeyspace: .default, keyspaces: [], dropped: [])
  }

  /// The first version of a new cluster's map, whose keyspace `default` has `mode`.
  package init(
    forming clusterID: UInt64, members: [MemberRecord], replicaSets: [ReplicaSet],
    defaultMode mode: KeyspaceMode
  ) {
    self.init(
      epoch: Epoch(1), clusterID: clusterID, members: members, replicaSets: replicaSets,
      nextKeyspace: KeyspaceID(KeyspaceID.default.rawValue + 1),
      keyspaces: [KeyspaceDescriptor(id: .default, name: "default", mode: mode)], dropped: [])
  }

  private init(
    epoch: Epoch, clusterID: UInt64, members: [MemberRecord], replicaSets: [ReplicaSet],
    nextKeyspace: KeyspaceID, keyspaces: [KeyspaceDescriptor], dropped: KeyspaceIDSet
  ) {
    self.epoch = epoch
    self.clusterID = clusterID
    self.members = members
    self.replicaSets = replicaSets
    self.nextKeyspace = nextKeyspace
    self.keyspaces = keyspaces
    self.dropped = dropped
  }

  package var isFormed: Bool { epoch > Epoch(0) }
  package var partitions: Int { max(0, replicaSets.count - 1) }

  package func keyspace(named name: String) -> KeyspaceDescriptor? {
    keyspaces.first { $0.name == name }
  }

  package func keyspace(_ id: KeyspaceID) -> KeyspaceDescriptor? {
    keyspaces.first { $0.id == id }
  }

  package func member(_ node: NodeID) -> MemberRecord? { members.first { $0.node == node } }

  /// `nil`: there is no such group.
  package func replicaSet(of group: GroupID) -> ReplicaSet? {
    let at = Int(group.rawValue)
    return at < replicaSets.count ? replicaSets[at] : nil
  }

  /// u8 version 3, u64 epoch, u64 cluster id, members (u32 count; record), replica sets (u32 count;
  /// set), u32 next keyspace, keyspaces (u32 count; u32 id, short name, u8 mode), dropped
  /// (`KeyspaceIDSet`).
  package func encode(into writer: inout ByteWriter) {
    writer.append(Self.formatVersion)
    writer.append(epoch.rawValue)
    writer.append(clusterID)
    writer.append(UInt32(members.count))
    for member in members { member.encode(into: &writer) }
    writer.append(UInt32(replicaSets.count))
    for set in replicaSets { set.encode(into: &writer) }
    writer.append(nextKeyspace.rawValue)
    writer.append(UInt32(keyspaces.count))
    for keyspace in keyspaces { keyspace.encode(into: &writer) }
    dropped.encode(into: &writer)
  }

  private static let formatVersion: UInt8 = 3

  package init(from reader: inout ByteReader) throws(WireError) {
    let version = try reader.read(UInt8.self)
    guard version == Self.formatVersion else {
      throw .unknownValue(what: "map version", value: UInt64(version))
    }
    self = .unformed
    epoch = Epoch(try reader.read(UInt64.self))
    clusterID = try reader.read(UInt64.self)
    for _ in 0..<(try reader.readCount(limit: Limits.nodes, minimumSize: 16, what: "members")) {
      members.append(try MemberRecord(from: &reader))
    }
    let groups = try reader.readCount(
      limit: Limits.partitions + 1, minimumSize: 24, what: "replica sets")
    for _ in 0..<groups { replicaSets.append(try ReplicaSet(from: &reader)) }
    guard isFormed ? partitions.nonzeroBitCount == 1 : groups == 0 else {
      throw .invalid("map: its groups do not fit its epoch")
    }
    nextKeyspace = KeyspaceID(try reader.read(UInt32.self))
    let keyspaceCount = try reader.readCount(
      limit: Limits.keyspaces, minimumSize: 7, what: "keyspaces")
    for _ in 0..<keyspaceCount { keyspaces.append(try KeyspaceDescriptor(from: &reader)) }
    dropped = try KeyspaceIDSet(from: &reader)
  }
}
