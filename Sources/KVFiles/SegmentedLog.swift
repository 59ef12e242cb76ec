package import KVBase
package import KVLog

/// The node's log on a real disk. `directory` is the log's own, `log` in the data directory.
///
/// A log is made once, by `create`, and from then on only opened: one that has disappeared is not
/// made anew in silence, since it held votes and acknowledged entries.
package typealias SegmentedLog = SegmentLog<PosixDirectory>

extension SegmentLog where Directory == PosixDirectory {
  /// True where there is a log to open. For tests: what an interrupted `create` leaves.
  package static func isPresent(directory: String) throws(StorageError) -> Bool {
    guard Files.exists(directory) else { return false }
    return try isPresent(in: PosixDirectory(directory))
  }

  package static func create(
    directory: String, nodeID: NodeID, creationDigest: UInt64,
    options: LogOptions = .randomlySalted
  ) throws(StorageError) -> SegmentedLog {
    try Files.makeDirectory(directory)
    return try create(
      in: PosixDirectory(directory),
      identity: LogIdentity(node: nodeID, creationDigest: creationDigest), options: options)
  }

  /// Throws `.foreign` for the log of another node, cluster or format, and `.damaged` for one that
  /// can't be trusted, each with every byte left as it was.
  package static func open(
    directory: String, nodeID: NodeID, creationDigest: UInt64,
    options: LogOptions = .randomlySalted
  ) throws(StorageError) -> SegmentedLog {
    try open(
      in: PosixDirectory(directory),
      identity: LogIdentity(node: nodeID, creationDigest: creationDigest), options: options)
  }
}

extension LogOptions {
  /// What a node uses: 16 MiB segments, and salts that nobody can know.
  package static var randomlySalted: LogOptions {
    LogOptions(saltSeed: UInt64.random(in: .min ... .max))
  }
}
