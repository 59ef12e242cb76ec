internal import KVBase

/// How much the groups of a node hand over to be applied in one turn. After a stall all of them may
/// have much: what is beyond waits for the next turn, first come first served, so that a turn stays
/// short, and heartbeats go out between them.
struct ApplyBudget: Sendable {
  private var bytesLeft = Limits.applyTurnBytes
  /// Replicas that found no room in this turn.
  private var waiting: [ReplicaHandle] = []

  /// What a replica may hand over; `nil`: nothing in this turn, and it is asked again in the next.
  mutating func room(for replica: ReplicaHandle) -> Int? {
    guard bytesLeft > 0 else {
      waiting.append(replica)
      return nil
    }
    return min(bytesLeft, Limits.applyBytes)
  }

  mutating func spend(_ entries: [LogEntry]) {
    for position in entries.indices { bytesLeft -= entries[position].encodedSize }
  }

  /// The turn has ended: who goes on in the next.
  mutating func turnEnded() -> [ReplicaHandle] {
    bytesLeft = Limits.applyTurnBytes
    defer { waiting.removeAll(keepingCapacity: true) }
    return waiting
  }
}
