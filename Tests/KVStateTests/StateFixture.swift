import Foundation
import KVBase
import KVRocks
import KVState

/// The stores that every test of the state runs over.
enum StoreKind: CaseIterable, CustomStringConvertible {
  case memory, rocks

  func make() throws -> any StoreFixture {
    switch self {
    case .memory: MemoryFixture()
    case .rocks: try RocksFixture()
    }
  }

  var description: String { self == .memory ? "MemoryState" : "RocksStore" }
}

/// A store, and a way to see what a crash would leave of it.
protocol StoreFixture: AnyObject {
  associatedtype Store: StateStore
  var store: Store { get }
  /// An empty one of the same kind.
  func another() throws -> Self
  /// The store as a crash now would leave it; the twin keeps a number of unflushed batches that
  /// `random` chooses.
  func crashed(_ random: inout SeededRandom) throws -> Self
}

final class MemoryFixture: StoreFixture {
  let store: MemoryState
  init(_ store: MemoryState = MemoryState()) { self.store = store }

  func another() -> MemoryFixture { MemoryFixture() }

  func crashed(_ random: inout SeededRandom) -> MemoryFixture {
    let kept = random.below(UInt64(store.unflushedBatches + 1))
    return MemoryFixture(store.crash(keeping: Int(kept)))
  }
}

/// In a directory of its own, with memory tables so small that files are written along the way.
final class RocksFixture: StoreFixture {
  var store: RocksStore {
    guard let opened else { preconditionFailure("a fixture that was closed") }
    return opened
  }
  private var opened: RocksStore?
  private let directory: URL

  private static func newDirectory() -> URL {
    FileManager.default.temporaryDirectory
      .appendingPathComponent("state-\(UUID().uuidString)")
  }

  private init(_ directory: URL) throws {
    self.directory = directory
    var options = RocksOptions()
    options.memtableBytes = 64 << 10
    options.blockCacheBytes = 1 << 20
    opened = try RocksStore(path: directory.path, options: options)
  }

  convenience init() throws {
    let directory = Self.newDirectory()
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    try self.init(directory)
  }

  deinit {
    // Closed first: RocksDB waits a second for each file that it can't write.
    opened = nil
    try? FileManager.default.removeItem(at: directory)
  }

  func another() throws -> RocksFixture { try RocksFixture() }

  /// A copy of the files, made while nothing is being written to them: memory is lost, as where
  /// the process is killed.
  func crashed(_ random: inout SeededRandom) throws -> RocksFixture {
    let busy = [
      "rocksdb.num-running-flushes", "rocksdb.num-running-compactions",
      "rocksdb.mem-table-flush-pending", "rocksdb.compaction-pending",
    ]
    while busy.contains(where: { store.property($0) > 0 }) { usleep(1_000) }
    let copy = Self.newDirectory()
    try FileManager.default.copyItem(at: directory, to: copy)
    return try RocksFixture(copy)
  }
}

extension StateStore {
  /// Writes one batch.
  func write(_ fill: (inout Batch) -> Void) throws {
    var batch = Batch()
    fill(&batch)
    try write(&batch)
  }

  func put(_ key: Bytes, _ value: Bytes) throws {
    try write { $0.put(key: key, header: Bytes(), value: value) }
  }
}

extension StateView {
  func all(
    from: Bytes = Bytes(), to: Bytes = Bytes([0xFF, 0xFF]), descending: Bool = false,
    limit: Int = .max
  ) throws -> [Pair] {
    var found: [Pair] = []
    try scan(from: from, to: to, descending: descending) {
      found.append(Pair($0, $1))
      return found.count < limit
    }
    return found
  }
}

struct Pair: Hashable, CustomStringConvertible {
  var key: Bytes
  var value: Bytes
  init(_ key: Bytes, _ value: Bytes) {
    self.key = key
    self.value = value
  }
  var description: String { "\(key)=\(value)" }
}
