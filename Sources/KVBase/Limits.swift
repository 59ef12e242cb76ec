/// Every limit of the system that is not a setting, in one place. What happens at a limit is said
/// with it.
@usableFromInline
package enum Limits {
  // Keys and values: beyond these a request is INVALID_ARGUMENT.
  @inlinable package static var keyBytes: Int { 4096 }
  @inlinable package static var valueBytes: Int { 1 << 20 }
  /// A whole command: a key, a value, an expected value, and their headers.
  @inlinable package static var commandBytes: Int { 2 * valueBytes + keyBytes + 1024 }
  @inlinable package static var keyspaceNameBytes: Int { 64 }
  /// Keyspaces at one time; one more is RESOURCE_EXHAUSTED.
  @inlinable package static var keyspaces: Int { 1024 }
  /// Keyspaces ever dropped; one more is RESOURCE_EXHAUSTED.
  @inlinable package static var droppedKeyspaces: Int { 65_536 }
  @inlinable package static var nodes: Int { 64 }
  @inlinable package static var addressBytes: Int { 256 }
  @inlinable package static var replicasPerGroup: Int { 64 }
  @inlinable package static var partitions: Int { 4096 }

  // Frames: a longer one closes the connection with a GOAWAY that says so.
  @inlinable package static var frameBytes: Int { 4 << 20 }
  /// Keys of one multi-get to one node.
  @inlinable package static var multiGetKeys: Int { 1024 }
  /// Records and bytes of one scan page; the page ends early and its token goes on.
  @inlinable package static var pageRecords: Int { 1024 }
  @inlinable package static var pageBytes: Int { 1 << 20 }
  @inlinable package static var errorMessageBytes: Int { 1024 }

  // Sessions.
  /// Results kept for one client in one partition; a mutation beyond them is refused unapplied.
  @inlinable package static var resultsPerSession: Int { 1024 }
  /// Sessions of one partition; the oldest is evicted and the floor raised to its creation time.
  @inlinable package static var sessionsPerGroup: Int { 4096 }

  // Raft.
  /// Entry bytes of one append message.
  @inlinable package static var appendBytes: Int { 1 << 20 }
  /// Entry bytes sent to a follower and not acknowledged; then replication to it waits.
  @inlinable package static var inflightBytes: Int { 4 << 20 }
  /// Entry bytes a group keeps in memory behind what is applied; older ones are read back.
  @inlinable package static var logTailBytes: Int { 1 << 20 }
  /// Entry bytes proposed and not applied in one group; then RESOURCE_EXHAUSTED.
  @inlinable package static var uncommittedBytes: Int { 16 << 20 }
  /// Reads that wait in one group; then RESOURCE_EXHAUSTED.
  @inlinable package static var waitingReads: Int { 16_384 }
  /// Entry bytes handed to apply at one time for one group.
  @inlinable package static var applyBytes: Int { 1 << 20 }
  @inlinable package static var snapshotChunkBytes: Int { 256 << 10 }

  // Event loop and connections.
  /// One read of a socket.
  @inlinable package static var readBytes: Int { 256 << 10 }
  /// Closures posted to a loop by other threads and not yet run; `post` then answers false.
  @inlinable package static var loopPosts: Int { 65_536 }
  /// Rounds of jobs in one turn before sockets are looked at again.
  @inlinable package static var jobRoundsPerTurn: Int { 64 }
  /// Outgoing bytes of a connection above which it is flushed before the turn ends.
  @inlinable package static var flushBytes: Int { 256 << 10 }
  /// Outgoing bytes that the socket did not take; above it the connection is congested: an accepted
  /// one is read no further until half has gone.
  @inlinable package static var congestedBytes: Int { 1 << 20 }
  /// Above this the connection is closed.
  @inlinable package static var connectionOutputBytes: Int { 64 << 20 }
  @inlinable package static var listenBacklog: Int { 1024 }
  /// File descriptors that connections leave to files, logs and peers; a connection beyond is
  /// accepted and closed at once, at most one every `refusalPauseMilliseconds`.
  @inlinable package static var reservedFileDescriptors: Int { 256 }
  @inlinable package static var refusalPauseMilliseconds: UInt64 { 10 }
  /// Addresses of one name that are tried.
  @inlinable package static var addressesPerName: Int { 8 }
}
