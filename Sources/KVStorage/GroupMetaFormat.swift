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

/// The one owner of the values of meta rows. Each begins with a version byte.
///
/// - progress: u8 1, u64 index, u64 term, u64 log time, u64 digest, u64 session floor
/// - configuration: as `GroupConfiguration` has it
/// - dropped keyspaces: u8 1, u32 count, u32 ids, rising
/// - map: as `MetaState` has it
package enum GroupMetaFormat {
  package static let formatVersion: UInt8 = 1

  package static func encode(_ progress: GroupProgress, into writer: inout ByteWriter) {
    writer.append(formatVersion)
    writer.append(progress.index.rawValue)
    writer.append(progress.term.rawValue)
    writer.append(progress.logTimeMilliseconds)
    writer.append(progress.digest)
    writer.append(progress.sessionFloorMilliseconds)
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

  package static func encode(dropped: [KeyspaceID], into writer: inout ByteWriter) {
    writer.append(formatVersion)
    writer.append(UInt32(dropped.count))
    for id in dropped { writer.append(id.rawValue) }
  }

  package static func dropped(from reader: inout ByteReader) throws(WireError) -> [KeyspaceID] {
    try checkVersion(&reader, what: "dropped keyspaces version")
    let count = try reader.readCount(
      limit: Limits.droppedKeyspaces, minimumSize: 4, what: "dropped keyspaces")
    var dropped: [KeyspaceID] = []
    dropped.reserveCapacity(count)
    for _ in 0..<count {
      let id = KeyspaceID(try reader.read(UInt32.self))
      guard dropped.last.map({ $0 < id }) ?? true else {
        throw .invalid("dropped keyspaces: they do not rise")
      }
      dropped.append(id)
    }
    return dropped
  }

  private static func checkVersion(
    _ reader: inout ByteReader, what: StaticName
  ) throws(WireError) {
    let format = try reader.read(UInt8.self)
    guard format == formatVersion else { throw .unknownValue(what: what, value: UInt64(format)) }
  }
}
