package import KVBase
package import KVCommand
package import KVRaft

/// What a node is started with. `members`, `partitions`, `replication` and `defaultMode` form a
/// cluster, once; afterwards the map says what they are.
package struct NodeConfiguration: Sendable {
  package struct Member: Hashable, Sendable {
    package var node: NodeID
    /// `host:port`.
    package var address: String
    package var zone: String

    package init(node: NodeID, address: String, zone: String = "") {
      self.node = node
      self.address = address
      self.zone = zone
    }
  }

  package enum LinearizableReads: UInt8, Sendable { case readIndex, lease }

  package var node: NodeID
  /// Of the cluster to be formed, this node included; by id.
  package var members: [Member]
  package var partitions: Int = 32
  package var replication: Int = 3
  package var defaultMode: KeyspaceMode = .cp
  package var linearizableReads: LinearizableReads = .readIndex
  package var raft = RaftSettings()
  /// Random, made with the data directory.
  package var incarnation: UInt64
  /// What the data directory's identity file says; 0: not known yet.
  package var clusterID: UInt64 = 0
  /// Where this node serves, as others are told.
  package var address: String
  /// The creation digest that the data directory was made with; `nil`: it is new.
  package var recordedDigest: UInt64?
  package var software: String = ""
  /// Where some of the other nodes are reached from here, whatever else says where they are.
  package var peerAddresses: [(node: NodeID, address: String)] = []
  /// Connections of clients; one more is refused.
  package var clientLimit: Int = 4096
  /// Log bytes since the last flush of the state that ask for the next one.
  package var flushBytes: Int = 32 << 20
  /// Log bytes kept for followers that lag; beyond them they get a snapshot.
  package var logKeepBytes: Int = 64 << 20

  package init(node: NodeID, members: [Member], incarnation: UInt64) {
    self.node = node
    self.members = members.sorted { $0.node < $1.node }
    self.incarnation = incarnation
    address = members.first { $0.node == node }?.address ?? ""
  }

  /// Of what creates a cluster: ids, partitions, replication, mode; not addresses. Nodes compare it
  /// while their cluster is not formed.
  package var creationDigest: UInt64 {
    if let recordedDigest { return recordedDigest }
    var writer = ByteWriter()
    writer.append(UInt8(1))
    writer.append(UInt32(partitions))
    writer.append(UInt32(replication))
    writer.append(defaultMode.rawValue)
    for member in members {
      writer.append(member.node.rawValue)
      writer.append(short: member.zone)
    }
    return XXH3.hash(writer.take())
  }
}
