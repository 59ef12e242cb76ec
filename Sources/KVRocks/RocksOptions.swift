/// How much memory the state store takes, and when it pushes back. The defaults suit a small node:
/// about 32 MiB of cache, and memory tables of at most 64 MiB under load.
package struct RocksOptions: Sendable, Hashable {
  /// A memory table is full when it has grown to this. Small ones are searched faster: an insert
  /// into 16 MiB waits for main memory at most levels of the skip list.
  package var memtableBytes: Int
  /// Full memory tables that are written to one file together.
  package var mergedMemtables: Int
  /// The Bloom filter of a memory table, as a part of the table's size.
  package var memtableFilterRatio: Double
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
    memtableBytes = 2 << 20
    mergedMemtables = 8
    maximumMemtables = 31
    memtableFilterRatio = 0.02
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
