internal import CRocksDB
package import KVBase
internal import KVState

/// Changes that RocksDB takes at once. A reference: copies share their changes. Used by one thread
/// at a time.
package final class RocksBatch: StateBatch {
  let handle = WriteBatchHandle()

  package init() {}

  package func put(key: Bytes, header: Bytes, value: Bytes) {
    unsafe key.withCharacters { keyStart, keyCount in
      unsafe header.withCharacters { headerStart, headerCount in
        unsafe value.withCharacters { valueStart, valueCount in
          var keyStart = unsafe keyStart
          var keyCount = keyCount
          // A homogeneous tuple is laid out as the C array of its elements.
          var starts = unsafe (headerStart, valueStart)
          var counts = (headerCount, valueCount)
          unsafe withUnsafePointer(to: &starts) { starts in
            unsafe withUnsafePointer(to: &counts) { counts in
              unsafe rocksdb_writebatch_putv(
                handle.raw, 1, &keyStart, &keyCount, 2,
                UnsafeRawPointer(starts).assumingMemoryBound(to: UnsafePointer<CChar>?.self),
                UnsafeRawPointer(counts).assumingMemoryBound(to: Int.self))
            }
          }
        }
      }
    }
  }

  package func delete(key: Bytes) {
    unsafe key.withCharacters { unsafe rocksdb_writebatch_delete(handle.raw, $0, $1) }
  }

  package func deleteRange(from: Bytes, to: Bytes) {
    // RocksDB refuses, or takes badly, a range whose end is before its start.
    guard from < to else { return }
    unsafe from.withCharacters { fromStart, fromCount in
      unsafe to.withCharacters { toStart, toCount in
        unsafe rocksdb_writebatch_delete_range(
          handle.raw, fromStart, fromCount, toStart, toCount)
      }
    }
  }

  package func removeAll() { unsafe rocksdb_writebatch_clear(handle.raw) }
  package var isEmpty: Bool { unsafe rocksdb_writebatch_count(handle.raw) == 0 }
}
