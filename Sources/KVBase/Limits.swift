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
  /// Ranges of the ids of dropped keyspaces: one more than what lives between them, and in a group
  /// what it has not deleted yet. Beyond them a drop is RESOURCE_EXHAUSTED.
  @inlinable package static var droppedKeyspaceRanges: Int { 65_536 }
  /// Deletions of a dropped keyspace's records that a group's leader has proposed at one time.
  @inlinable package static var dropsInFlight: Int { 64 }
  @inlinable package static var nodes: Int { 64 }
  @inlinable package static var addressBytes: Int { 256 }
  @inlinable package static var replicasPerGroup: Int { 64 }
  @inlinable package static var partitions: Int { 4096 }

  // Frames: a longer one closes the connection with a GOAWAY that says so.
  @inlinable package static var frameBytes: Int { 4 << 20 }
  /// Before HELLO, a connection's frames are small.
  @inlinable package static var helloFrameBytes: Int { 4096 }
  /// A connection that has not said HELLO for this long is closed.
  @inlinable package static var helloTimeout: TimeAmount { .seconds(10) }
  /// Where there are as many connections as there may be, the oldest of those that have not said
  /// HELLO for this long is closed for a new one.
  @inlinable package static var helloTimeoutWhenFull: TimeAmount { .milliseconds(200) }
  /// Connections that clients leave to other nodes. A client beyond is told so by GOAWAY.
  @inlinable package static var connectionsForNodes: Int { 64 }
  /// Output waiting for another node; beyond it the connection is closed and made anew.
  @inlinable package static var peerOutputBytes: Int { 64 << 20 }
  /// How long a thread waits for room in the queue of an event loop that makes no progress.
  @inlinable package static var postTimeout: TimeAmount { .seconds(5) }
  /// How often a node asks for a sign of life on a connection to another, and how long it waits for
  /// one before it makes the connection anew.
  @inlinable package static var peerPingInterval: TimeAmount { .milliseconds(500) }
  @inlinable package static var peerSilenceLimit: TimeAmount { .seconds(3) }
  /// Keys of one multi-get to one node.
  @inlinable package static var multiGetKeys: Int { 1024 }
  /// Values of one multi-get to one node; more is RESOURCE_EXHAUSTED.
  @inlinable package static var multiGetBytes: Int { 3 << 20 }
  /// Reads that a node has begun and not answered; one more is RESOURCE_EXHAUSTED.
  @inlinable package static var openReads: Int { 32_768 }
  /// What reads that are not answered yet hold in a node, and of one connection; one more is
  /// RESOURCE_EXHAUSTED, except the only one of its connection.
  @inlinable package static var heldReadBytes: Int { 64 << 20 }
  @inlinable package static var connectionReadBytes: Int { 8 << 20 }
  /// The payload of a PING.
  @inlinable package static var pingBytes: Int { 64 }
  /// Records and bytes of one scan page; the page ends early and its token goes on.
  @inlinable package static var pageRecords: Int { 1024 }
  @inlinable package static var pageBytes: Int { 1 << 20 }
  /// One metadata value of a request.
  @inlinable package static var metadataBytes: Int { 4096 }
  @inlinable package static var errorMessageBytes: Int { 1024 }

  // Sessions.
  /// Results kept for one client in one partition; a mutation beyond them is refused unapplied.
  @inlinable package static var resultsPerSession: Int { 1024 }
  /// Sessions of one partition; then one that has ended, else the one not used for longest, is
  /// evicted, and the floor raised to its creation time.
  @inlinable package static var sessionsPerGroup: Int { 4096 }
  /// Of a partition's sessions, the part whose creation times may be ahead of its log time: a
  /// quarter. One more is refused unapplied, and its client told which creation time to take.
  @inlinable package static func sessionsAhead(of sessions: Int) -> Int { max(1, sessions / 4) }
  /// How far a client's creation time may be ahead of the leader's clock. One further ahead is
  /// refused before it is proposed, and its client told which creation time to take.
  @inlinable package static var creationAheadMilliseconds: UInt64 { 10_000 }

  // Raft.
  /// How far above a replica's own a term may be that another names: no elections lead that far
  /// while a replica is away. A message of a higher one is a protocol violation, and enters
  /// nothing.
  @inlinable package static var termJump: UInt64 { 1 << 32 }
  /// No term above it is entered at another's word, so that there is always a next one.
  @inlinable package static var highestTerm: UInt64 { 1 << 63 }
  /// Entry bytes of one append message.
  @inlinable package static var appendBytes: Int { 1 << 20 }
  /// Entry bytes sent to a follower and not acknowledged; then replication to it waits.
  @inlinable package static var inflightBytes: Int { 4 << 20 }
  /// Append messages sent to a follower and not acknowledged; then replication to it waits.
  @inlinable package static var inflightAppends: Int { 1024 }
  /// Persists of a replica that were emitted and are not durable; beyond that, what is durable is
  /// known more coarsely.
  @inlinable package static var openPersists: Int { 4096 }
  /// Proposals of a leader that are not applied; beyond that, their bytes are counted together.
  @inlinable package static var unappliedProposals: Int { 4096 }
  /// Rounds of ReadIndex sent and not confirmed; further reads wait for a later round.
  @inlinable package static var openReadRounds: Int { 1024 }
  /// Entry bytes a group keeps in memory below what is applied; older ones are read back.
  @inlinable package static var logTailBytes: Int { 1 << 20 }
  /// Entry bytes proposed and not applied in one group; then RESOURCE_EXHAUSTED.
  @inlinable package static var uncommittedBytes: Int { 16 << 20 }
  /// The same in all groups of a node together; then RESOURCE_EXHAUSTED.
  @inlinable package static var nodeUncommittedBytes: Int { 128 << 20 }
  /// Log bytes of a node that are not durable; beyond them it takes no entries of other leaders,
  /// which send them again.
  @inlinable package static var undurableBytes: Int { 64 << 20 }
  /// Entry bytes that all groups of a node keep in memory below what is applied; each has an equal
  /// share, within these bounds.
  @inlinable package static var nodeTailBytes: Int { 64 << 20 }
  @inlinable package static var leastTailBytes: Int { 64 << 10 }
  /// Entry bytes that a follower of one group holds committed and not applied; then it takes no
  /// more entries until half of that is applied.
  @inlinable package static var backlogBytes: Int { 8 << 20 }
  /// The same of all groups of a node together; beyond it a group takes no more that has at least
  /// `smallBacklogBytes`.
  @inlinable package static var nodeBacklogBytes: Int { 64 << 20 }
  @inlinable package static var smallBacklogBytes: Int { 256 << 10 }
  /// Appends to a follower that are not applied; beyond that, their bytes are counted together.
  @inlinable package static var backlogRuns: Int { 1024 }
  /// Proposals of one group whose callers wait; then RESOURCE_EXHAUSTED.
  @inlinable package static var pendingProposals: Int { 65_536 }
  /// Messages of one replica that wait for a persist; beyond them, messages are dropped.
  @inlinable package static var heldMessages: Int { 16_384 }
  /// Payload bytes of one frame between nodes; more is sent in several.
  @inlinable package static var peerFrameBytes: Int { 1 << 20 }
  /// Snapshots that a node sends at one time.
  @inlinable package static var outgoingSnapshots: Int { 4 }
  /// Bytes of snapshots that a node sends in one tick of 10 ms: about 50 MiB a second.
  @inlinable package static var snapshotBytesPerTick: Int { 512 << 10 }
  /// The same of a node that is busy: about 8 MiB a second.
  @inlinable package static var lowestSnapshotBytesPerTick: Int { 80 << 10 }
  /// Log writes of a node on their way; the turn after that many gathers until one is done.
  @inlinable package static var persistsInFlight: Int { 64 }
  /// Reads that wait in one group; then RESOURCE_EXHAUSTED.
  @inlinable package static var waitingReads: Int { 16_384 }
  /// Entry bytes handed to apply at one time for one group.
  @inlinable package static var applyBytes: Int { 256 << 10 }
  /// The same for all groups in one turn; the rest waits for the next one, so that what gathered
  /// during a stall holds back no heartbeat.
  @inlinable package static var applyTurnBytes: Int { 512 << 10 }
  /// Records that are read from files for one group before its entries go on to be applied, and
  /// their bytes in each of the parts in which they are read; the rest is read in another step.
  @inlinable package static var applyLookups: Int { 64 }
  @inlinable package static var applyLookupBytes: Int { 1 << 20 }
  /// Groups for which such records are read at one time; others wait.
  @inlinable package static var applyLookupGroups: Int { 8 }
  /// How long a node goes on with what its own outputs bring before sockets and timers have theirs.
  @inlinable package static var turnLength: TimeAmount { .milliseconds(5) }
  /// Threads that read the files of the state, and those that scan it.
  @inlinable package static var readThreads: Int { 4 }
  @inlinable package static var scanThreads: Int { 2 }
  /// Events that wait to be written to their file; one more is left out.
  @inlinable package static var waitingEvents: Int { 65_536 }
  @inlinable package static var snapshotChunkBytes: Int { 256 << 10 }

  // The node's log.
  /// A log to which nothing was written for this long is closed with a cover, once.
  @inlinable package static var logCoverDelay: TimeAmount { .milliseconds(500) }
  /// Log kept for what follows a snapshot that is on its way or has arrived, whatever is kept for
  /// followers otherwise: else what follows it has gone when it arrives, and the next one begins.
  /// What lies further back is let go.
  @inlinable package static var transferLogBytes: Int { 1 << 30 }
  /// Bytes of one batch: what one turn persists for all groups. A larger one is refused as a fault
  /// of the caller, and the node stops.
  @inlinable package static var logBatchBytes: Int { 1 << 30 }
  /// Bytes of one log write of a node core; what is more is several writes. One record may be more.
  @inlinable package static var logWriteBytes: Int { 4 << 20 }
  /// Bytes that have gathered for the log beyond which a sync comes before all of it is written.
  @inlinable package static var logSyncBytes: Int { 16 << 20 }
  /// Payload bytes of one data record. A larger one is refused as a fault of the caller, and the
  /// node stops.
  @inlinable package static var logDataBytes: Int { 4 << 20 }
  /// Records that one read or replay of a replica visits; it then answers with what it has.
  @inlinable package static var logReadRecords: Int { 4096 }

  // Client.
  /// How often one call renews its session, each time as the partition says how; then it fails.
  @inlinable package static var sessionRenewals: UInt8 { 8 }
  /// How long a client that closes tells the partitions that it leaves. Those that have not heard
  /// of it keep its session until it is the one not used for longest.
  @inlinable package static var sessionEndTimeout: TimeAmount { .milliseconds(500) }
  /// Calls that a client has begun and not completed; one more is RESOURCE_EXHAUSTED.
  @inlinable package static var clientCalls: Int { 65_536 }
  /// Mutations of one client to one group that wait while `resultsPerSession` are in flight; one
  /// more is RESOURCE_EXHAUSTED.
  @inlinable package static var clientWaitingMutations: Int { 8192 }
  /// Requests on one connection that have no answer yet; beyond them the node counts as busy.
  @inlinable package static var streamsPerConnection: Int { 16_384 }
  /// Keys of one multi-get call, over all groups; more is INVALID_ARGUMENT.
  @inlinable package static var clientMultiGetKeys: Int { 16_384 }
  /// Page requests that one scan has in flight.
  @inlinable package static var scanFanOut: Int { 64 }
  /// Nodes and endpoints that one client knows.
  @inlinable package static var clientPeers: Int { 192 }
  /// Endpoints that a client is started with; more is INVALID_ARGUMENT.
  @inlinable package static var clientEndpoints: Int { 64 }
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
  /// A connection that is not made within this is `timedOut`.
  @inlinable package static var connectTimeout: TimeAmount { .seconds(5) }
  /// A connection that closes sends what is left for this long; then it is closed in any case.
  @inlinable package static var closeFlushTimeout: TimeAmount { .seconds(2) }
  /// Probes of a connection on which nothing arrives: the first after so many seconds, then at this
  /// interval; after so many without an answer the connection has failed. Together 30 s.
  @inlinable package static var keepAliveIdleSeconds: Int32 { 15 }
  @inlinable package static var keepAliveIntervalSeconds: Int32 { 5 }
  @inlinable package static var keepAliveProbes: Int32 { 3 }
  /// Sent bytes that are not acknowledged for this long: the connection has failed.
  @inlinable package static var acknowledgementMilliseconds: Int32 { 30_000 }
  /// Addresses of one name that are tried.
  @inlinable package static var addressesPerName: Int { 8 }
}
