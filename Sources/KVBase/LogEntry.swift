/// What an entry of a group's log is for.
@usableFromInline
package enum EntryKind: UInt8, Sendable {
  /// A new leader's first entry: it commits what came before (Raft paper §8).
  case noop = 0
  /// A command of `KVCommand`, for the state machine.
  case command = 1
  /// A `GroupConfiguration`, in force from the moment it is appended (Raft paper §6).
  case configuration = 2
}

/// One entry of a group's log. The leader's stamp (term, log time) stands before a payload that is
/// byte for byte what the client sent.
@usableFromInline
package struct LogEntry: Hashable, Sendable {
  @usableFromInline package var index: LogIndex
  @usableFromInline package var term: Term
  @usableFromInline package var kind: EntryKind
  /// Milliseconds since 1970: the larger of the previous entry's and the leader's clock.
  @usableFromInline package var logTimeMilliseconds: UInt64
  @usableFromInline package var payload: Bytes

  @inlinable
  package init(
    index: LogIndex, term: Term, kind: EntryKind, logTimeMilliseconds: UInt64, payload: Bytes
  ) {
    self.index = index
    self.term = term
    self.kind = kind
    self.logTimeMilliseconds = logTimeMilliseconds
    self.payload = payload
  }

  /// Bytes before the payload in the encoding of log and append message:
  /// u32 payload length, u8 kind, u64 index, u64 term, u64 log time.
  @inlinable package static var headerSize: Int { 29 }
  @inlinable package var encodedSize: Int { Self.headerSize + payload.count }

  @inlinable
  package func encode(into writer: inout ByteWriter) {
    // One append for the whole header: this runs for every entry, in log and messages.
    unsafe writer.append(fixed: Self.headerSize) { header in
      unsafe header.storeBytes(of: UInt32(payload.count).bigEndian, as: UInt32.self)
      unsafe header.storeBytes(of: kind.rawValue, toByteOffset: 4, as: UInt8.self)
      unsafe header.storeBytes(of: index.rawValue.bigEndian, toByteOffset: 5, as: UInt64.self)
      unsafe header.storeBytes(of: term.rawValue.bigEndian, toByteOffset: 13, as: UInt64.self)
      unsafe header.storeBytes(
        of: logTimeMilliseconds.bigEndian, toByteOffset: 21, as: UInt64.self)
    }
    writer.append(raw: payload)
  }

  @inlinable
  package init(from reader: inout ByteReader) throws(WireError) {
    let count = Int(try reader.read(UInt32.self))
    guard count <= Limits.commandBytes else {
      throw .tooLong(what: "entry", length: count, limit: Limits.commandBytes)
    }
    let rawKind = try reader.read(UInt8.self)
    guard let kind = EntryKind(rawValue: rawKind) else {
      throw .unknownValue(what: "entry kind", value: UInt64(rawKind))
    }
    self.kind = kind
    index = LogIndex(try reader.read(UInt64.self))
    term = Term(try reader.read(UInt64.self))
    logTimeMilliseconds = try reader.read(UInt64.self)
    payload = try reader.read(count: count)
  }
}
