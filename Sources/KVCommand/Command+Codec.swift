package import KVBase

/// The bytes of a command: u8 version 1, u8 kind, session (u64 client created, u64 client random,
/// u64 sequence, u64 lowest unacknowledged), then what the kind needs. ARCHITECTURE.md has the
/// table; golden bytes are in the tests.
extension Command {
  package static let formatVersion: UInt8 = 1

  private enum Kind: UInt8 {
    case put = 1
    case delete = 2
    case add = 3
    case dropKeyspaceRecords = 16
    case expireSessions = 17
    case createKeyspace = 32
    case dropKeyspace = 33
    case registerMember = 34
    case nameCluster = 35
  }

  package func encode(into writer: inout ByteWriter) {
    writer.append(Self.formatVersion)
    switch body {
    case .put(let keyspace, let key, let value, let condition):
      encodeHead(.put, into: &writer)
      writer.append(keyspace.rawValue)
      writer.append(short: key)
      condition.encode(into: &writer)
      writer.append(sized: value)
    case .delete(let keyspace, let key, let condition):
      encodeHead(.delete, into: &writer)
      writer.append(keyspace.rawValue)
      writer.append(short: key)
      condition.encode(into: &writer)
    case .add(let keyspace, let key, let delta, let minimum, let maximum):
      encodeHead(.add, into: &writer)
      writer.append(keyspace.rawValue)
      writer.append(short: key)
      writer.append(delta)
      writer.append(minimum)
      writer.append(maximum)
    case .dropKeyspaceRecords(let keyspace):
      encodeHead(.dropKeyspaceRecords, into: &writer)
      writer.append(keyspace.rawValue)
    case .expireSessions(let milliseconds):
      encodeHead(.expireSessions, into: &writer)
      writer.append(milliseconds)
    case .meta(.createKeyspace(let name, let mode)):
      encodeHead(.createKeyspace, into: &writer)
      writer.append(short: name)
      writer.append(mode.rawValue)
    case .meta(.dropKeyspace(let name)):
      encodeHead(.dropKeyspace, into: &writer)
      writer.append(short: name)
    case .meta(.registerMember(let member)):
      encodeHead(.registerMember, into: &writer)
      member.encode(into: &writer)
    case .meta(.nameCluster(let id)):
      encodeHead(.nameCluster, into: &writer)
      writer.append(id)
    }
  }

  private func encodeHead(_ kind: Kind, into writer: inout ByteWriter) {
    writer.append(kind.rawValue)
    writer.append(session.client.createdMilliseconds)
    writer.append(session.client.random)
    writer.append(session.sequence)
    writer.append(session.lowestUnacknowledged)
  }

  /// The whole of `bytes` as a command.
  package init(decoding bytes: Bytes) throws(WireError) {
    var reader = ByteReader(bytes)
    try self.init(from: &reader)
    try reader.finish()
  }

  package init(from reader: inout ByteReader) throws(WireError) {
    let version = try reader.read(UInt8.self)
    guard version == Self.formatVersion else {
      throw .unknownValue(what: "command version", value: UInt64(version))
    }
    let rawKind = try reader.read(UInt8.self)
    guard let kind = Kind(rawValue: rawKind) else {
      throw .unknownValue(what: "command kind", value: UInt64(rawKind))
    }
    let created = try reader.read(UInt64.self)
    let random = try reader.read(UInt64.self)
    let sequence = try reader.read(UInt64.self)
    let lowest = try reader.read(UInt64.self)
    session = SessionStamp(
      client: ClientID(createdMilliseconds: created, random: random), sequence: sequence,
      lowestUnacknowledged: lowest)
    switch kind {
    case .put:
      let (keyspace, key) = try Self.decodeTarget(from: &reader)
      let condition = try Condition(from: &reader)
      let value = try reader.readSized(limit: Limits.valueBytes, what: "value")
      body = .put(keyspace: keyspace, key: key, value: value, condition: condition)
    case .delete:
      let (keyspace, key) = try Self.decodeTarget(from: &reader)
      body = .delete(keyspace: keyspace, key: key, condition: try Condition(from: &reader))
    case .add:
      let (keyspace, key) = try Self.decodeTarget(from: &reader)
      let delta = try reader.read(Int64.self)
      let minimum = try reader.read(Int64.self)
      let maximum = try reader.read(Int64.self)
      guard minimum <= maximum else { throw .invalid("bounds: the minimum is above the maximum") }
      body = .add(keyspace: keyspace, key: key, delta: delta, minimum: minimum, maximum: maximum)
    case .dropKeyspaceRecords:
      body = .dropKeyspaceRecords(KeyspaceID(try reader.read(UInt32.self)))
    case .expireSessions:
      body = .expireSessions(createdThroughMilliseconds: try reader.read(UInt64.self))
    case .createKeyspace:
      let name = try reader.readText(limit: Limits.keyspaceNameBytes, what: "keyspace name")
      body = .meta(.createKeyspace(name: name, mode: try KeyspaceMode(from: &reader)))
    case .dropKeyspace:
      let name = try reader.readText(limit: Limits.keyspaceNameBytes, what: "keyspace name")
      body = .meta(.dropKeyspace(name: name))
    case .registerMember:
      body = .meta(.registerMember(try MemberRecord(from: &reader)))
    case .nameCluster:
      body = .meta(.nameCluster(id: try reader.read(UInt64.self)))
    }
  }

  private static func decodeTarget(
    from reader: inout ByteReader
  ) throws(WireError) -> (KeyspaceID, Bytes) {
    let keyspace = KeyspaceID(try reader.read(UInt32.self))
    let key = try reader.readShort(limit: Limits.keyBytes, what: "key")
    guard !key.isEmpty else { throw .invalid("key: it is empty") }
    return (keyspace, key)
  }
}

extension Condition {
  /// u8 kind, then a u64 version or a sized value where the kind has one.
  package func encode(into writer: inout ByteWriter) {
    switch self {
    case .always: writer.append(UInt8(0))
    case .ifAbsent: writer.append(UInt8(1))
    case .ifPresent: writer.append(UInt8(2))
    case .ifVersion(let version):
      writer.append(UInt8(3))
      writer.append(version.rawValue)
    case .ifValue(let value):
      writer.append(UInt8(4))
      writer.append(sized: value)
    }
  }

  package init(from reader: inout ByteReader) throws(WireError) {
    let kind = try reader.read(UInt8.self)
    switch kind {
    case 0: self = .always
    case 1: self = .ifAbsent
    case 2: self = .ifPresent
    case 3: self = .ifVersion(LogIndex(try reader.read(UInt64.self)))
    case 4: self = .ifValue(try reader.readSized(limit: Limits.valueBytes, what: "expected value"))
    default: throw .unknownValue(what: "condition", value: UInt64(kind))
    }
  }
}
