package import KVBase
package import KVCommand

/// What a snapshot says of the state as a whole: a group's status without the generation, which is
/// a matter of the node that holds it.
package struct SnapshotHead: Hashable, Sendable {
  package var progress: GroupProgress
  package var configuration: GroupConfiguration
  package var dropped: KeyspaceIDSet
  package var meta: ClusterMap?
  package var sessionCount: UInt32
}

/// One chunk of a snapshot.
package struct SnapshotChunk: Sendable {
  package var group: GroupID
  /// The last entry in the image, and its term.
  package var index: LogIndex
  package var term: Term
  /// 0, 1, 2, …
  package var sequence: UInt32
  /// The chained hash of the chunks before this one: chunks of two readings never mix.
  package var digestBefore: UInt64
  /// In the first chunk.
  package var head: SnapshotHead?
  package var records: [(suffix: Bytes, value: Bytes)]
  /// In the last chunk: how many records the snapshot has.
  package var total: UInt64?
  /// The chained hash of the chunks up to and including this one.
  package var digest: UInt64
}

/// The one owner of the bytes of a snapshot's chunks:
///
/// u8 version 1, u8 flags (1: has a head, 2: is the last), u32 group, u64 index, u64 term, u32
/// sequence, u64 digest of the chunks before; where there is a head: progress, configuration,
/// dropped keyspaces, flag and map, u32 count of sessions; u32 count of records, and for each: u16
/// length and suffix of the key, u32 length and value; in the last: u64 count of all records; then
/// u64 XXH3-64 of all before it, which, seeded with the digest before, is the digest up to here.
package enum SnapshotFormat {
  package static let formatVersion: UInt8 = 1
  private static let hasHead: UInt8 = 1
  private static let isLast: UInt8 = 2

  /// Writes a chunk while its records are being read.
  package struct Writer {
    private var writer: ByteWriter
    private let countOffset: Int
    private let digestBefore: UInt64
    private var count: UInt32 = 0

    package init(
      group: GroupID, index: LogIndex, term: Term, sequence: UInt32, digestBefore: UInt64,
      head: SnapshotHead?, capacity: Int
    ) {
      writer = ByteWriter(capacity: capacity)
      writer.append(formatVersion)
      writer.append(head == nil ? 0 : hasHead)
      writer.append(group.rawValue)
      writer.append(index.rawValue)
      writer.append(term.rawValue)
      writer.append(sequence)
      writer.append(digestBefore)
      if let head { SnapshotFormat.encode(head, into: &writer) }
      countOffset = writer.count
      writer.append(UInt32(0))
      self.digestBefore = digestBefore
    }

    /// False, and nothing is done, where the chunk would grow beyond `maxBytes`; one record is
    /// always accepted.
    package mutating func append(suffix: Bytes, value: Bytes, maxBytes: Int) -> Bool {
      guard count == 0 || writer.count + suffix.count + value.count + 22 <= maxBytes else {
        return false
      }
      writer.append(short: suffix)
      writer.append(sized: value)
      count += 1
      return true
    }

    package var recordCount: UInt64 { UInt64(count) }

    /// The chunk and the digest up to it; `total` where it is the last.
    package mutating func finish(total: UInt64?) -> (bytes: Bytes, digest: UInt64) {
      writer.overwrite(count, at: countOffset)
      if let total {
        writer.overwrite(writer.bytes[1] | isLast, at: 1)
        writer.append(total)
      }
      let digest = unsafe writer.bytes.withUnsafeBytes {
        unsafe XXH3.hash($0, seed: digestBefore)
      }
      writer.append(digest)
      return (writer.take(), digest)
    }
  }

  package static func decode(_ bytes: Bytes) throws(WireError) -> SnapshotChunk {
    var reader = ByteReader(bytes)
    let format = try reader.read(UInt8.self)
    guard format == formatVersion else {
      throw .unknownValue(what: "snapshot version", value: UInt64(format))
    }
    let flags = try reader.read(UInt8.self)
    guard flags & ~(hasHead | isLast) == 0 else {
      throw .unknownValue(what: "snapshot flags", value: UInt64(flags))
    }
    var chunk = SnapshotChunk(
      group: GroupID(try reader.read(UInt32.self)), index: LogIndex(try reader.read(UInt64.self)),
      term: Term(try reader.read(UInt64.self)), sequence: try reader.read(UInt32.self),
      digestBefore: try reader.read(UInt64.self), records: [], digest: 0)
    try checkDigest(bytes, &chunk)
    if flags & hasHead != 0 { chunk.head = try head(from: &reader) }
    let count = try reader.readCount(
      limit: Int(UInt32.max), minimumSize: 6, what: "snapshot records")
    chunk.records.reserveCapacity(count)
    for _ in 0..<count {
      let suffix = try reader.readShort(limit: Limits.keyBytes + 5, what: "snapshot key")
      let value = try reader.readSized(limit: maximumValueBytes, what: "snapshot value")
      chunk.records.append((suffix, value))
    }
    if flags & isLast != 0 { chunk.total = try reader.read(UInt64.self) }
    _ = try reader.read(UInt64.self)
    try reader.finish()
    return chunk
  }

  /// A record with its header, or a session with all its results.
  private static var maximumValueBytes: Int { Limits.valueBytes + 65_536 }

  private static func checkDigest(_ bytes: Bytes, _ chunk: inout SnapshotChunk) throws(WireError) {
    guard bytes.count >= 8 else { throw .truncated(needed: 8, available: bytes.count) }
    let end = bytes.count - 8
    let expected = bytes.load(UInt64.self, at: end)
    let seed = chunk.digestBefore
    let found = unsafe bytes[0..<end].withUnsafeBytes { unsafe XXH3.hash($0, seed: seed) }
    guard found == expected else { throw .checksum(expected: expected, found: found) }
    chunk.digest = found
  }

  package static func encode(_ head: SnapshotHead, into writer: inout ByteWriter) {
    GroupMetaFormat.encode(head.progress, into: &writer)
    head.configuration.encode(into: &writer)
    GroupMetaFormat.encode(dropped: head.dropped, into: &writer)
    writer.append(head.meta != nil)
    head.meta?.encode(into: &writer)
    writer.append(head.sessionCount)
  }

  private static func head(from reader: inout ByteReader) throws(WireError) -> SnapshotHead {
    let progress = try GroupMetaFormat.progress(from: &reader)
    let configuration = try GroupConfiguration(from: &reader)
    let dropped = try GroupMetaFormat.dropped(from: &reader)
    let meta = try reader.readBool() ? try ClusterMap(from: &reader) : nil
    return SnapshotHead(
      progress: progress, configuration: configuration, dropped: dropped, meta: meta,
      sessionCount: try reader.read(UInt32.self))
  }
}

/// Where a reading of a snapshot goes on: u8 version 1, u32 sequence of the next chunk, u64 records
/// before it, u64 digest of the chunks before it, then the suffix of its first key.
struct SnapshotCursor {
  var sequence: UInt32 = 0
  var recordCount: UInt64 = 0
  var digest: UInt64 = 0
  /// Empty: from the first.
  var suffix = Bytes()

  init() {}

  init(decoding bytes: Bytes) throws(WireError) {
    guard !bytes.isEmpty else { return }
    var reader = ByteReader(bytes)
    let format = try reader.read(UInt8.self)
    guard format == 1 else { throw .unknownValue(what: "cursor version", value: UInt64(format)) }
    sequence = try reader.read(UInt32.self)
    recordCount = try reader.read(UInt64.self)
    digest = try reader.read(UInt64.self)
    suffix = reader.readRest()
    guard sequence > 0, !suffix.isEmpty else { throw .invalid("snapshot cursor") }
  }

  var encoded: Bytes {
    var writer = ByteWriter(capacity: 21 + suffix.count)
    writer.append(UInt8(1))
    writer.append(sequence)
    writer.append(recordCount)
    writer.append(digest)
    writer.append(raw: suffix)
    return writer.take()
  }
}
