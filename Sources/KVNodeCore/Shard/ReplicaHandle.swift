/// Names a replica of a shard: its slot, and how often the slot had been used before. A late answer
/// for a replica that has left the slot names an earlier generation of it, and is dropped.
struct ReplicaHandle: Hashable, Sendable {
  var slot: Int32
  var generation: UInt32
}
