internal import CMalloc

/// How the process's allocator holds on to memory. glibc gives the top of a thread's arena back
/// whenever 128 KiB of it are free and takes it again with the next turn, by system calls; a turn
/// of a busy node needs more than that each time.
enum ProcessMemory {
  /// Free bytes at the top of an arena beyond which they are given back.
  private static let trimThreshold: Int32 = 4 << 20
  /// Bytes by which an arena grows at least.
  private static let growth: Int32 = 1 << 20

  static func configure() {
    _ = mallopt(M_TRIM_THRESHOLD, trimThreshold)
    _ = mallopt(M_TOP_PAD, growth)
  }
}
