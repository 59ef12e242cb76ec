package import KVBase

/// Where a scan goes on. Opaque to the application; bound to the keyspace, the bounds, and the
/// direction of the scan that made it, so that it is refused anywhere else.
///
/// u8 version 1, u8 flags (bit 0: descending, bit 1: keys only), u32 keyspace, u64 digest of the
/// bounds, short last key, u64 checksum of all before.
package struct PageToken: Hashable, Sendable {
  package static let version: UInt8 = 1

  var keyspace: KeyspaceID
  var descending: Bool
  var keysOnly: Bool
  var boundsDigest: UInt64
  /// The last key of the page before.
  var lastKey: Bytes

  init(keyspace: KeyspaceID, query: ScanQuery, lastKey: Bytes) {
    self.keyspace = keyspace
    descending = query.descending
    keysOnly = query.keysOnly
    boundsDigest = query.boundsDigest
    self.lastKey = lastKey
  }

  func encoded() -> Bytes {
    var writer = ByteWriter(capacity: lastKey.count + 24)
    writer.append(Self.version)
    writer.append(UInt8((descending ? 1 : 0) | (keysOnly ? 2 : 0)))
    writer.append(keyspace.rawValue)
    writer.append(boundsDigest)
    writer.append(short: lastKey)
    writer.append(writer.checksum(from: 0))
    return writer.take()
  }

  init(decoding bytes: Bytes) throws(WireError) {
    var reader = ByteReader(bytes)
    let version = try reader.read(UInt8.self)
    guard version == Self.version else {
      throw .unknownValue(what: "page token version", value: UInt64(version))
    }
    let flags = try reader.read(UInt8.self)
    guard flags <= 3 else { throw .unknownValue(what: "page token flags", value: UInt64(flags)) }
    descending = flags & 1 != 0
    keysOnly = flags & 2 != 0
    keyspace = KeyspaceID(try reader.read(UInt32.self))
    boundsDigest = try reader.read(UInt64.self)
    lastKey = try reader.readShort(limit: Limits.keyBytes, what: "page token key")
    let expected = XXH3.hash(bytes[0..<reader.offset])
    let found = try reader.read(UInt64.self)
    guard expected == found else { throw .checksum(expected: expected, found: found) }
    try reader.finish()
  }

  /// Why this token does not belong to that scan; `nil` where it does.
  func problem(keyspace: KeyspaceID, query: ScanQuery) -> String? {
    if self.keyspace != keyspace { return "it is of another keyspace" }
    if descending != query.descending { return "it is of a scan in the other direction" }
    if keysOnly != query.keysOnly { return "it is of a scan that differs in keys-only" }
    if boundsDigest != query.boundsDigest { return "it is of a scan with other bounds" }
    return nil
  }
}

/// A scan over all partitions of a keyspace.
package struct ScanQuery: Hashable, Sendable {
  /// Inclusive; empty: from the first.
  package var from: Bytes
  /// Exclusive; `nil`: to the last.
  package var to: Bytes?
  package var descending: Bool
  package var keysOnly: Bool
  /// Records of one page, 1…`Limits.pageRecords`; a page also ends at `Limits.pageBytes`.
  package var limit: Int
  /// The `next` of the page before.
  package var token: Bytes?

  package init(
    from: Bytes = Bytes(), to: Bytes? = nil, descending: Bool = false, keysOnly: Bool = false,
    limit: Int = 256, token: Bytes? = nil
  ) {
    self.from = from
    self.to = to
    self.descending = descending
    self.keysOnly = keysOnly
    self.limit = limit
    self.token = token
  }

  package init(
    prefix: Bytes, descending: Bool = false, keysOnly: Bool = false, limit: Int = 256,
    token: Bytes? = nil
  ) {
    self.init(
      from: prefix, to: KeyOrder.end(ofPrefix: prefix), descending: descending,
      keysOnly: keysOnly, limit: limit, token: token)
  }

  var boundsDigest: UInt64 {
    var writer = ByteWriter()
    writer.append(short: from)
    writer.append(to != nil)
    writer.append(short: to ?? Bytes())
    return XXH3.hash(writer.take())
  }
}
