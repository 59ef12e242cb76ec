package import KVBase

/// The bytes of the node's log: this file owns the format of segments and batches, and
/// `LogRecordCodec` that of the records in them. All integers are big-endian.
///
/// A segment is a file `0000000000000001.log`, named by its sequence number in hexadecimal: a
/// header of 64 bytes, then batches, each at a multiple of 8. The first batch is a checkpoint: what
/// every replica was when the segment began, and which records before it it needs, so that older
/// segments can go. A segment is given its name when its header and its checkpoint are durable, so
/// a named segment is never half made.
///
/// A segment's header says at which position of the log it begins: where the batches of the segment
/// before it ended (the mark that ends a segment has no position). So a record's position is that
/// of its segment plus its offset, and the segment of a position is the last one that begins at or
/// before it.
///
/// What ends a log and what is damage (ALICE, OSDI'14; Protocol-Aware Recovery, FAST'18):
/// - A batch names its segment's sequence number, so one left from the file's earlier use is told
///   apart; and its checksum is mixed with the segment's random salt, so that nothing inside a
///   client's value can pass for a batch.
/// - A batch says up to where the segment was durable when it was written. A bad batch with a valid
///   one behind it that was written after the bad one had become durable is damage. Where all that
///   is valid behind it was written in the same span between two syncs, sectors were reordered on
///   their way to a disk that lost power: that is a torn tail.
/// - So only what no valid batch says to have been durable can be a torn tail: the batches after
///   the last sync that anything was written after. A log that is left alone is closed by a cover,
///   which says so of the last batch: from then on damage of any batch with content is damage, and
///   what may be torn is the cover. It is two batches without records. The first fills the page in
///   which the batch before it ends, so that one page that is lost never takes with it what says
///   that it was there.
/// - A segment says where the one before it ends (by its own position), and which is the oldest one
///   needed, so a missing segment, or one that ends too early, is damage. A checkpoint says from
///   which position on each replica needs its records, so one that is missing is damage too.
package enum LogFormat {
  /// 3: covers. 2 had none; 1 had no positions and no data records either.
  package static var version: UInt16 { 3 }
  package static var segmentHeaderSize: Int { 64 }
  package static var batchHeaderSize: Int { 32 }
  package static var alignment: Int { 8 }
  /// What a disk is taken to lose as a whole. Covers are laid out by it.
  static var pageSize: Int { 4096 }
  /// "KVLOGSEG"
  static var magic: UInt64 { 0x4B56_4C4F_4753_4547 }

  package static func aligned(_ size: Int) -> Int { (size + alignment - 1) & ~(alignment - 1) }

  package static func segmentName(_ sequence: UInt64) -> String { "\(hexadecimal(sequence)).log" }
  /// A file that is written beforehand, for a segment to come. What is in it means nothing.
  package static func spareName(_ number: UInt64) -> String { "spare-\(hexadecimal(number)).log" }

  package static func sequence(ofSegment name: String) -> UInt64? { number(in: name, prefix: "") }
  package static func number(ofSpare name: String) -> UInt64? { number(in: name, prefix: "spare-") }

  private static func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  private static func number(in name: String, prefix: String) -> UInt64? {
    guard name.hasPrefix(prefix), name.hasSuffix(".log") else { return nil }
    let digits = name.dropFirst(prefix.count).dropLast(4)
    guard digits.count == 16 else { return nil }
    return UInt64(digits, radix: 16)
  }
}

/// Whose log it is.
package struct LogIdentity: Hashable, Sendable {
  package var node: NodeID
  /// The digest of what the cluster was created with.
  package var creationDigest: UInt64

  package init(node: NodeID, creationDigest: UInt64) {
    self.node = node
    self.creationDigest = creationDigest
  }
}

