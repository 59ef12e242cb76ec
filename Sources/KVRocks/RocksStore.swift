internal import CRocksDB
internal import Glibc
package import KVBase
package import KVState
internal import Synchronization

/// The state store on RocksDB: one column family, no write-ahead log. After a crash it holds the
/// effect of a prefix of the batches, since memory tables become files in the order in which they
/// were filled.
package final class RocksStore: StateStore, Sendable {
  let database: Database
  private let pressure: PressureGauge

  /// Opens the store in the directory at `path`, and makes it where there is none.
  package init(path: String, options: RocksOptions = RocksOptions()) throws(StorageError) {
    database = Database(try DatabaseHandle.open(path, options))
    pressure = PressureGauge(waitingMemtables: UInt64(max(1, options.maximumMemtables / 2)))
  }

  /// Spares the calling thread RocksDB's counters, which cost a look-up of thread-local memory for
  /// every comparison of keys.
  package static func quietThread() { rocksdb_set_perf_level(1) }

  package func get(_ key: Bytes, tier: ReadTier) throws(StorageError) -> StateLookup {
    switch tier {
    case .all: try database.get(key, database.readAll)
    case .memory: try database.get(key, database.readMemory)
    case .persisted: try database.get(key, database.readPersisted)
    }
  }

  package func write(_ batch: inout RocksBatch) throws(StorageError) {
    try unsafe RocksError.check("write") { message in
      unsafe rocksdb_write(
        database.handle.raw, database.writeOptions.raw, batch.handle.raw, message)
    }
  }

  package func mayContain(from: Bytes, to: Bytes, tier: ReadTier) throws(StorageError) -> Bool {
    guard from < to else { return false }
    let options = ReadOptionsHandle(tier)
    let raw = unsafe options.raw
    // The bounds are not copied: they are lent for as long as the iterator lives.
    return try unsafe from.withCharacters { (fromStart, fromCount) throws(StorageError) in
      try unsafe to.withCharacters { (toStart, toCount) throws(StorageError) in
        unsafe rocksdb_readoptions_set_iterate_lower_bound(raw, fromStart, fromCount)
        unsafe rocksdb_readoptions_set_iterate_upper_bound(raw, toStart, toCount)
        return try unsafe database.hasFirst(raw)
      }
    }
  }

  package func makeView() throws(StorageError) -> RocksView { RocksView(database) }

  package func flush() throws(StorageError) {
    let options = unsafe rocksdb_flushoptions_create()
    defer { unsafe rocksdb_flushoptions_destroy(options) }
    unsafe rocksdb_flushoptions_set_wait(options, 1)
    try unsafe RocksError.check("flush") { message in
      unsafe rocksdb_flush(database.handle.raw, options, message)
    }
  }

  /// Looked up at most every few milliseconds, so it may be asked before every proposal.
  package var isUnderPressure: Bool { pressure.read(database) }

  /// A number that RocksDB keeps of itself, such as "rocksdb.block-cache-usage"; 0 where it has
  /// none of that name.
  package func property(_ name: String) -> UInt64 { database.property(name) }

  /// Of files only: the C API does not estimate memory tables by range.
  package func approximateBytes(from: Bytes, to: Bytes) -> Int {
    guard from < to else { return 0 }
    var size: UInt64 = 0
    var message: UnsafeMutablePointer<CChar>?
    unsafe from.withCharacters { fromStart, fromCount in
      unsafe to.withCharacters { toStart, toCount in
        var fromStart = unsafe fromStart
        var fromCount = fromCount
        var toStart = unsafe toStart
        var toCount = toCount
        unsafe rocksdb_approximate_sizes(
          database.handle.raw, 1, &fromStart, &fromCount, &toStart, &toCount, &size, &message)
      }
    }
    return unsafe RocksError.take(message) == nil ? Int(clamping: size) : 0
  }
}

/// What views share with the store, so that the database outlives them all.
@safe
final class Database: @unchecked Sendable {
  // RocksDB's handles may be used by several threads at once; these never change.
  let handle: DatabaseHandle
  let writeOptions = WriteOptionsHandle()
  let readAll = ReadOptionsHandle(.all)
  let readMemory = ReadOptionsHandle(.memory)
  let readPersisted = ReadOptionsHandle(.persisted)

  init(_ handle: consuming DatabaseHandle) { self.handle = handle }

  /// The value is copied once, out of the pinned block or memory table.
  func get(
    _ key: Bytes, _ options: borrowing ReadOptionsHandle
  ) throws(StorageError) -> StateLookup {
    var message: UnsafeMutablePointer<CChar>?
    let raw = unsafe options.raw
    let pinned = unsafe key.withCharacters {
      unsafe rocksdb_get_pinned(handle.raw, raw, $0, $1, &message)
    }
    if let text = unsafe RocksError.take(message) {
      if RocksError.isIncomplete(text) { return .incomplete }
      throw .io("RocksDB read: \(text)")
    }
    guard let pinned = unsafe pinned else { return .absent }
    defer { unsafe rocksdb_pinnableslice_destroy(pinned) }
    var count = 0
    let start = unsafe rocksdb_pinnableslice_value(pinned, &count)
    return unsafe .value(Bytes(copying: start, count: count))
  }

  /// Whether an iterator finds anything, or may where it could read files.
  func hasFirst(_ options: OpaquePointer) throws(StorageError) -> Bool {
    guard let created = unsafe rocksdb_create_iterator(handle.raw, options) else {
      throw .io("RocksDB iterator: none was made")
    }
    let iterator = unsafe IteratorHandle(created)
    unsafe rocksdb_iter_seek_to_first(iterator.raw)
    if unsafe rocksdb_iter_valid(iterator.raw) != 0 { return true }
    var message: UnsafeMutablePointer<CChar>?
    unsafe rocksdb_iter_get_error(iterator.raw, &message)
    guard let text = unsafe RocksError.take(message) else { return false }
    guard RocksError.isIncomplete(text) else { throw .io("RocksDB look: \(text)") }
    return true
  }

  /// A number that RocksDB keeps of itself; 0 where it has none of that name.
  func property(_ name: String) -> UInt64 {
    var value: UInt64 = 0
    return unsafe rocksdb_property_int(handle.raw, name, &value) == 0 ? value : 0
  }
}

/// Whether writes stall or are about to, asked at most every few milliseconds.
private final class PressureGauge: Sendable {
  private static let intervalMilliseconds: UInt64 = 4
  private let waitingMemtables: UInt64
  /// Milliseconds of the last look, times two, plus one where there was pressure.
  private let last = Atomic<UInt64>(0)

  init(waitingMemtables: UInt64) { self.waitingMemtables = waitingMemtables }

  func read(_ database: Database) -> Bool {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC_COARSE, &time)
    let now = UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
    let seen = last.load(ordering: .relaxed)
    if seen != 0, now < seen >> 1 + Self.intervalMilliseconds { return seen & 1 == 1 }
    let isHigh =
      database.property("rocksdb.is-write-stopped") != 0
      || database.property("rocksdb.actual-delayed-write-rate") != 0
      || database.property("rocksdb.num-immutable-mem-table") >= waitingMemtables
    last.store(now << 1 | (isHigh ? 1 : 0), ordering: .relaxed)
    return isHigh
  }
}
