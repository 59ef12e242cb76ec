internal import KVBase

/// Bytes that the groups of a node have proposed as leaders and not applied. Each group has a limit
/// of its own (`RaftSettings.uncommittedBytes`); with many groups, that of the node comes first.
struct UncommittedBytes: Sendable {
  private var bytes = 0

  var isFull: Bool { bytes >= Limits.nodeUncommittedBytes }

  /// What one group counts for.
  struct Share: Sendable {
    private var bytes = 0

    mutating func update(_ bytes: Int, in all: inout UncommittedBytes) {
      all.bytes += bytes - self.bytes
      self.bytes = bytes
    }
  }
}
