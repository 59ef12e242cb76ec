internal import CRocksDB
internal import KVBase
internal import KVState

/// Each handle of the C API is owned by one value, and freed with it.

@safe
struct DatabaseHandle: ~Copyable {
  let raw: OpaquePointer
  init(_ opened: OpaquePointer) { unsafe raw = opened }
  deinit { unsafe rocksdb_close(raw) }
}

@safe
struct WriteOptionsHandle: ~Copyable {
  let raw: OpaquePointer

  /// Without a write-ahead log: the node's own log is that.
  init() {
    unsafe raw = rocksdb_writeoptions_create()
    unsafe rocksdb_writeoptions_disable_WAL(raw, 1)
  }

  deinit { unsafe rocksdb_writeoptions_destroy(raw) }
}

@safe
struct ReadOptionsHandle: ~Copyable {
  let raw: OpaquePointer
  init() { unsafe raw = rocksdb_readoptions_create() }

  init(_ tier: ReadTier) {
    self.init()
    // kReadAllTier, kBlockCacheTier, kPersistedTier of rocksdb/options.h.
    let number: Int32 =
      switch tier {
      case .all: 0
      case .memory: 1
      case .persisted: 2
      }
    unsafe rocksdb_readoptions_set_read_tier(raw, number)
  }

  deinit { unsafe rocksdb_readoptions_destroy(raw) }
}

@safe
struct WriteBatchHandle: ~Copyable {
  let raw: OpaquePointer
  init() { unsafe raw = rocksdb_writebatch_create() }
  deinit { unsafe rocksdb_writebatch_destroy(raw) }
}

@safe
struct IteratorHandle: ~Copyable {
  let raw: OpaquePointer
  init(_ created: OpaquePointer) { unsafe raw = created }
  deinit { unsafe rocksdb_iter_destroy(raw) }
}

@safe
struct OptionsHandle: ~Copyable {
  let raw: OpaquePointer
  init() { unsafe raw = rocksdb_options_create() }
  deinit { unsafe rocksdb_options_destroy(raw) }
}

extension Bytes {
  /// For calls of the C API, whose bytes are `char` and which copy what they keep.
  func withCharacters<R, E: Error>(
    _ body: (UnsafePointer<CChar>?, Int) throws(E) -> R
  ) throws(E) -> R {
    try unsafe withUnsafeBytes { (buffer) throws(E) -> R in
      try unsafe body(buffer.baseAddress?.assumingMemoryBound(to: CChar.self), buffer.count)
    }
  }

  /// A copy of `count` characters that the C API lent.
  init(copying characters: UnsafePointer<CChar>?, count: Int) {
    unsafe self.init(
      [UInt8](UnsafeRawBufferPointer(start: UnsafeRawPointer(characters), count: count)))
  }
}
