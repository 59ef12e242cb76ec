package import KVBase

/// The one owner of the keys of the state store, format 1. All integers are big-endian, so that
/// the order of the bytes is the order of the numbers:
///
/// | bytes | what |
/// | --- | --- |
/// | 1 | plane: `c` |
/// | 4 | group |
/// | 4 | generation |
/// | 1 | kind: 1 meta, 2 session, 3 record |
/// | 1–2 | meta: row, and slot where the row is progress |
/// | 16 | session: u64 created, u64 random |
/// | 4 + … | record: u32 keyspace, user key |
///
/// One replica's state is one contiguous range. What follows the generation is the key's suffix: a
/// snapshot carries suffixes, since another node has another generation. The format's version is
/// the plane: another layout takes another letter.
package struct StateKey: Hashable, Sendable {
  package static let plane = UInt8(ascii: "c")
  /// Bytes before the suffix.
  package static let prefixSize = 9

  package enum Kind: UInt8, Sendable {
    case meta = 1
    case session = 2
    case record = 3
  }

  /// Rows of kind `meta`; their values belong to `GroupMetaFormat`.
  package enum MetaRow: UInt8, Sendable, CaseIterable {
    case progress = 1
    case configuration = 2
    case droppedKeyspaces = 3
    case map = 4
  }

  package let group: GroupID
  package let generation: Generation

  package init(_ group: GroupID, _ generation: Generation) {
    self.group = group
    self.generation = generation
  }

  /// Plane, group and generation.
  package var prefix: [UInt8] {
    var writer = ByteWriter(capacity: Self.prefixSize)
    unsafe writer.append(fixed: Self.prefixSize) { unsafe storePrefix(in: $0) }
    return writer.bytes
  }

  private func storePrefix(in bytes: UnsafeMutableRawBufferPointer) {
    unsafe bytes.storeBytes(of: Self.plane, as: UInt8.self)
    unsafe bytes.storeBytes(of: group.rawValue.bigEndian, toByteOffset: 1, as: UInt32.self)
    unsafe bytes.storeBytes(of: generation.rawValue.bigEndian, toByteOffset: 5, as: UInt32.self)
  }

  /// Every row of a group, of whatever generation.
  package static func range(of group: GroupID) -> (from: Bytes, to: Bytes) {
    (
      Bytes(StateKey(group, Generation(0)).prefix),
      Bytes(StateKey(group, Generation(.max)).prefix + [0xFF])
    )
  }

  /// Every row of this generation.
  package var range: (from: Bytes, to: Bytes) { (Bytes(prefix), end) }

  /// After every row of this generation.
  package var end: Bytes { Bytes(prefix + [0xFF]) }

  /// Before every row of `kind`.
  package func start(of kind: Kind) -> Bytes { Bytes(prefix + [kind.rawValue]) }

  package func meta(_ row: MetaRow) -> Bytes {
    Bytes(prefix + [Kind.meta.rawValue, row.rawValue])
  }

  /// Batches write the slots of the progress row in turn.
  package func progress(slot: UInt8) -> Bytes {
    var writer = ByteWriter(capacity: Self.prefixSize + 3)
    appendProgress(slot: slot, to: &writer)
    return writer.take()
  }

  /// The same into a writer that is used again: every batch has one.
  func appendProgress(slot: UInt8, to writer: inout ByteWriter) {
    unsafe writer.append(fixed: Self.prefixSize + 3) { bytes in
      unsafe storePrefix(in: bytes)
      unsafe bytes.storeBytes(of: Kind.meta.rawValue, toByteOffset: 9, as: UInt8.self)
      unsafe bytes.storeBytes(of: MetaRow.progress.rawValue, toByteOffset: 10, as: UInt8.self)
      unsafe bytes.storeBytes(of: slot, toByteOffset: 11, as: UInt8.self)
    }
  }

  package func session(_ client: ClientID) -> Bytes {
    var writer = ByteWriter(capacity: Self.prefixSize + 17)
    writer.append(raw: prefix)
    writer.append(Kind.session.rawValue)
    writer.append(client.createdMilliseconds)
    writer.append(client.random)
    return writer.take()
  }

  package func record(_ keyspace: KeyspaceID, _ key: Bytes) -> Bytes {
    var writer = ByteWriter(capacity: Self.prefixSize + 5 + key.count)
    appendRecord(keyspace, key, to: &writer)
    return writer.take()
  }

  /// The same into a writer that is used again, for the path of a put.
  func appendRecord(_ keyspace: KeyspaceID, _ key: Bytes, to writer: inout ByteWriter) {
    unsafe writer.append(fixed: Self.prefixSize + 5) { bytes in
      unsafe storePrefix(in: bytes)
      unsafe bytes.storeBytes(of: Kind.record.rawValue, toByteOffset: 9, as: UInt8.self)
      unsafe bytes.storeBytes(
        of: keyspace.rawValue.bigEndian, toByteOffset: 10, as: UInt32.self)
    }
    writer.append(raw: key)
  }

  /// Every record of a keyspace.
  package func records(of keyspace: KeyspaceID) -> (from: Bytes, to: Bytes) {
    let from = record(keyspace, Bytes())
    guard keyspace.rawValue < .max else {
      return (from, Bytes(prefix + [Kind.record.rawValue + 1]))
    }
    return (from, record(KeyspaceID(keyspace.rawValue + 1), Bytes()))
  }

  /// What follows plane, group and generation.
  package static func suffix(of key: Bytes) -> Bytes { key[min(prefixSize, key.count)..<key.count] }

  /// The user's key in a key of kind `record`.
  package static func userKey(in key: Bytes) -> Bytes {
    key[min(prefixSize + 5, key.count)..<key.count]
  }

  /// The client in a suffix of kind `session`.
  package static func client(inSuffix suffix: Bytes) throws(WireError) -> ClientID {
    var reader = ByteReader(suffix)
    let kind = try reader.read(UInt8.self)
    guard kind == Kind.session.rawValue else {
      throw .unknownValue(what: "session key", value: UInt64(kind))
    }
    let created = try reader.read(UInt64.self)
    let client = ClientID(createdMilliseconds: created, random: try reader.read(UInt64.self))
    try reader.finish()
    return client
  }

  /// Throws where a suffix from outside is not that of a record with a key that may be stored.
  package static func checkRecord(suffix: Bytes) throws(WireError) {
    var reader = ByteReader(suffix)
    let kind = try reader.read(UInt8.self)
    guard kind == Kind.record.rawValue else {
      throw .unknownValue(what: "record key", value: UInt64(kind))
    }
    _ = try reader.read(UInt32.self)
    guard reader.remaining > 0 else { throw .invalid("record key: it is empty") }
    guard reader.remaining <= Limits.keyBytes else {
      throw .tooLong(what: "record key", length: reader.remaining, limit: Limits.keyBytes)
    }
  }
}
