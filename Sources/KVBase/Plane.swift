/// Which answer to the CAP question a replica gives. A node holds up to two replicas of a
/// partition, one of each plane. The raw values are the letters `c` and `a`.
@frozen
@usableFromInline
package enum Plane: UInt8, Comparable, Sendable, CaseIterable {
  /// Consistent: entries of a Raft group.
  case cp = 0x63
  /// Available: records that quorums of replicas agree on, without a leader.
  case ap = 0x61
  @inlinable package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}
