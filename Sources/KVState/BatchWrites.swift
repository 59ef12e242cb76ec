internal import KVBase
internal import KVCommand

/// What one apply batch has written so far: its reads see its own earlier writes.
///
/// A mutation that needs no record (a plain put) reads nothing, and most batches hold nothing else.
/// So of such a write only its entry is noted. The first read of a batch decodes those entries
/// again and files what they wrote by key.
struct BatchWrites {
  private struct Target: Hashable {
    var group: GroupID
    var keyspace: KeyspaceID
    var key: Bytes
  }

  /// An entry by its positions in the requests of the batch.
  struct Position {
    var request: Int
    var entry: Int
  }

  private var unread: [Position] = []
  /// `nil`: deleted.
  private var latest: [Target: Record?] = [:]

  /// Forgets the writes; what they held on to is released.
  mutating func removeAll() {
    unread.removeAll(keepingCapacity: true)
    if !latest.isEmpty { latest.removeAll(keepingCapacity: latest.count < 4096) }
  }

  /// Notes a write of a mutation that needed no record.
  mutating func note(_ position: Position) { unread.append(position) }

  /// Notes what a mutation wrote that has looked its key up in this batch.
  mutating func note(_ group: GroupID, _ keyspace: KeyspaceID, _ key: Bytes, _ record: Record?) {
    latest[Target(group: group, keyspace: keyspace, key: key)] = .some(record)
  }

  /// What this batch left of a key; `.none` where it did not write it.
  mutating func lookup(
    _ group: GroupID, _ keyspace: KeyspaceID, _ key: Bytes, in requests: [ApplyRequest]
  ) throws(WireError) -> Record?? {
    if !unread.isEmpty {
      for position in unread { try file(requests[position.request], position.entry) }
      unread.removeAll(keepingCapacity: true)
    }
    guard !latest.isEmpty else { return .none }
    return latest[Target(group: group, keyspace: keyspace, key: key)]
  }

  private mutating func file(_ request: ApplyRequest, _ position: Int) throws(WireError) {
    let entry = request.entries[position]
    guard
      case .mutate(let keyspace, let key, let mutation) = try Command(decoding: entry.payload).body
    else { preconditionFailure("a write was noted of entry \(entry.index), which is no mutation") }
    switch mutation.effect(on: nil, at: entry.index).change {
    case .none: break
    case .put(let value):
      note(request.group, keyspace, key, Record(version: entry.index, value: value))
    case .delete: note(request.group, keyspace, key, nil)
    }
  }
}
