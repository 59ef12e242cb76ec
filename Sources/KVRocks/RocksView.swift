internal import CRocksDB
package import KVBase
internal import KVState

/// A RocksDB snapshot; released with the last reference.
@safe
package final class RocksView: StateView, @unchecked Sendable {
  // A snapshot may be read by several threads; nothing here changes.
  private let database: Database
  private let snapshot: OpaquePointer?
  private let options = ReadOptionsHandle()

  init(_ database: Database) {
    self.database = database
    unsafe snapshot = rocksdb_create_snapshot(database.handle.raw)
    unsafe rocksdb_readoptions_set_snapshot(options.raw, snapshot)
  }

  deinit {
    unsafe rocksdb_readoptions_set_snapshot(options.raw, nil)
    unsafe rocksdb_release_snapshot(database.handle.raw, snapshot)
  }

  package func get(_ key: Bytes) throws(StorageError) -> Bytes? {
    switch try database.get(key, options) {
    case .value(let value): value
    case .absent: nil
    case .incomplete: throw .io("RocksDB read: \"incomplete\" where a file may be read")
    }
  }

  package func scan(
    from: Bytes, to: Bytes, descending: Bool, visit: (_ key: Bytes, _ value: Bytes) -> Bool
  ) throws(StorageError) {
    guard from < to else { return }
    let options = ReadOptionsHandle()
    unsafe rocksdb_readoptions_set_snapshot(options.raw, snapshot)
    // Long scans must not push what point reads need out of the cache.
    unsafe rocksdb_readoptions_set_fill_cache(options.raw, 0)
    let raw = unsafe options.raw
    // The bounds are not copied: they are lent for as long as the iterator lives.
    try unsafe from.withCharacters { (fromStart, fromCount) throws(StorageError) in
      try unsafe to.withCharacters { (toStart, toCount) throws(StorageError) in
        unsafe rocksdb_readoptions_set_iterate_lower_bound(raw, fromStart, fromCount)
        unsafe rocksdb_readoptions_set_iterate_upper_bound(raw, toStart, toCount)
        try unsafe iterate(raw, descending: descending, visit: visit)
      }
    }
  }

  private func iterate(
    _ options: OpaquePointer, descending: Bool, visit: (Bytes, Bytes) -> Bool
  ) throws(StorageError) {
    guard let created = unsafe rocksdb_create_iterator(database.handle.raw, options) else {
      throw .io("RocksDB iterator: none was made")
    }
    let iterator = unsafe IteratorHandle(created)
    if descending {
      unsafe rocksdb_iter_seek_to_last(iterator.raw)
    } else {
      unsafe rocksdb_iter_seek_to_first(iterator.raw)
    }
    while unsafe rocksdb_iter_valid(iterator.raw) != 0 {
      var keyCount = 0
      var valueCount = 0
      let key = unsafe rocksdb_iter_key(iterator.raw, &keyCount)
      let value = unsafe rocksdb_iter_value(iterator.raw, &valueCount)
      let goesOn = unsafe visit(
        Bytes(copying: key, count: keyCount), Bytes(copying: value, count: valueCount))
      guard goesOn else { break }
      if descending {
        unsafe rocksdb_iter_prev(iterator.raw)
      } else {
        unsafe rocksdb_iter_next(iterator.raw)
      }
    }
    let raw = unsafe iterator.raw
    try unsafe RocksError.check("scan") { message in unsafe rocksdb_iter_get_error(raw, message) }
  }
}
