package import KVBase
package import KVCommand
package import KVLog
package import KVState

/// A client's connection, named by the interpreter; never reused.
package struct ConnectionID: Hashable, Comparable, Sendable {
  package var rawValue: UInt64
  package init(_ rawValue: UInt64) { self.rawValue = rawValue }
  package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// One transfer of a snapshot, as sender or receiver; never reused by a node.
package struct TransferID: Hashable, Comparable, Sendable {
  package var rawValue: UInt64
  package init(_ rawValue: UInt64) { self.rawValue = rawValue }
  package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// What a `NodeCore` asks its interpreter for. Carried out in this order: persists, snapshots (a
/// generation must be active before what belongs to it is applied or read), applies, reads, then
/// all else in any order.
package struct NodeOutputs: Sendable {
  /// Append these records to the log as one batch, sync it, then call `persisted(number)`. Several
  /// may be gathered under one sync; numbers rise by one.
  package struct Persist: Sendable {
    package var number: UInt64
    package var records: [LogRecord]
  }

  /// The payload of a RESPONSE frame on `stream` is `replyBytes[start..<end]`.
  package struct Reply: Sendable {
    package var connection: ConnectionID
    package var stream: UInt32
    package var start: Int
    package var end: Int
  }

  /// The payload of a PEER frame. May be lost with the connection; never reordered on one.
  package struct PeerFrame: Sendable {
    package var to: NodeID
    package var payload: Bytes
  }

  /// Read the group's state, then call `readDone(number, …)`.
  package struct Read: Sendable {
    package var number: UInt64
    package var group: GroupID
    package var command: ReadCommand
  }

  /// Read the log, then call `logRead(number, …)`.
  package struct LogRead: Sendable {
    package var number: UInt64
    package var group: GroupID
    package var from: LogIndex
    package var through: LogIndex
    package var maxBytes: Int
  }

  /// Work on snapshots, each answered by a call of the same name on the core.
  package enum Snapshot: Sendable {
    /// Open an image of the group's state: `snapshotOpened(transfer, status)`.
    case open(TransferID, GroupID)
    /// Read a chunk of it: `snapshotChunk(transfer, bytes, next)`.
    case read(TransferID, cursor: Bytes, maxBytes: Int)
    /// Release it. No answer.
    case close(TransferID)
    /// Begin to install: `snapshotStepDone(transfer, …)`.
    case beginInstall(TransferID, GroupID, Generation)
    /// Install a chunk: `snapshotStepDone(transfer, …)`.
    case installChunk(TransferID, GroupID, Generation, Bytes)
    /// Check that it is whole and make it durable: `snapshotInstalled(transfer, status)`.
    case finishInstall(TransferID, GroupID, Generation)
    /// Answer from this generation from now on. No answer.
    case activate(GroupID, Generation)
  }

  package var persists: [Persist] = []
  package var replies: [Reply] = []
  package var replyBytes = ByteWriter()
  package var peerFrames: [PeerFrame] = []
  /// Call `applied` with the results.
  package var applies: [ApplyRequest] = []
  package var reads: [Read] = []
  package var logReads: [LogRead] = []
  package var snapshots: [Snapshot] = []
  /// The log may forget these entries.
  package var compactions: [(group: GroupID, through: LogIndex)] = []
  /// Make the state durable, then call `stateFlushed`.
  package var flushState = false
  /// The cluster id became known: write it to the identity file.
  package var clusterID: UInt64?
  package var events: [NodeEvent] = []
  /// The node must stop: why, and what to do.
  package var fatal: String?

  package init() {}

  package var isEmpty: Bool {
    persists.isEmpty && replies.isEmpty && peerFrames.isEmpty && applies.isEmpty && reads.isEmpty
      && logReads.isEmpty && snapshots.isEmpty && compactions.isEmpty && !flushState
      && clusterID == nil && events.isEmpty && fatal == nil
  }

  package mutating func removeAll() {
    persists.removeAll(keepingCapacity: true)
    replies.removeAll(keepingCapacity: true)
    replyBytes.removeAll()
    peerFrames.removeAll(keepingCapacity: true)
    applies.removeAll(keepingCapacity: true)
    reads.removeAll(keepingCapacity: true)
    logReads.removeAll(keepingCapacity: true)
    snapshots.removeAll(keepingCapacity: true)
    compactions.removeAll(keepingCapacity: true)
    flushState = false
    clusterID = nil
    events.removeAll(keepingCapacity: true)
    fatal = nil
  }
}
