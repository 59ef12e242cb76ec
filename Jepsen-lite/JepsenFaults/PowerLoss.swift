/// What a power cut leaves of a node's files.
///
/// A killed process leaves all that it wrote with the system. A power cut does not: what was not
/// synced may be lost, wholly or in part. `apply` rolls the files of a dead process back to a state
/// that such a cut could have left.
package enum PowerLoss {
  /// What becomes of writes that were not synced. Names (files made, renamed, removed) that were
  /// not made durable by a sync of their directory are undone from some point on, in their order.
  package enum Mode: String, Hashable, Sendable, CaseIterable {
    /// All are lost.
    case loseAll
    /// Of each file, in their order, some stay; the one after them is torn, at a sector or
    /// anywhere; the rest is lost. A torn end of a file may be shorter, or as long as it would be,
    /// with zeros.
    case tornTail
    /// Each sector of 512 bytes stays or is lost by itself: a disk that reorders.
    case reordered
  }
}

/// What was dropped: the proof of a power loss.
package struct PowerLossReport: Hashable, Sendable, CustomStringConvertible {
  package var mode: PowerLoss.Mode
  package var seed: UInt64
  /// Changes of files and of names that were not durable.
  package var pendingWrites = 0
  package var pendingNames = 0
  /// What was taken back of them, wholly or in part.
  package var writesDropped = 0
  package var bytesDropped = 0
  package var namesDropped = 0
  /// The files changed or removed, by their paths below the root.
  package var files: [String] = []
  /// The writes that were torn: file, offset, bytes kept of how many.
  package var torn: [String] = []
  /// What was not exact; empty where the result is one that a real cut could have left.
  package var caveats: [String] = []

  init(mode: PowerLoss.Mode, seed: UInt64) {
    self.mode = mode
    self.seed = seed
  }

  /// Whether anything was lost.
  package var didBite: Bool { writesDropped > 0 || namesDropped > 0 }

  package var description: String {
    var text =
      "\(bytesDropped) unsynced bytes of \(writesDropped) writes dropped,"
      + " \(namesDropped) names undone"
    if !torn.isEmpty { text += ", torn: \(torn.joined(separator: ", "))" }
    if !files.isEmpty { text += "; in \(files.joined(separator: ", "))" }
    if !caveats.isEmpty { text += "; not exact: \(caveats.joined(separator: ", "))" }
    return text
  }
}
