package import KVBase

/// What applying a command answered: a function of the entry and the group's state only. Kept in
/// the session, so that a retry is answered as the first try was.
package enum CommandResult: Hashable, Sendable {
  /// A put took effect; the record's new version is the entry's index.
  case written(version: LogIndex)
  /// A delete took effect, or there was nothing to delete.
  case deleted(existed: Bool, version: LogIndex)
  case added(value: Int64, version: LogIndex)
  /// An append took effect; the value has this many bytes now.
  case appended(length: UInt32, version: LogIndex)
  /// The condition did not hold; nothing changed. The version is that of the record that was
  /// there, 0 where there was none.
  case conditionFailed(current: LogIndex)
  /// The sum would leave the bounds; nothing changed.
  case outOfBounds(current: Int64)
  /// The record's value is not a decimal integer of 64 bits; nothing changed.
  case notAnInteger
  /// The value, of this many bytes, would become longer than a value may be; nothing changed.
  case valueTooLong(current: UInt32)
  case keyspaceDropped
  /// This client is unknown and was created at or before the partition's floor: whether an
  /// earlier try took effect can't be told any more, and this one did not. A new client id with
  /// that creation time, in ms since 1970, is admitted.
  case sessionExpired(renewAt: UInt64)
  /// The sequence is below what the client said it still waits for; refused without effect.
  case sequenceTooLow
  /// More results than `Limits.resultsPerSession` are waiting; refused without effect.
  case tooManyUnacknowledged
  /// What the system itself proposed was done.
  case done
  /// This client is unknown, its creation time is ahead of log time, and of such sessions there are
  /// as many as there may be; refused without effect. A new client id with that creation time is
  /// admitted.
  case createdAhead(renewAt: UInt64)
  /// The sequence was used for another command: refused without effect, now and later.
  case sequenceReused
  case keyspace(KeyspaceDescriptor)
  case keyspaceExists(KeyspaceDescriptor)
  case noSuchKeyspace
  case tooManyKeyspaces
  case invalidName
  /// Another incarnation of that node is recorded.
  case incarnationConflict(recorded: UInt64)
}

/// What a client may conclude from a result.
package enum Conclusion: Hashable, Sendable {
  /// The mutation took effect, or there was nothing to do; the version is its entry's index.
  case effective(version: LogIndex)
  /// Its condition did not hold; nothing changed. The version is that of the record that was there.
  case conditionFailed(current: LogIndex)
  /// The record that was there does not admit it; nothing changed. A sentence says why.
  case outOfRange(String)
  /// This try had no effect; of an earlier one the group can no longer tell.
  case sessionRefused
  /// Nothing changed: the client has used the number of another command.
  case misuse
  /// Nothing changed, since the keyspace is gone.
  case keyspaceDropped
  /// Not about one key: an answer of the meta group, or to what the system itself proposed.
  case other
}

extension CommandResult {
  /// The one place that sorts results: what carries a mutation asks for this, and not for the case.
  package var conclusion: Conclusion {
    switch self {
    case .written(let version), .deleted(_, let version), .added(_, let version),
      .appended(_, let version):
      .effective(version: version)
    case .conditionFailed(let current): .conditionFailed(current: current)
    case .outOfBounds(let current):
      .outOfRange("the sum would leave its bounds: the value is \(current)")
    case .notAnInteger: .outOfRange("the record is not a decimal integer of 64 bits")
    case .valueTooLong(let current):
      .outOfRange(
        "the value would become too long: it has \(current) of at most \(Limits.valueBytes) bytes")
    case .sessionExpired, .sequenceTooLow, .tooManyUnacknowledged, .createdAhead: .sessionRefused
    case .sequenceReused: .misuse
    case .keyspaceDropped: .keyspaceDropped
    case .done, .keyspace, .keyspaceExists, .noSuchKeyspace, .tooManyKeyspaces, .invalidName,
      .incarnationConflict:
      .other
    }
  }
}

extension CommandResult {
  /// u8 kind, then what the kind has.
  package func encode(into writer: inout ByteWriter) {
    switch self {
    case .written(let version):
      writer.append(UInt8(1))
      writer.append(version.rawValue)
    case .deleted(let existed, let version):
      writer.append(UInt8(2))
      writer.append(existed)
      writer.append(version.rawValue)
    case .added(let value, let version):
      writer.append(UInt8(3))
      writer.append(value)
      writer.append(version.rawValue)
    case .conditionFailed(let current):
      writer.append(UInt8(4))
      writer.append(current.rawValue)
    case .outOfBounds(let current):
      writer.append(UInt8(5))
      writer.append(current)
    case .notAnInteger: writer.append(UInt8(6))
    case .keyspaceDropped: writer.append(UInt8(7))
    case .sessionExpired(let renewAt):
      writer.append(UInt8(8))
      writer.append(renewAt)
    case .sequenceTooLow: writer.append(UInt8(9))
    case .tooManyUnacknowledged: writer.append(UInt8(10))
    case .done: writer.append(UInt8(11))
    case .keyspace(let descriptor):
      writer.append(UInt8(12))
      descriptor.encode(into: &writer)
    case .keyspaceExists(let descriptor):
      writer.append(UInt8(13))
      descriptor.encode(into: &writer)
    case .noSuchKeyspace: writer.append(UInt8(14))
    case .tooManyKeyspaces: writer.append(UInt8(15))
    case .invalidName: writer.append(UInt8(16))
    case .incarnationConflict(let recorded):
      writer.append(UInt8(17))
      writer.append(recorded)
    case .appended(let length, let version):
      writer.append(UInt8(18))
      writer.append(length)
      writer.append(version.rawValue)
    case .valueTooLong(let current):
      writer.append(UInt8(19))
      writer.append(current)
    case .createdAhead(let renewAt):
      writer.append(UInt8(20))
      writer.append(renewAt)
    case .sequenceReused: writer.append(UInt8(21))
    }
  }

  package init(from reader: inout ByteReader) throws(WireError) {
    let kind = try reader.read(UInt8.self)
    switch kind {
    case 1: self = .written(version: LogIndex(try reader.read(UInt64.self)))
    case 2:
      let existed = try reader.readBool()
      self = .deleted(existed: existed, version: LogIndex(try reader.read(UInt64.self)))
    case 3:
      let value = try reader.read(Int64.self)
      self = .added(value: value, version: LogIndex(try reader.read(UInt64.self)))
    case 4: self = .conditionFailed(current: LogIndex(try reader.read(UInt64.self)))
    case 5: self = .outOfBounds(current: try reader.read(Int64.self))
    case 6: self = .notAnInteger
    case 7: self = .keyspaceDropped
    case 8: self = .sessionExpired(renewAt: try reader.read(UInt64.self))
    case 9: self = .sequenceTooLow
    case 10: self = .tooManyUnacknowledged
    case 11: self = .done
    case 12: self = .keyspace(try KeyspaceDescriptor(from: &reader))
    case 13: self = .keyspaceExists(try KeyspaceDescriptor(from: &reader))
    case 14: self = .noSuchKeyspace
    case 15: self = .tooManyKeyspaces
    case 16: self = .invalidName
    case 17: self = .incarnationConflict(recorded: try reader.read(UInt64.self))
    case 18:
      let length = try reader.read(UInt32.self)
      self = .appended(length: length, version: LogIndex(try reader.read(UInt64.self)))
    case 19: self = .valueTooLong(current: try reader.read(UInt32.self))
    case 20: self = .createdAhead(renewAt: try reader.read(UInt64.self))
    case 21: self = .sequenceReused
    default: throw .unknownValue(what: "result", value: UInt64(kind))
    }
  }
}
