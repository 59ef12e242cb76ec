package import KVBase

/// The payload of a HELLO frame, the first on every connection in both directions.
package struct Hello: Hashable, Sendable {
  package enum Role: UInt8, Sendable { case client = 0, node = 1 }

  /// How far a node has come on its way into a cluster.
  package enum Standing: UInt8, Sendable {
    /// Its replica of the meta group has entered a term, or it knows its cluster.
    case begun = 0
    /// It holds no replica, durably: it may have lost its disk, and asks to be let in.
    case blank = 1
    /// It holds its replica of the meta group, which has entered no term.
    case unbegun = 2
  }

  package static let protocolVersion: UInt16 = 3

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
  package var standing: Standing
  package var frameBytes: UInt32 = UInt32(Limits.frameBytes)
  package var software: String
  /// Where the sender serves, `host:port`; empty from a client.
  package var address: String

  package var isBlank: Bool { standing == .blank }
  /// There is a version of the protocol that both sides speak.
  package var speaksThisVersion: Bool {
    lowestVersion <= Hello.protocolVersion && highestVersion >= Hello.protocolVersion
  }

  package init(
    role: Role, clusterID: UInt64, creationDigest: UInt64, node: NodeID, incarnation: UInt64,
    isBlank: Bool, software: String, address: String = ""
  ) {
    self.role = role
    self.clusterID = clusterID
    self.creationDigest = creationDigest
    self.node = node
    self.incarnation = incarnation
    standing = isBlank ? .blank : .begun
    self.software = software
    self.address = address
  }

  /// u8 role, u16 lowest, u16 highest version, u32 features, u64 cluster, u64 digest, u32 node,
  /// u64 incarnation, u8 standing, u32 frame limit, short software, short address. Bytes after
  /// these are passed over, so that later versions can say more.
  package func encode(into writer: inout ByteWriter) {
    writer.append(role.rawValue)
    writer.append(lowestVersion)
    writer.append(highestVersion)
    writer.append(features)
    writer.append(clusterID)
    writer.append(creationDigest)
    writer.append(node.rawValue)
    writer.append(incarnation)
    writer.append(standing.rawValue)
    writer.append(frameBytes)
    writer.append(short: software)
    writer.append(short: address)
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
    let rawStanding = try reader.read(UInt8.self)
    guard let standing = Standing(rawValue: rawStanding) else {
      throw .unknownValue(what: "standing", value: UInt64(rawStanding))
    }
    self.standing = standing
    frameBytes = try reader.read(UInt32.self)
    software = try reader.readText(limit: Limits.addressBytes, what: "software")
    address = try reader.readText(limit: Limits.addressBytes, what: "address")
  }
}

/// The payload of a GOAWAY frame: why the sender closes the connection.
package struct Goaway: Hashable, Sendable {
  /// What a program can conclude. The numbers are the wire's.
  package enum Reason: UInt8, Hashable, Sendable, CaseIterable {
    /// None of the others, or one of a later version.
    case unspecified = 0
    /// The sender's process ends in good order.
    case shuttingDown = 1
    /// There was no HELLO in time.
    case noHello = 2
    case protocolViolation = 3
    /// There is no version of the protocol that both sides speak.
    case version = 4
    /// The sender serves as many clients as it can.
    case tooManyClients = 5
    case wrongCluster = 6
    /// The other node is not among the sender's peers.
    case notAMember = 7
    /// The two nodes were started to create different clusters.
    case creationDiffers = 8
    /// The other node's id is known with another incarnation: it has lost its disk. Final: it must
    /// stop.
    case wipedDisk = 9
    /// The sender does not know yet whether the other node, which is blank, was a member before.
    case cannotJudgeYet = 10
    /// The other node has another id than was expected there, or the sender's own.
    case wrongNode = 11

    /// The status code that goes with it.
    package var code: StatusCode {
      switch self {
      case .unspecified: .unknown
      case .shuttingDown, .cannotJudgeYet: .unavailable
      case .noHello: .deadlineExceeded
      case .protocolViolation: .invalidArgument
      case .version: .unimplemented
      case .tooManyClients: .resourceExhausted
      case .wrongCluster, .notAMember, .creationDiffers, .wipedDisk, .wrongNode:
        .failedPrecondition
      }
    }
  }

  package var code: StatusCode
  package var reason: Reason
  package var message: String

  package init(_ reason: Reason, _ message: String) {
    self.init(reason.code, reason, message)
  }

  /// For no particular reason.
  package init(_ code: StatusCode, _ message: String) { self.init(code, .unspecified, message) }

  private init(_ code: StatusCode, _ reason: Reason, _ message: String) {
    self.code = code
    self.reason = reason
    self.message = message
  }

  /// u8 status code, u8 reason, short message.
  package func encode(into writer: inout ByteWriter) {
    writer.append(code.rawValue)
    writer.append(reason.rawValue)
    writer.append(message: message)
  }

  package init(decoding bytes: Bytes) throws(WireError) {
    var reader = ByteReader(bytes)
    code = StatusCode(rawValue: try reader.read(UInt8.self)) ?? .unknown
    reason = Reason(rawValue: try reader.read(UInt8.self)) ?? .unspecified
    message = try reader.readMessage()
  }
}
