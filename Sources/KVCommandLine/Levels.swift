package import KVWire

/// The levels of a cp keyspace, the only ones that there are today.
package enum Levels {
  package static let reads: [Consistency] = [.linearizable, .quorum, .session, .stale]
  package static let writes: [Consistency] = [.linearizable, .quorum]

  /// As `Settings.choice` takes them.
  package static func named(_ levels: [Consistency]) -> [(name: String, value: Consistency)] {
    levels.map { (name: $0.name, value: $0) }
  }
}