/// u64 magic, u16 version, u16 zero, u32 node, u64 creation digest, u64 sequence, u64 salt,
/// u64 position of the segment's first byte, u64 oldest segment needed, u64 XXH3-64 of all before
/// it. Magic, version and where the checksum is stay in every later version.
package struct SegmentHeader: Hashable, Sendable {
  package var identity: LogIdentity
  package var sequence: UInt64
  package var salt: UInt64
  /// The position of the segment's first byte; 0 for the first segment.
  package var begin: LogPosition
  /// The oldest segment with a record that was still needed when this one began.
  package var firstNeeded: UInt64

  package init(
    identity: LogIdentity, sequence: UInt64, salt: UInt64, begin: LogPosition, firstNeeded: UInt64
  ) {
    self.identity = identity
    self.sequence = sequence
    self.salt = salt
    self.begin = begin
    self.firstNeeded = firstNeeded
  }

  package func encode(into writer: inout ByteWriter) {
    let start = writer.count
    writer.append(LogFormat.magic)
    writer.append(LogFormat.version)
    writer.append(UInt16(0))
    writer.append(identity.node.rawValue)
    writer.append(identity.creationDigest)
    writer.append(sequence)
    writer.append(salt)
    writer.append(begin.rawValue)
    writer.append(firstNeeded)
    writer.append(writer.checksum(from: start))
  }

  package enum Fault: Error, Hashable, Sendable {
    case damaged
    /// Whole, and of another format than this build's: an older or a newer one.
    case otherFormat(UInt16)
  }

  package init(_ bytes: Bytes) throws(Fault) {
    let size = LogFormat.segmentHeaderSize
    guard bytes.count >= size, bytes.load(UInt64.self, at: 0) == LogFormat.magic,
      bytes.load(UInt64.self, at: size - 8) == XXH3.hash(bytes[0..<size - 8])
    else { throw .damaged }
    let version = bytes.load(UInt16.self, at: 8)
    guard version == LogFormat.version else { throw .otherFormat(version) }
    identity = LogIdentity(
      node: NodeID(bytes.load(UInt32.self, at: 12)),
      creationDigest: bytes.load(UInt64.self, at: 16))
    sequence = bytes.load(UInt64.self, at: 24)
    salt = bytes.load(UInt64.self, at: 32)
    begin = LogPosition(bytes.load(UInt64.self, at: 40))
    firstNeeded = bytes.load(UInt64.self, at: 48)
  }
}

package enum BatchKind: UInt8, Sendable {
  /// What one `append` was given.
  case records = 1
  /// All replicas, at the begin of a segment.
  case checkpoint = 2
  /// The segment ends here, and there is a next one.
  case end = 3
  /// Half of a cover: without records, it says what was durable before it.
  case cover = 4
}

/// u64 checksum (XXH3-64 of what follows it, exclusive-or the segment's salt), u32 length (of all
/// of the batch, a multiple of 8), u32 durable bytes of the segment when it was written,
/// u64 sequence of the segment, u32 records, u8 kind, 3 zero bytes; then the records, and zero
/// bytes up to the length.
package struct BatchHeader: Hashable, Sendable {
  package var length: Int
  package var synced: Int
  package var records: Int
  package var kind: BatchKind

  /// The batch at `offset` of a segment's bytes, where there is a valid one.
  package init?(at offset: Int, of bytes: Bytes, in segment: SegmentHeader) {
    let available = bytes.count - offset
    guard available >= LogFormat.batchHeaderSize,
      bytes.load(UInt64.self, at: offset + 16) == segment.sequence
    else { return nil }
    length = Int(bytes.load(UInt32.self, at: offset + 8))
    guard length >= LogFormat.batchHeaderSize, length <= available,
      length % LogFormat.alignment == 0
    else { return nil }
    let found = XXH3.hash(bytes[offset + 8..<offset + length]) ^ segment.salt
    guard found == bytes.load(UInt64.self, at: offset),
      let kind = BatchKind(rawValue: bytes.load(UInt8.self, at: offset + 28))
    else { return nil }
    synced = Int(bytes.load(UInt32.self, at: offset + 12))
    records = Int(bytes.load(UInt32.self, at: offset + 24))
    self.kind = kind
  }

  /// Leaves room for the header of a batch; the records follow, then `finish`.
  package static func begin(into writer: inout ByteWriter) {
    for _ in 0..<LogFormat.batchHeaderSize / 8 { writer.append(UInt64(0)) }
  }

  /// Completes the batch that begins at `start` of `writer` and reaches to its end.
  package static func finish(
    from start: Int, kind: BatchKind, records: Int, synced: Int, sequence: UInt64, salt: UInt64,
    in writer: inout ByteWriter
  ) {
    while (writer.count - start) % LogFormat.alignment != 0 { writer.append(UInt8(0)) }
    writer.overwrite(UInt32(writer.count - start), at: start + 8)
    writer.overwrite(UInt32(synced), at: start + 12)
    writer.overwrite(sequence, at: start + 16)
    writer.overwrite(UInt32(records), at: start + 24)
    writer.overwrite(kind.rawValue, at: start + 28)
    writer.overwrite(writer.checksum(from: start + 8) ^ salt, at: start)
  }
}
