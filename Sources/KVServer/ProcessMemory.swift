internal import CMalloc

/// How the process's allocator holds on to memory. A busy node takes and gives back some megabytes
/// with each flush of its state: memory tables, and the tails of the groups' logs. glibc's defaults
/// return them to the system each time, so that taking them again costs a system call and a page
/// fault for every few KiB, a twentieth of the loop's time under puts.
enum ProcessMemory {
  /// Free bytes at the top of an arena beyond which they are given back.
  private static let trimThreshold: Int32 = 64 << 20
  /// Blocks of at least these bytes are mapped and unmapped on their own; glibc takes no more.
  /// Below it are those of RocksDB's memory tables.
  private static let mapThreshold: Int32 = 32 << 20
  /// Bytes by which the main arena grows at least.
  private static let growth: Int32 = 1 << 20

  static func configure() {
    _ = mallopt(M_TRIM_THRESHOLD, trimThreshold)
    _ = mallopt(M_MMAP_THRESHOLD, mapThreshold)
    _ = mallopt(M_TOP_PAD, growth)
  }
}
