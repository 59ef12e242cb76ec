package import KVBase

/// Which answer to the CAP question a keyspace gives.
package enum KeyspaceMode: UInt8, Sendable, CaseIterable {
  /// Raft groups: linearizable.
  case cp = 1
  /// Quorums: always on.
  case ap = 2

  package init(from reader: inout ByteReader) throws(WireError) {
    let raw = try reader.read(UInt8.self)
    guard let mode = KeyspaceMode(rawValue: raw) else {
      throw .unknownValue(what: "keyspace mode", value: UInt64(raw))
    }
    self = mode
  }
}

/// A keyspace as the map has it; immutable once created.
package struct KeyspaceDescriptor: Hashable, Sendable {
  package var id: KeyspaceID
  package var name: String
  package var mode: KeyspaceMode

  package init(id: KeyspaceID, name: String, mode: KeyspaceMode) {
    self.id = id
    self.name = name
    self.mode = mode
  }

  /// u32 id, short name, u8 mode.
  package func encode(into writer: inout ByteWriter) {
    writer.append(id.rawValue)
    writer.append(short: name)
    writer.append(mode.rawValue)
  }

  package init(from reader: inout ByteReader) throws(WireError) {
    id = KeyspaceID(try reader.read(UInt32.self))
    name = try reader.readText(limit: Limits.keyspaceNameBytes, what: "keyspace name")
    mode = try KeyspaceMode(from: &reader)
  }

  /// Why `name` can't be a keyspace's: a sentence, or `nil` where it can.
  package static func problem(withName name: String) -> String? {
    let allowed = name.utf8.allSatisfy {
      ($0 >= 97 && $0 <= 122) || ($0 >= 65 && $0 <= 90) || ($0 >= 48 && $0 <= 57) || $0 == 45
        || $0 == 95 || $0 == 46
    }
    guard !name.isEmpty, name.utf8.count <= Limits.keyspaceNameBytes, allowed else {
      return "a keyspace name has 1 to \(Limits.keyspaceNameBytes) letters, digits, '-', '_' or '.'"
    }
    return nil
  }
}
