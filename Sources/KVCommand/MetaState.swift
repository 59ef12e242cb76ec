package import KVBase

/// Which answer to the CAP question a keyspace gives.
package enum KeyspaceMode: UInt8, Sendable, CaseIterable {
  /// Raft groups: linearizable.
  case cp = 1
  /// Quorums: always on.
  case ap = 2

  package init(from reader: inout ByteReader) throws(WireError) {
    let raw = try reader.read(UInt8.self)
    guard let mode = KeyspaceMode(rawValue: raw) else {
      throw .unknownValue(what: "keyspace mode", value: UInt64(raw))
    }
    self = mode
  }
}

/// A keyspace as the map has it; immutable once created.
package struct KeyspaceDescriptor: Hashable, Sendable {
  package var id: KeyspaceID
  package var name: String
  package var mode: KeyspaceMode

  package init(id: KeyspaceID, name: String, mode: KeyspaceMode) {
    self.id = id
    self.name = name
    self.mode = mode
  }

  /// u32 id, short name, u8 mode.
  package func encode(into writer: inout ByteWriter) {
    writer.append(id.rawValue)
    writer.append(short: name)
    writer.append(mode.rawValue)
  }

  package init(from reader: inout ByteReader) throws(WireError) {
    id = KeyspaceID(try reader.read(UInt32.self))
    name = try reader.readText(limit: Limits.keyspaceNameBytes, what: "keyspace name")
    mode = try KeyspaceMode(from: &reader)
  }

  /// Why `name` can't be a keyspace's: a sentence, or `nil` where it can.
  package static func problem(withName name: String) -> String? {
    let allowed = name.utf8.allSatisfy {
      ($0 >= 97 && $0 <= 122) || ($0 >= 65 && $0 <= 90) || ($0 >= 48 && $0 <= 57) || $0 == 45
        || $0 == 95 || $0 == 46
    }
    guard !name.isEmpty, name.utf8.count <= Limits.keyspaceNameBytes, allowed else {
      return "a keyspace name has 1 to \(Limits.keyspaceNameBytes) letters, digits, '-', '_' or '.'"
    }
    return nil
  }
}

/// A node as the meta group knows it.
package struct MemberRecord: Hashable, Sendable {
  package var node: NodeID
  /// Random, made with the data directory: a wiped disk has another.
  package var incarnation: UInt64
  /// `host:port` where it serves.
  package var address: String

  package init(node: NodeID, incarnation: UInt64, address: String) {
    self.node = node
    self.incarnation = incarnation
    self.address = address
  }

  package func encode(into writer: inout ByteWriter) {
    writer.append(node.rawValue)
    writer.append(incarnation)
    writer.append(short: address)
  }

  package init(from reader: inout ByteReader) throws(WireError) {
    node = NodeID(try reader.read(UInt32.self))
    incarnation = try reader.read(UInt64.self)
    address = try reader.readText(limit: Limits.addressBytes, what: "address")
  }
}

/// What the meta group has decided; the part of the cluster map that is replicated state.
package struct MetaState: Hashable, Sendable {
  /// Goes up by one with every change.
  package var epoch: Epoch
  /// 0 until the first leader of the meta group has chosen one.
  package var clusterID: UInt64
  package var nextKeyspace: KeyspaceID
  /// By id.
  package var keyspaces: [KeyspaceDescriptor]
  /// Ids of keyspaces that were dropped, in order.
  package var dropped: [KeyspaceID]
  /// By node.
  package var members: [MemberRecord]

  /// That of a new cluster, whose keyspace `default` has `mode`.
  package init(defaultMode mode: KeyspaceMode) {
    epoch = Epoch(1)
    clusterID = 0
    nextKeyspace = KeyspaceID(KeyspaceID.default.rawValue + 1)
    keyspaces = [KeyspaceDescriptor(id: .default, name: "default", mode: mode)]
    dropped = []
    members = []
  }

  package func keyspace(named name: String) -> KeyspaceDescriptor? {
    keyspaces.first { $0.name == name }
  }

  package func keyspace(_ id: KeyspaceID) -> KeyspaceDescriptor? {
    keyspaces.first { $0.id == id }
  }

  /// u8 version 1, u64 epoch, u64 cluster id, u32 next keyspace, keyspaces (u32 count; u32 id,
  /// short name, u8 mode), dropped (u32 count; u32 id), members (u32 count; record).
  package func encode(into writer: inout ByteWriter) {
    writer.append(UInt8(1))
    writer.append(epoch.rawValue)
    writer.append(clusterID)
    writer.append(nextKeyspace.rawValue)
    writer.append(UInt32(keyspaces.count))
    for keyspace in keyspaces { keyspace.encode(into: &writer) }
    writer.append(UInt32(dropped.count))
    for id in dropped { writer.append(id.rawValue) }
    writer.append(UInt32(members.count))
    for member in members { member.encode(into: &writer) }
  }

  package init(from reader: inout ByteReader) throws(WireError) {
    let version = try reader.read(UInt8.self)
    guard version == 1 else {
      throw .unknownValue(what: "map version", value: UInt64(version))
    }
    epoch = Epoch(try reader.read(UInt64.self))
    clusterID = try reader.read(UInt64.self)
    nextKeyspace = KeyspaceID(try reader.read(UInt32.self))
    keyspaces = []
    let keyspaceCount = try reader.readCount(
      limit: Limits.keyspaces, minimumSize: 7, what: "keyspaces")
    for _ in 0..<keyspaceCount { keyspaces.append(try KeyspaceDescriptor(from: &reader)) }
    dropped = []
    let droppedCount = try reader.readCount(
      limit: Limits.droppedKeyspaces, minimumSize: 4, what: "dropped keyspaces")
    for _ in 0..<droppedCount { dropped.append(KeyspaceID(try reader.read(UInt32.self))) }
    members = []
    let memberCount = try reader.readCount(limit: Limits.nodes, minimumSize: 14, what: "members")
    for _ in 0..<memberCount { members.append(try MemberRecord(from: &reader)) }
  }
}
