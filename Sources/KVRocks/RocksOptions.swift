/// How much memory the state store takes, and when it pushes back. The defaults suit a small node:
/// about 32 MiB of cache, and memory tables of at most 4 × 16 MiB under load.
package struct RocksOptions: Sendable, Hashable {
  /// A memory table is written to a file when it has grown to this.
  package var memtableBytes: Int
  /// Full memory tables that may wait for their file; then writes stop.
  package var maximumMemtables: Int
  /// Data, index and filter blocks of files.
  package var blockCacheBytes: Int
  package var maximumOpenFiles: Int
  /// Files of level 0 at which they are merged into level 1.
  package var levelZeroMerge: Int
  /// Files of level 0 at which writes are slowed down, and at which they stop.
  package var levelZeroSlowdown: Int
  package var levelZeroStop: Int
  package var backgroundJobs: Int
  /// Bloom filter bits for each key.
  package var filterBitsPerKey: Double
  /// LZ4; left out where the library was built without it.
  package var compresses: Bool

  package init() {
    memtableBytes = 16 << 20
    maximumMemtables = 3
    blockCacheBytes = 32 << 20
    maximumOpenFiles = 256
    levelZeroMerge = 12
    levelZeroSlowdown = 20
    levelZeroStop = 36
    backgroundJobs = 2
    filterBitsPerKey = 10
    compresses = true
  }
}
