internal import KVBase
internal import KVCommand

/// What one apply batch has written so far, and the buffers that it writes with.
///
/// Reads of a batch see its own earlier writes. Plain puts read nothing, so writes are only noted
/// down, and are indexed by key when the first read asks.
struct ApplyScratch {
  private struct Target: Hashable {
    var group: GroupID
    var keyspace: KeyspaceID
    var key: Bytes
  }

  private struct Write {
    var target: Target
    /// `nil`: deleted.
    var record: Record?
  }

  private var writes: [Write] = []
  private var latest: [Target: Int] = [:]
  /// How many of `writes` are in `latest`.
  private var indexed = 0

  var keyWriter = ByteWriter(capacity: 256)
  var headerWriter = ByteWriter(capacity: RecordFormat.headerSize)
  var digestWriter = ByteWriter(capacity: 1024)
  var rowWriter = ByteWriter(capacity: 256)

  /// Forgets the writes; what they held on to is released.
  mutating func removeAll() {
    writes.removeAll(keepingCapacity: true)
    if indexed > 0 { latest.removeAll(keepingCapacity: indexed < 4096) }
    indexed = 0
  }

  mutating func note(_ group: GroupID, _ keyspace: KeyspaceID, _ key: Bytes, _ record: Record?) {
    writes.append(
      Write(target: Target(group: group, keyspace: keyspace, key: key), record: record))
  }

  /// What this batch left of a key; `.none` where it did not touch it.
  mutating func lookup(_ group: GroupID, _ keyspace: KeyspaceID, _ key: Bytes) -> Record?? {
    guard !writes.isEmpty else { return .none }
    while indexed < writes.count {
      latest[writes[indexed].target] = indexed
      indexed += 1
    }
    guard let place = latest[Target(group: group, keyspace: keyspace, key: key)] else {
      return .none
    }
    return .some(writes[place].record)
  }
}
