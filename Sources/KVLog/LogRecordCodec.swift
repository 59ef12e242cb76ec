package import KVBase

/// The records of a batch; part of the format that `LogFormat` versions.
///
/// | kind | then |
/// | --- | --- |
/// | u8 1, hard state | u32 group, `HardState` |
/// | u8 2, entries | u64 checksum, u32 group, u32 count, u32 bytes, that many bytes of entries |
/// | u8 3, reset | u32 group, u32 generation, u64 index, u64 term, `GroupConfiguration` |
/// | u8 4, removed | u32 group |
/// | u8 5, group (in checkpoints only) | u32 group, u64 needed from, what `RecoveredLog` holds |
/// | u8 6, data | u64 checksum, u8 plane, u16 partition, u32 bytes, that many bytes |
/// | u8 7, partition (in checkpoints only) | u8 plane, u16 partition, u64 released before, u64 |
/// | | needed from |
///
/// The checksum of entries and data (XXH3-64 of what follows it, exclusive-or the segment's salt)
/// lets a reader verify one record without reading the whole batch. "Needed from" is the position
/// of the first record before the checkpoint that the replica needs; 0 where it needs none.
package enum LogRecordCodec {
  private enum Kind {
    static var hardState: UInt8 { 1 }
    static var entries: UInt8 { 2 }
    static var reset: UInt8 { 3 }
    static var removed: UInt8 { 4 }
    static var group: UInt8 { 5 }
    static var data: UInt8 { 6 }
    static var partition: UInt8 { 7 }
  }

  /// Bytes of an entries record before its entries.
  package static var entriesHeaderSize: Int { 21 }
  /// Bytes of a data record before its payload.
  package static var dataHeaderSize: Int { 16 }
  /// Where what a record's own checksum covers begins.
  private static var checkedFrom: Int { 9 }

  /// What stands in a batch.
  package enum Decoded: Sendable, Hashable {
    case record(LogRecord)
    case group(GroupID, RecoveredLog, neededFrom: LogPosition?)
    case partition(RecoveredPartition)
  }

  package static func encodedSize(_ record: LogRecord) -> Int {
    switch record {
    case .hardState: return 22
    case .entries(_, let entries):
      var size = entriesHeaderSize
      for entry in entries { size += entry.encodedSize }
      return size
    case .reset(_, _, _, _, let configuration):
      return 25 + encodedSize(configuration)
    case .removed: return 5
    case .data(_, _, let payload): return dataHeaderSize + payload.count
    }
  }

  private static func encodedSize(_ configuration: GroupConfiguration) -> Int {
    let replicas =
      configuration.voters.count + configuration.outgoing.count + configuration.learners.count
      + configuration.learnersNext.count
    return 13 + replicas * 8
  }

  package static func encode(_ record: LogRecord, salt: UInt64, into writer: inout ByteWriter) {
    switch record {
    case .hardState(let group, let state):
      writer.append(Kind.hardState)
      writer.append(group.rawValue)
      state.encode(into: &writer)
    case .entries(let group, let entries):
      encode(entries, of: group, salt: salt, into: &writer)
    case .reset(let group, let generation, let index, let term, let configuration):
      writer.append(Kind.reset)
      writer.append(group.rawValue)
      writer.append(generation.rawValue)
      writer.append(index.rawValue)
      writer.append(term.rawValue)
      configuration.encode(into: &writer)
    case .removed(let group):
      writer.append(Kind.removed)
      writer.append(group.rawValue)
    case .data(let plane, let partition, let payload):
      let start = writer.count
      writer.append(Kind.data)
      writer.append(UInt64(0))
      writer.append(plane.rawValue)
      writer.append(partition.rawValue)
      writer.append(sized: payload)
      finishChecked(from: start, salt: salt, in: &writer)
    }
  }

  private static func finishChecked(from start: Int, salt: UInt64, in writer: inout ByteWriter) {
    writer.overwrite(writer.checksum(from: start + checkedFrom) ^ salt, at: start + 1)
  }

  private static func encode(
    _ entries: [LogEntry], of group: GroupID, salt: UInt64, into writer: inout ByteWriter
  ) {
    let start = writer.count
    writer.append(Kind.entries)
    writer.append(UInt64(0))
    writer.append(group.rawValue)
    writer.append(UInt32(entries.count))
    writer.append(UInt32(0))
    let first = writer.count
    for entry in entries { entry.encode(into: &writer) }
    writer.overwrite(UInt32(writer.count - first), at: first - 4)
    finishChecked(from: start, salt: salt, in: &writer)
  }

  package static func encode(
    group: GroupID, _ log: RecoveredLog, neededFrom: LogPosition?, into writer: inout ByteWriter
  ) {
    writer.append(Kind.group)
    writer.append(group.rawValue)
    writer.append(neededFrom?.rawValue ?? 0)
    log.hardState.encode(into: &writer)
    writer.append(log.generation.rawValue)
    writer.append(log.baseIndex.rawValue)
    writer.append(log.baseTerm.rawValue)
    writer.append(log.lastIndex.rawValue)
    writer.append(UInt32(log.termRuns.count))
    for run in log.termRuns {
      writer.append(run.term.rawValue)
      writer.append(run.firstIndex.rawValue)
    }
    writer.append(UInt32(log.configurations.count))
    for configuration in log.configurations {
      writer.append(configuration.index.rawValue)
      configuration.configuration.encode(into: &writer)
    }
  }

  package static func encode(partition: RecoveredPartition, into writer: inout ByteWriter) {
    writer.append(Kind.partition)
    writer.append(Plane.ap.rawValue)
    writer.append(partition.partition.rawValue)
    writer.append(partition.releasedBefore.rawValue)
    writer.append(partition.neededFrom?.rawValue ?? 0)
  }

  package static func decode(from reader: inout ByteReader) throws(WireError) -> Decoded {
    let kind = try reader.read(UInt8.self)
    switch kind {
    case Kind.entries:
      // The batch's own checksum has vouched for it.
      _ = try reader.read(UInt64.self)
      let group = GroupID(try reader.read(UInt32.self))
      return .record(.entries(group, try decodeEntries(from: &reader)))
    case Kind.data:
      _ = try reader.read(UInt64.self)
      let (plane, partition) = try decodeReplica(from: &reader)
      let payload = try reader.readSized(limit: Limits.logDataBytes, what: "data")
      return .record(.data(plane, partition, payload))
    case Kind.partition:
      let (plane, partition) = try decodeReplica(from: &reader)
      guard plane == .ap else {
        throw .unknownValue(what: "plane of a partition", value: UInt64(plane.rawValue))
      }
      return .partition(
        RecoveredPartition(
          partition: partition, releasedBefore: LogPosition(try reader.read(UInt64.self)),
          neededFrom: try decodeNeededFrom(from: &reader)))
    default: return try decodeOfGroup(kind, from: &reader)
    }
  }

  private static func decodeReplica(
    from reader: inout ByteReader
  ) throws(WireError) -> (Plane, PartitionID) {
    let raw = try reader.read(UInt8.self)
    guard let plane = Plane(rawValue: raw) else {
      throw .unknownValue(what: "plane", value: UInt64(raw))
    }
    return (plane, PartitionID(try reader.read(UInt16.self)))
  }

  private static func decodeNeededFrom(
    from reader: inout ByteReader
  ) throws(WireError) -> LogPosition? {
    let raw = try reader.read(UInt64.self)
    return raw == 0 ? nil : LogPosition(raw)
  }

  private static func decodeOfGroup(
    _ kind: UInt8, from reader: inout ByteReader
  ) throws(WireError) -> Decoded {
    let group = GroupID(try reader.read(UInt32.self))
    switch kind {
    case Kind.hardState:
      return .record(.hardState(group, try HardState(from: &reader)))
    case Kind.reset:
      let generation = Generation(try reader.read(UInt32.self))
      let index = LogIndex(try reader.read(UInt64.self))
      let term = Term(try reader.read(UInt64.self))
      let configuration = try GroupConfiguration(from: &reader)
      return .record(
        .reset(
          group, generation: generation, index: index, term: term, configuration: configuration))
    case Kind.removed:
      return .record(.removed(group))
    case Kind.group:
      let neededFrom = try decodeNeededFrom(from: &reader)
      return .group(group, try decodeGroup(from: &reader), neededFrom: neededFrom)
    default:
      throw .unknownValue(what: "log record", value: UInt64(kind))
    }
  }

  private static func decodeEntries(from reader: inout ByteReader) throws(WireError) -> [LogEntry] {
    let count = try reader.readCount(
      limit: Limits.logBatchBytes / LogEntry.headerSize, minimumSize: LogEntry.headerSize,
      what: "entries")
    var body = ByteReader(
      try reader.readSized(limit: Limits.logBatchBytes, what: "bytes of entries"))
    var entries: [LogEntry] = []
    entries.reserveCapacity(count)
    for _ in 0..<count { entries.append(try LogEntry(from: &body)) }
    try body.finish()
    return entries
  }

  /// A record of entries or data that was read by itself: verified to be whole.
  package static func decode(
    verifying record: Bytes, salt: UInt64
  ) throws(WireError) -> LogRecord {
    var reader = ByteReader(record)
    let kind = try reader.read(UInt8.self)
    guard kind == Kind.entries || kind == Kind.data else { throw .invalid("kind of record") }
    let expected = try reader.read(UInt64.self)
    let found = XXH3.hash(record[checkedFrom..<record.count]) ^ salt
    guard found == expected else { throw .checksum(expected: expected, found: found) }
    reader = ByteReader(record)
    guard case .record(let decoded) = try decode(from: &reader) else {
      throw .invalid("kind of record")
    }
    try reader.finish()
    return decoded
  }

  private static func decodeGroup(from reader: inout ByteReader) throws(WireError) -> RecoveredLog {
    let hardState = try HardState(from: &reader)
    let generation = Generation(try reader.read(UInt32.self))
    let baseIndex = LogIndex(try reader.read(UInt64.self))
    let baseTerm = Term(try reader.read(UInt64.self))
    let lastIndex = LogIndex(try reader.read(UInt64.self))
    var termRuns: [TermRun] = []
    for _ in 0..<(try reader.readCount(limit: .max, minimumSize: 16, what: "term runs")) {
      let term = Term(try reader.read(UInt64.self))
      termRuns.append(TermRun(term: term, firstIndex: LogIndex(try reader.read(UInt64.self))))
    }
    var configurations: [IndexedConfiguration] = []
    for _ in 0..<(try reader.readCount(limit: .max, minimumSize: 21, what: "configurations")) {
      let index = LogIndex(try reader.read(UInt64.self))
      configurations.append(
        IndexedConfiguration(index: index, configuration: try GroupConfiguration(from: &reader)))
    }
    guard
      let outline = LogOutline(
        baseIndex: baseIndex, baseTerm: baseTerm, lastIndex: lastIndex, termRuns: termRuns,
        configurations: configurations)
    else { throw .invalid("terms and configurations of a log") }
    return RecoveredLog(hardState: hardState, generation: generation, outline: outline)
  }
}
