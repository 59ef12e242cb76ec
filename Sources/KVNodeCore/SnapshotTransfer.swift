internal import KVBase
internal import KVRaft
internal import KVState

/// A snapshot that this node sends to a follower, chunk by chunk: one chunk is on its way at a
/// time, asked for by its number, so a lost one is asked for again.
struct OutgoingSnapshot: Sendable {
  enum Phase: Sendable, Hashable {
    /// The image is being opened.
    case opening
    /// Offered; the follower has not asked for the first chunk.
    case offered
    /// The chunk `sequence` is being read.
    case reading(sequence: UInt64)
    /// The chunk `sequence` was sent.
    case sent(sequence: UInt64)
  }

  let transfer: TransferID
  let slot: Int
  let to: ReplicaID
  let term: Term
  var phase = Phase.opening
  var index = LogIndex.zero
  var snapshotTerm = Term.zero
  /// Where the chunk last read began, its bytes, and where the next one begins.
  var cursor = Bytes()
  var chunk: Bytes?
  var next: Bytes? = Bytes()
  /// When something was last heard from the follower, and when something was last sent.
  var lastHeard: Instant
  var lastSent: Instant
  /// The chunk waits for the next tick's budget.
  var isDue = false
}

/// A snapshot that this node receives for one of its replicas.
struct IncomingSnapshot: Sendable {
  enum Phase: Sendable, Hashable {
    case beginning
    /// Waiting for the chunk `next`.
    case receiving
    /// A chunk is being written.
    case installing(isLast: Bool)
    case finishing
    /// The log record that makes it the replica's state is being written.
    case resetting
  }

  let transfer: TransferID
  /// The sender's id of the transfer.
  let remote: UInt64
  let from: ReplicaID
  let term: Term
  let index: LogIndex
  let snapshotTerm: Term
  let generation: Generation
  var phase = Phase.beginning
  var next: UInt64 = 0
  var status: GroupStatus?
  var lastHeard: Instant
}
