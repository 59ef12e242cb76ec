package import KVBase

/// The log's twin for simulation: the same log over files in memory, which can lose what was not
/// synced, tear a tail, fail a write or a sync, and be damaged.
package typealias MemoryLog = SegmentLog<MemoryDirectory>

extension SegmentLog where Directory == MemoryDirectory {
  /// A new, empty log.
  package static func create(
    node: NodeID, creationDigest: UInt64 = 0, options: LogOptions? = nil
  ) throws(StorageError) -> MemoryLog {
    try create(
      in: MemoryDirectory(), identity: LogIdentity(node: node, creationDigest: creationDigest),
      options: options ?? LogOptions(saltSeed: UInt64(node.rawValue)))
  }

  /// A loss of power: nothing that was not synced survives. This log is dead afterwards, and the
  /// result is what the node finds when it starts again.
  package func crash() throws(StorageError) -> MemoryLog {
    var random = SeededRandom(seed: 0)
    return try crash(.nothing, &random)
  }

  /// A loss of power after which any part of what was not synced may survive: nothing, all of it, a
  /// prefix that ends anywhere, or any sectors of it in any order.
  package func crash(tearing random: inout SeededRandom) throws(StorageError) -> MemoryLog {
    let survivals: [MemorySurvival] = [.nothing, .prefix, .prefix, .sectors, .sectors, .everything]
    return try crash(survivals[Int(random.below(UInt64(survivals.count)))], &random)
  }

  private func crash(
    _ survival: MemorySurvival, _ random: inout SeededRandom
  ) throws(StorageError) -> MemoryLog {
    die()
    return try Self.open(
      in: directory.image(survival, &random), identity: identity, options: options)
  }

  /// The process ends and starts again; the machine does not, so that what was written is there,
  /// durable or not.
  package func restart() throws(StorageError) -> MemoryLog {
    die()
    return try Self.open(in: directory, identity: identity, options: options)
  }

  /// The disk goes blank: a new log, which remembers nothing.
  package func wiped() throws(StorageError) -> MemoryLog {
    die()
    return try Self.create(in: MemoryDirectory(), identity: identity, options: options)
  }

  private func die() { index.fail(.io("this log's node has stopped")) }

  package func inject(_ fault: MemoryLogFault) { directory.inject(fault) }

  /// Changes one byte of a segment on the disk. What hits the last batch can't be told from a torn
  /// tail, so that batch is lost, unless a cover follows it; anything else is found by a read, or
  /// at the next start. `offset` counts from the begin of the active segment's batches, modulo
  /// their size, so that it always lies in the log.
  package func damage(at offset: Int, mask: UInt8 = 0xFF) throws(StorageError) {
    precondition(offset >= 0 && mask != 0, "damage at \(offset) with \(mask)")
    let active = extent
    let begin = LogFormat.segmentHeaderSize
    try directory.open(LogFormat.segmentName(active.sequence))
      .flip(mask, at: begin + offset % (active.end - begin))
  }
}
