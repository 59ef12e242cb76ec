package import KVBase

/// A read of one group's state.
package enum ReadCommand: Hashable, Sendable {
  case get(keyspace: KeyspaceID, key: Bytes)
  /// From one snapshot; answers come in the order of the keys.
  case multiGet(keyspace: KeyspaceID, keys: [Bytes])
  case scan(ScanCommand)

  package var keyspace: KeyspaceID {
    switch self {
    case .get(let keyspace, _), .multiGet(let keyspace, _): keyspace
    case .scan(let scan): scan.keyspace
    }
  }

  /// The same in a buffer of its own, for what waits: its keys are slices of what a connection read
  /// at one time.
  package func detached() -> ReadCommand {
    switch self {
    case .get(let keyspace, let key): return .get(keyspace: keyspace, key: key.detached())
    case .multiGet(let keyspace, let keys):
      var writer = ByteWriter(capacity: keys.reduce(0) { $0 + $1.count })
      for key in keys { writer.append(raw: key) }
      let buffer = writer.take()
      var offset = 0
      return .multiGet(
        keyspace: keyspace,
        keys: keys.map { key in
          defer { offset += key.count }
          return buffer[offset..<offset + key.count]
        })
    case .scan(var scan):
      scan.from = scan.from.detached()
      scan.to = scan.to?.detached()
      return .scan(scan)
    }
  }
}

/// One page of the records of one group with `from` ≤ key < `to`.
package struct ScanCommand: Hashable, Sendable {
  package var keyspace: KeyspaceID
  /// Inclusive; empty: from the first.
  package var from: Bytes
  /// Exclusive; `nil`: to the last.
  package var to: Bytes?
  package var descending: Bool
  package var keysOnly: Bool
  /// At most `Limits.pageRecords`; the page also ends at `Limits.pageBytes`.
  package var limit: Int

  package init(
    keyspace: KeyspaceID, from: Bytes, to: Bytes?, descending: Bool, keysOnly: Bool, limit: Int
  ) {
    self.keyspace = keyspace
    self.from = from
    self.to = to
    self.descending = descending
    self.keysOnly = keysOnly
    self.limit = limit
  }
}

/// A value and the version that wrote it.
package struct Record: Hashable, Sendable {
  package var version: LogIndex
  package var value: Bytes

  package init(version: LogIndex, value: Bytes) {
    self.version = version
    self.value = value
  }

  /// Why no node would store `value`: a sentence, or `nil`.
  static func problem(withValue value: Bytes) -> String? {
    guard value.count > Limits.valueBytes else { return nil }
    return "a value of \(value.count) bytes: the limit is \(Limits.valueBytes)"
  }
}

package struct ScannedRecord: Hashable, Sendable {
  package var key: Bytes
  package var record: Record

  package init(key: Bytes, record: Record) {
    self.key = key
    self.record = record
  }
}

package enum ReadResult: Hashable, Sendable {
  case record(Record?)
  case records([Record?])
  /// `more`: there are records after the last one of the page.
  case page([ScannedRecord], more: Bool)
  case keyspaceDropped
  /// The values of a multi-get are more than `Limits.multiGetBytes`.
  case tooLarge
}
