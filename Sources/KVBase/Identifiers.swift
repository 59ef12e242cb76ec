/// The ids of the system. Each is a type of its own, so that a term is never taken for an index.
/// All are written big-endian with the width of their raw value.

/// A `kvnode` process with one data directory. Chosen by the operator, 1 to 65,535.
@frozen
@usableFromInline
package struct NodeID: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
  @usableFromInline package let rawValue: UInt32
  @inlinable package init(rawValue: UInt32) { self.rawValue = rawValue }
  @inlinable package init(_ rawValue: UInt32) { self.rawValue = rawValue }
  @inlinable package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  @usableFromInline package var description: String { "n\(rawValue)" }
}

/// One node's copy of a partition. New each time a copy is added, so that a message meant for an
/// earlier copy is told apart. Low 32 bits: the node; high 32 bits: how often it was added before.
@frozen
@usableFromInline
package struct ReplicaID: RawRepresentable, Hashable, Comparable, Sendable,
  CustomStringConvertible
{
  @usableFromInline package let rawValue: UInt64
  @inlinable package init(rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable package init(node: NodeID, ordinal: UInt32 = 0) {
    rawValue = UInt64(ordinal) << 32 | UInt64(node.rawValue)
  }
  @inlinable package var node: NodeID { NodeID(UInt32(truncatingIfNeeded: rawValue)) }
  @inlinable package var ordinal: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 32) }
  @inlinable package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  @usableFromInline package var description: String {
    ordinal == 0 ? "r\(node.rawValue)" : "r\(node.rawValue).\(ordinal)"
  }
}

/// The Raft group of a partition. Group 0 is the meta group; partition p is group p + 1.
@frozen
@usableFromInline
package struct GroupID: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
  @usableFromInline package let rawValue: UInt32
  @inlinable package init(rawValue: UInt32) { self.rawValue = rawValue }
  @inlinable package init(_ rawValue: UInt32) { self.rawValue = rawValue }
  @inlinable package static var meta: GroupID { GroupID(0) }
  @inlinable package init(partition: PartitionID) { rawValue = UInt32(partition.rawValue) + 1 }
  /// The partition that this group replicates; `nil` for the meta group.
  @inlinable package var partition: PartitionID? {
    rawValue == 0 ? nil : PartitionID(UInt16(truncatingIfNeeded: rawValue - 1))
  }
  @inlinable package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  @usableFromInline package var description: String { "g\(rawValue)" }
}

/// One of Q equal ranges of the ring.
@frozen
@usableFromInline
package struct PartitionID: RawRepresentable, Hashable, Comparable, Sendable,
  CustomStringConvertible
{
  @usableFromInline package let rawValue: UInt16
  @inlinable package init(rawValue: UInt16) { self.rawValue = rawValue }
  @inlinable package init(_ rawValue: UInt16) { self.rawValue = rawValue }
  @inlinable package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  @usableFromInline package var description: String { "p\(rawValue)" }
}

/// A named set of keys. Ids are never reused. 0 is the meta group's own; 1 is `default`.
@frozen
@usableFromInline
package struct KeyspaceID: RawRepresentable, Hashable, Comparable, Sendable,
  CustomStringConvertible
{
  @usableFromInline package let rawValue: UInt32
  @inlinable package init(rawValue: UInt32) { self.rawValue = rawValue }
  @inlinable package init(_ rawValue: UInt32) { self.rawValue = rawValue }
  @inlinable package static var system: KeyspaceID { KeyspaceID(0) }
  @inlinable package static var `default`: KeyspaceID { KeyspaceID(1) }
  @inlinable package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  @usableFromInline package var description: String { "k\(rawValue)" }
}

/// Raft's logical clock (Raft paper §5.1).
@frozen
@usableFromInline
package struct Term: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
  @usableFromInline package let rawValue: UInt64
  @inlinable package init(rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable package init(_ rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable package static var zero: Term { Term(0) }
  /// The term after this one.
  @inlinable package var next: Term { Term(rawValue + 1) }
  @inlinable package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  @usableFromInline package var description: String { "\(rawValue)" }
}

/// A place in a group's log; the first entry has index 1, and 0 stands for "before the log".
@frozen
@usableFromInline
package struct LogIndex: RawRepresentable, Hashable, Comparable, Sendable,
  CustomStringConvertible
{
  @usableFromInline package let rawValue: UInt64
  @inlinable package init(rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable package init(_ rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable package static var zero: LogIndex { LogIndex(0) }
  /// The index after this one.
  @inlinable package var next: LogIndex { LogIndex(rawValue + 1) }
  /// The index before this one; that before 0 is 0.
  @inlinable package var previous: LogIndex { LogIndex(rawValue == 0 ? 0 : rawValue - 1) }
  @inlinable package static func + (a: Self, b: Int) -> Self { LogIndex(a.rawValue + UInt64(b)) }
  /// How many indexes lie between the two; negative where `a` is the lower.
  @inlinable package static func - (a: Self, b: Self) -> Int {
    Int(Int64(bitPattern: a.rawValue &- b.rawValue))
  }
  @inlinable package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  @usableFromInline package var description: String { "\(rawValue)" }
}

/// The version of the cluster map.
@frozen
@usableFromInline
package struct Epoch: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
  @usableFromInline package let rawValue: UInt64
  @inlinable package init(rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable package init(_ rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  @usableFromInline package var description: String { "\(rawValue)" }
}

/// XXH3-64 of a key's routing part.
@frozen
@usableFromInline
package struct Token: RawRepresentable, Hashable, Comparable, Sendable {
  @usableFromInline package let rawValue: UInt64
  @inlinable package init(rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// A replica's data on its node: installing a snapshot starts a new generation.
@frozen
@usableFromInline
package struct Generation: RawRepresentable, Hashable, Comparable, Sendable,
  CustomStringConvertible
{
  @usableFromInline package let rawValue: UInt32
  @inlinable package init(rawValue: UInt32) { self.rawValue = rawValue }
  @inlinable package init(_ rawValue: UInt32) { self.rawValue = rawValue }
  @inlinable package var next: Generation { Generation(rawValue + 1) }
  @inlinable package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  @usableFromInline package var description: String { "\(rawValue)" }
}

/// Who sends a mutation: when the client was created and 64 random bits. The creation time lets a
/// partition forget a client for good and still answer honestly (ARCHITECTURE.md, "Exactly once").
@frozen
@usableFromInline
package struct ClientID: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// Milliseconds since 1970 on the client's clock.
  @usableFromInline package let createdMilliseconds: UInt64
  @usableFromInline package let random: UInt64
  @inlinable package init(createdMilliseconds: UInt64, random: UInt64) {
    self.createdMilliseconds = createdMilliseconds
    self.random = random
  }
  /// What the system itself uses where a command needs no session.
  @inlinable package static var none: ClientID { ClientID(createdMilliseconds: 0, random: 0) }
  @inlinable package static func < (a: Self, b: Self) -> Bool {
    a.createdMilliseconds != b.createdMilliseconds
      ? a.createdMilliseconds < b.createdMilliseconds : a.random < b.random
  }
  @usableFromInline package var description: String {
    "\(createdMilliseconds)-\(String(random, radix: 16))"
  }
}
