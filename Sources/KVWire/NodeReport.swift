package import KVBase

/// What one node says of itself, for `kvctl status`.
package struct NodeReport: Hashable, Sendable {
  package struct Group: Hashable, Sendable {
    package var group: GroupID
    package var role: RaftRole
    package var term: Term
    /// 0: none known.
    package var leader: NodeID
    package var commit: LogIndex
    package var applied: LogIndex
    package var last: LogIndex
    package var base: LogIndex
    /// The digest of everything applied, as of `applied`.
    package var digest: UInt64

    package init(
      group: GroupID, role: RaftRole, term: Term, leader: NodeID, commit: LogIndex,
      applied: LogIndex, last: LogIndex, base: LogIndex, digest: UInt64
    ) {
      self.group = group
      self.role = role
      self.term = term
      self.leader = leader
      self.commit = commit
      self.applied = applied
      self.last = last
      self.base = base
      self.digest = digest
    }
  }

  package struct Peer: Hashable, Sendable {
    package var node: NodeID
    package var isConnected: Bool
    /// Milliseconds since that became so.
    package var sinceMilliseconds: UInt64

    package init(node: NodeID, isConnected: Bool, sinceMilliseconds: UInt64) {
      self.node = node
      self.isConnected = isConnected
      self.sinceMilliseconds = sinceMilliseconds
    }
  }

  package var node: NodeID
  package var incarnation: UInt64
  package var clusterID: UInt64
  package var epoch: Epoch
  package var version: String
  package var uptimeMilliseconds: UInt64
  /// Bytes of the node's log that are kept, and of its state on disk and in memory tables.
  package var logBytes: UInt64
  package var stateBytes: UInt64
  package var clientConnections: UInt32
  package var groups: [Group]
  package var peers: [Peer]
  /// While the node can't serve: for whom it waits, and why. Empty: for nobody.
  package var waitsFor: String

  package init(
    node: NodeID, incarnation: UInt64, clusterID: UInt64, epoch: Epoch, version: String,
    uptimeMilliseconds: UInt64, logBytes: UInt64, stateBytes: UInt64, clientConnections: UInt32,
    groups: [Group], peers: [Peer], waitsFor: String = ""
  ) {
    self.node = node
    self.incarnation = incarnation
    self.clusterID = clusterID
    self.epoch = epoch
    self.version = version
    self.uptimeMilliseconds = uptimeMilliseconds
    self.logBytes = logBytes
    self.stateBytes = stateBytes
    self.clientConnections = clientConnections
    self.groups = groups
    self.peers = peers
    self.waitsFor = waitsFor
  }

  package func encode(into writer: inout ByteWriter) {
    writer.append(Self.formatVersion)
    writer.append(node.rawValue)
    writer.append(incarnation)
    writer.append(clusterID)
    writer.append(epoch.rawValue)
    writer.append(short: version)
    writer.append(uptimeMilliseconds)
    writer.append(logBytes)
    writer.append(stateBytes)
    writer.append(clientConnections)
    writer.append(UInt32(groups.count))
    for group in groups {
      writer.append(group.group.rawValue)
      writer.append(group.role.rawValue)
      writer.append(group.term.rawValue)
      writer.append(group.leader.rawValue)
      writer.append(group.commit.rawValue)
      writer.append(group.applied.rawValue)
      writer.append(group.last.rawValue)
      writer.append(group.base.rawValue)
      writer.append(group.digest)
    }
    writer.append(UInt32(peers.count))
    for peer in peers {
      writer.append(peer.node.rawValue)
      writer.append(peer.isConnected)
      writer.append(peer.sinceMilliseconds)
    }
    writer.append(message: waitsFor)
  }

  private static let formatVersion: UInt8 = 2

  package init(from reader: inout ByteReader) throws(WireError) {
    let format = try reader.read(UInt8.self)
    guard format == Self.formatVersion else {
      throw .unknownValue(what: "report version", value: UInt64(format))
    }
    node = NodeID(try reader.read(UInt32.self))
    incarnation = try reader.read(UInt64.self)
    clusterID = try reader.read(UInt64.self)
    epoch = Epoch(try reader.read(UInt64.self))
    version = try reader.readText(limit: Limits.addressBytes, what: "version")
    uptimeMilliseconds = try reader.read(UInt64.self)
    logBytes = try reader.read(UInt64.self)
    stateBytes = try reader.read(UInt64.self)
    clientConnections = try reader.read(UInt32.self)
    groups = []
    let groupCount = try reader.readCount(
      limit: Limits.partitions + 1, minimumSize: 57, what: "groups")
    for _ in 0..<groupCount { groups.append(try Group(from: &reader)) }
    peers = []
    for _ in 0..<(try reader.readCount(limit: Limits.nodes, minimumSize: 13, what: "peers")) {
      let node = NodeID(try reader.read(UInt32.self))
      let isConnected = try reader.readBool()
      peers.append(
        Peer(
          node: node, isConnected: isConnected,
          sinceMilliseconds: try reader.read(UInt64.self)))
    }
    waitsFor = try reader.readMessage()
  }
}

extension NodeReport.Group {
  init(from reader: inout ByteReader) throws(WireError) {
    group = GroupID(try reader.read(UInt32.self))
    let raw = try reader.read(UInt8.self)
    guard let role = RaftRole(rawValue: raw) else {
      throw .unknownValue(what: "role", value: UInt64(raw))
    }
    self.role = role
    term = Term(try reader.read(UInt64.self))
    leader = NodeID(try reader.read(UInt32.self))
    commit = LogIndex(try reader.read(UInt64.self))
    applied = LogIndex(try reader.read(UInt64.self))
    last = LogIndex(try reader.read(UInt64.self))
    base = LogIndex(try reader.read(UInt64.self))
    digest = try reader.read(UInt64.self)
  }
}

/// Whether a node can serve: for `kvctl health` and for scripts that wait.
package struct HealthReport: Hashable, Sendable {
  package var node: NodeID
  /// Groups of this node that know a leader, and all.
  package var groupsWithLeader: UInt32
  package var groups: UInt32
  package var isShuttingDown: Bool
  /// As in `NodeReport`.
  package var waitsFor: String

  package init(
    node: NodeID, groupsWithLeader: UInt32, groups: UInt32, isShuttingDown: Bool,
    waitsFor: String = ""
  ) {
    self.node = node
    self.groupsWithLeader = groupsWithLeader
    self.groups = groups
    self.isShuttingDown = isShuttingDown
    self.waitsFor = waitsFor
  }

  /// A node that has not been let in holds no group, not even the meta group.
  package var isReady: Bool { groups > 0 && groupsWithLeader == groups && !isShuttingDown }

  package func encode(into writer: inout ByteWriter) {
    writer.append(node.rawValue)
    writer.append(groupsWithLeader)
    writer.append(groups)
    writer.append(isShuttingDown)
    writer.append(message: waitsFor)
  }

  package init(from reader: inout ByteReader) throws(WireError) {
    node = NodeID(try reader.read(UInt32.self))
    groupsWithLeader = try reader.read(UInt32.self)
    groups = try reader.read(UInt32.self)
    isShuttingDown = try reader.readBool()
    waitsFor = try reader.readMessage()
  }
}
