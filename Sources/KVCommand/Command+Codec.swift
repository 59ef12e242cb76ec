package import KVBase

/// The bytes of a command: u8 version 1, u8 kind, session (u64 client created, u64 client random,
/// u64 sequence, u64 lowest unacknowledged), then what the kind needs: for a mutation of a key, u32
/// keyspace, short key and the mutation's fields. PROTOCOL.md has the table; golden bytes are in
/// the tests.
extension Command {
  package static let formatVersion: UInt8 = 1

  /// Below 16 the kind is that of a `KeyMutation`.
  private enum Kind: UInt8 {
    case dropKeyspaceRecords = 16
    case expireSessions = 17
    case endSession = 18
    case createKeyspace = 32
    case dropKeyspace = 33
    case registerMember = 34
    case formCluster = 36
  }

  package func encode(into writer: inout ByteWriter) {
    writer.append(Self.formatVersion)
    switch body {
    case .mutate(let keyspace, let key, let mutation):
      encodeHead(mutation.kind.rawValue, into: &writer)
      writer.append(keyspace.rawValue)
      writer.append(short: key)
      mutation.encode(into: &writer)
    case .dropKeyspaceRecords(let keyspace):
      encodeHead(Kind.dropKeyspaceRecords.rawValue, into: &writer)
      writer.append(keyspace.rawValue)
    case .expireSessions(let milliseconds):
      encodeHead(Kind.expireSessions.rawValue, into: &writer)
      writer.append(milliseconds)
    case .endSession: encodeHead(Kind.endSession.rawValue, into: &writer)
    case .meta(.createKeyspace(let name, let mode)):
      encodeHead(Kind.createKeyspace.rawValue, into: &writer)
      writer.append(short: name)
      writer.append(mode.rawValue)
    case .meta(.dropKeyspace(let name)):
      encodeHead(Kind.dropKeyspace.rawValue, into: &writer)
      writer.append(short: name)
    case .meta(.registerMember(let member)):
      encodeHead(Kind.registerMember.rawValue, into: &writer)
      member.encode(into: &writer)
    case .meta(.form(let map)):
      encodeHead(Kind.formCluster.rawValue, into: &writer)
      map.encode(into: &writer)
    }
  }

  private func encodeHead(_ kind: UInt8, into writer: inout ByteWriter) {
    writer.append(kind)
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
    let created = try reader.read(UInt64.self)
    let random = try reader.read(UInt64.self)
    let sequence = try reader.read(UInt64.self)
    let lowest = try reader.read(UInt64.self)
    session = SessionStamp(
      client: ClientID(createdMilliseconds: created, random: random), sequence: sequence,
      lowestUnacknowledged: lowest)
    if let kind = KeyMutation.Kind(rawValue: rawKind) {
      let (keyspace, key) = try Self.decodeTarget(from: &reader)
      body = .mutate(
        keyspace: keyspace, key: key, try KeyMutation(kind, from: &reader))
      return
    }
    guard let kind = Kind(rawValue: rawKind) else {
      throw .unknownValue(what: "command kind", value: UInt64(rawKind))
    }
    switch kind {
    case .dropKeyspaceRecords:
      body = .dropKeyspaceRecords(KeyspaceID(try reader.read(UInt32.self)))
    case .expireSessions:
      body = .expireSessions(createdThroughMilliseconds: try reader.read(UInt64.self))
    case .endSession: body = .endSession
    case .createKeyspace:
      let name = try reader.readText(limit: Limits.keyspaceNameBytes, what: "keyspace name")
      body = .meta(.createKeyspace(name: name, mode: try KeyspaceMode(from: &reader)))
    case .dropKeyspace:
      let name = try reader.readText(limit: Limits.keyspaceNameBytes, what: "keyspace name")
      body = .meta(.dropKeyspace(name: name))
    case .registerMember:
      body = .meta(.registerMember(try MemberRecord(from: &reader)))
    case .formCluster:
      body = .meta(.form(try ClusterMap(from: &reader)))
    }
  }

  /// Version, kind and session.
  private static let headSize = 34

  /// When the client of an encoded command, which decodes, was created: a leader asks before it
  /// proposes the bytes.
  package static func createdMilliseconds(inEncoded bytes: Bytes) -> UInt64 {
    bytes.load(UInt64.self, at: 2)
  }

  /// Of what an encoded command, which decodes, does: XXH3-64 of what follows the session, xor its
  /// kind. A retry has the same, though it acknowledges more.
  package static func fingerprint(ofEncoded bytes: Bytes) -> UInt64 {
    XXH3.hash(bytes[headSize..<bytes.count]) ^ UInt64(bytes.load(UInt8.self, at: 1))
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
