package import KVBase
internal import KVCommand

/// How far a group's state has come: the row that every apply batch writes, beside the data that
/// it describes.
package struct GroupProgress: Hashable, Sendable {
  package var index: LogIndex = .zero
  package var term: Term = .zero
  package var logTimeMilliseconds: UInt64 = 0
  package var digest: UInt64 = 0
  package var sessionFloorMilliseconds: UInt64 = 0

  package init() {}
}

/// A progress row, with its part of the journal of sessions (`SessionJournal`).
package struct ProgressRow: Hashable, Sendable {
  package var progress: GroupProgress
  /// Session rows hold everything up to this entry.
  package var sessionsThrough: LogIndex
  package var changes: [SessionChange]
}

/// The one owner of the values of meta rows. Each begins with a version byte.
///
/// - progress: u8 2, u64 index, u64 term, u64 log time, u64 digest, u64 session floor; then the
///   journal: u64 index through which the session rows are up to date, u32 count, and the changes
///   of sessions that this batch made (`SessionFormat`)
/// - configuration: as `GroupConfiguration` has it
/// - dropped keyspaces: u8 2, `KeyspaceIDSet`
/// - map: as `ClusterMap` has it
package enum GroupMetaFormat {
  package static let formatVersion: UInt8 = 2

  package static func encode(_ progress: GroupProgress, into writer: inout ByteWriter) {
    // One append for all: every batch writes this for each of its groups.
    unsafe writer.append(fixed: 41) { row in
      unsafe row.storeBytes(of: formatVersion, as: UInt8.self)
      unsafe row.storeBytes(of: progress.index.rawValue.bigEndian, toByteOffset: 1, as: UInt64.self)
      unsafe row.storeBytes(of: progress.term.rawValue.bigEndian, toByteOffset: 9, as: UInt64.self)
      unsafe row.storeBytes(
        of: progress.logTimeMilliseconds.bigEndian, toByteOffset: 17, as: UInt64.self)
      unsafe row.storeBytes(of: progress.digest.bigEndian, toByteOffset: 25, as: UInt64.self)
      unsafe row.storeBytes(
        of: progress.sessionFloorMilliseconds.bigEndian, toByteOffset: 33, as: UInt64.self)
    }
  }

  package static func progress(from reader: inout ByteReader) throws(WireError) -> GroupProgress {
    try checkVersion(&reader, what: "progress version")
    var progress = GroupProgress()
    progress.index = LogIndex(try reader.read(UInt64.self))
    progress.term = Term(try reader.read(UInt64.self))
    progress.logTimeMilliseconds = try reader.read(UInt64.self)
    progress.digest = try reader.read(UInt64.self)
    progress.sessionFloorMilliseconds = try reader.read(UInt64.self)
    return progress
  }

  /// The whole of a progress row but for the changes, of which there are `changeCount`.
  package static func encode(
    _ progress: GroupProgress, sessionsThrough: LogIndex, changeCount: Int,
    into writer: inout ByteWriter
  ) {
    encode(progress, into: &writer)
    writer.append(sessionsThrough.rawValue)
    writer.append(UInt32(changeCount))
  }

  package static func progressRow(_ row: Bytes) throws(WireError) -> ProgressRow {
    var reader = ByteReader(row)
    let progress = try progress(from: &reader)
    let through = LogIndex(try reader.read(UInt64.self))
    let count = try reader.readCount(
      limit: Int(UInt32.max), minimumSize: SessionFormat.changeHeadSize, what: "session changes")
    var changes: [SessionChange] = []
    changes.reserveCapacity(count)
    for _ in 0..<count { changes.append(try SessionFormat.decodeChange(from: &reader)) }
    try reader.finish()
    return ProgressRow(progress: progress, sessionsThrough: through, changes: changes)
  }

  /// Of the row of dropped keyspaces. Version 1 was a list of ids.
  private static let droppedVersion: UInt8 = 2

  package static func encode(dropped: KeyspaceIDSet, into writer: inout ByteWriter) {
    writer.append(droppedVersion)
    dropped.encode(into: &writer)
  }

  package static func dropped(from reader: inout ByteReader) throws(WireError) -> KeyspaceIDSet {
    let format = try reader.read(UInt8.self)
    guard format == droppedVersion else {
      throw .unknownValue(what: "dropped keyspaces version", value: UInt64(format))
    }
    return try KeyspaceIDSet(from: &reader)
  }

  private static func checkVersion(
    _ reader: inout ByteReader, what: StaticName
  ) throws(WireError) {
    let format = try reader.read(UInt8.self)
    guard format == formatVersion else { throw .unknownValue(what: what, value: UInt64(format)) }
  }
}
