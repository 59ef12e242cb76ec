package import KVBase

/// The payload of a HELLO frame, the first on every connection in both directions.
package struct Hello: Hashable, Sendable {
  package enum Role: UInt8, Sendable { case client = 0, node = 1 }

  package static let protocolVersion: UInt16 = 1

  package var role: Role
  /// The lowest and highest version of the protocol that the sender speaks.
  package var lowestVersion: UInt16 = Hello.protocolVersion
  package var highestVersion: UInt16 = Hello.protocolVersion
  package var features: UInt32 = 0
  /// 0: not known (yet).
  package var clusterID: UInt64
  // What follows is 0 from a client.
  /// Of what creates a cluster: ids, partitions, replication, mode. Equal on all its nodes.
  package var creationDigest: UInt64
  package var node: NodeID
  package var incarnation: UInt64
  /// The sender's data directory has never been part of a cluster.
  package var isBlank: Bool
  package var frameBytes: UInt32 = UInt32(Limits.frameBytes)
  package var software: String

  package init(
    role: Role, clusterID: UInt64, creationDigest: UInt64, node: NodeID, incarnation: UInt64,
    isBlank: Bool, software: String
  ) {
    self.role = role
    self.clusterID = clusterID
    self.creationDigest = creationDigest
    self.node = node
    self.incarnation = incarnation
    self.isBlank = isBlank
    self.software = software
  }

  /// u8 role, u16 lowest, u16 highest version, u32 features, u64 cluster, u64 digest, u32 node,
  /// u64 incarnation, u8 blank, u32 frame limit, short software. Bytes behind are passed over, so
  /// that later versions can say more.
  package func encode(into writer: inout ByteWriter) {
    writer.append(role.rawValue)
    writer.append(lowestVersion)
    writer.append(highestVersion)
    writer.append(features)
    writer.append(clusterID)
    writer.append(creationDigest)
    writer.append(node.rawValue)
    writer.append(incarnation)
    writer.append(isBlank)
    writer.append(frameBytes)
    writer.append(short: software)
  }

  package init(decoding bytes: Bytes) throws(WireError) {
    var reader = ByteReader(bytes)
    let raw = try reader.read(UInt8.self)
    guard let role = Role(rawValue: raw) else {
      throw .unknownValue(what: "role", value: UInt64(raw))
    }
    self.role = role
    lowestVersion = try reader.read(UInt16.self)
    highestVersion = try reader.read(UInt16.self)
    features = try reader.read(UInt32.self)
    clusterID = try reader.read(UInt64.self)
    creationDigest = try reader.read(UInt64.self)
    node = NodeID(try reader.read(UInt32.self))
    incarnation = try reader.read(UInt64.self)
    isBlank = try reader.readBool()
    frameBytes = try reader.read(UInt32.self)
    software = try reader.readText(limit: Limits.addressBytes, what: "software")
  }
}

/// The payload of a GOAWAY frame: why the sender closes the connection.
package struct Goaway: Hashable, Sendable {
  package var code: StatusCode
  package var message: String

  package init(_ code: StatusCode, _ message: String) {
    self.code = code
    self.message = message
  }

  /// u8 status code, short message.
  package func encode(into writer: inout ByteWriter) {
    writer.append(code.rawValue)
    writer.append(short: Bytes(Array(message.utf8.prefix(Limits.errorMessageBytes))))
  }

  package init(decoding bytes: Bytes) throws(WireError) {
    var reader = ByteReader(bytes)
    code = StatusCode(rawValue: try reader.read(UInt8.self)) ?? .unknown
    let text = try reader.readShort(limit: Limits.errorMessageBytes, what: "message")
    message = String(decoding: text.array, as: UTF8.self)
  }
}
