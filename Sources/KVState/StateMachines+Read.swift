package import KVBase
package import KVCommand

extension StateMachines {
  /// Reads a group's state as it is now. `nil` where the tier does not suffice, and, with every
  /// tier, where the group is not open here (it was removed meanwhile). Scans and multi-gets always
  /// take `.all`. May be called on any thread.
  package func read(
    _ group: GroupID, _ command: ReadCommand, tier: ReadTier
  ) throws(StorageError) -> ReadResult? {
    // A switch of generation deletes the old one's rows. Where one fell into the read, what was
    // found absent may only have been deleted: read the new generation.
    while let seen = published.withLock({ $0[group] }) {
      if seen.dropped.contains(command.keyspace) { return .keyspaceDropped }
      let key = StateKey(group, seen.generation)
      let result = try read(group, command, key, tier)
      let after = published.withLock { $0[group] }
      guard after?.generation == seen.generation else { continue }
      // A drop is published before its records are deleted.
      if after?.dropped.count != seen.dropped.count { continue }
      return result
    }
    return nil
  }

  private func read(
    _ group: GroupID, _ command: ReadCommand, _ stateKey: StateKey, _ tier: ReadTier
  ) throws(StorageError) -> ReadResult? {
    switch command {
    case .get(let keyspace, let key):
      switch try store.get(stateKey.record(keyspace, key), tier: tier) {
      case .value(let stored): return .record(try RecordFormat.record(stored, of: group, key))
      case .absent: return .record(nil)
      case .incomplete: return nil
      }
    case .multiGet(let keyspace, let keys):
      guard tier == .all else { return nil }
      let view = try store.makeView()
      var records: [Record?] = []
      records.reserveCapacity(keys.count)
      var bytes = 0
      for key in keys {
        guard let stored = try view.get(stateKey.record(keyspace, key)) else {
          records.append(nil)
          continue
        }
        records.append(try RecordFormat.record(stored, of: group, key))
        bytes += stored.count
        if bytes > Limits.multiGetBytes { return .tooLarge }
      }
      return .records(records)
    case .scan(let scan):
      guard tier == .all else { return nil }
      return try page(scan, group, stateKey)
    }
  }

  private func page(
    _ scan: ScanCommand, _ group: GroupID, _ stateKey: StateKey
  ) throws(StorageError) -> ReadResult {
    let limit = min(max(scan.limit, 0), Limits.pageRecords)
    let all = stateKey.records(of: scan.keyspace)
    let from = scan.from.isEmpty ? all.from : stateKey.record(scan.keyspace, scan.from)
    let to = scan.to.map { stateKey.record(scan.keyspace, $0) } ?? all.to
    var records: [ScannedRecord] = []
    var bytes = 0
    var more = false
    var damage: StorageError?
    try store.makeView().scan(from: from, to: to, descending: scan.descending) { key, stored in
      do throws(StorageError) {
        let userKey = StateKey.userKey(in: key)
        var record = try RecordFormat.record(stored, of: group, userKey)
        if scan.keysOnly { record.value = Bytes() }
        // What a record takes beside its key and value: lengths and version.
        bytes += userKey.count + record.value.count + 16
        guard records.count < limit, records.isEmpty || bytes <= Limits.pageBytes else {
          more = true
          return false
        }
        records.append(ScannedRecord(key: userKey, record: record))
        return true
      } catch {
        damage = error
        return false
      }
    }
    if let damage { throw damage }
    return .page(records, more: more)
  }
}
