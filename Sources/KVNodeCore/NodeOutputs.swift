package import KVBase
package import KVCommand
package import KVLog
package import KVState
package import KVWire

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

/// What a `NodeCore` asks its interpreter for, answered by `NodeInput`s. Carried out in this order:
/// persists; frames of links, frames of peers, and replies (never reordered on one connection),
/// then connections; removals, creations and snapshots (a group that is removed and added again in
/// one turn begins empty, and a generation must be there before what belongs to it is applied or
/// read), applies, reads, then all else in any order.
package struct NodeOutputs: Sendable {
  /// Append these records to the log as one batch, sync it, then tell `persisted(number)`. Several
  /// may be gathered under one sync; numbers rise by one.
  package struct Persist: Sendable {
    package var number: UInt64
    package var records: [LogRecord]
    /// Encoded size of the records: at most `Limits.logWriteBytes`, or a single record.
    package var bytes: Int

    package init(number: UInt64, records: [LogRecord], bytes: Int) {
      self.number = number
      self.records = records
      self.bytes = bytes
    }
  }

  /// The payload of a RESPONSE frame on `stream` is `replyBytes[start..<end]`.
  package struct Reply: Sendable {
    package var connection: ConnectionID
    package var stream: UInt32
    package var start: Int
    package var end: Int
  }

  /// A frame of the links themselves: HELLO, PING, PONG, GOAWAY.
  package struct LinkFrame: Sendable {
    package var connection: ConnectionID
    package var type: FrameType
    package var stream: UInt32
    package var payload: Bytes
  }

  /// What is to be done with a transport. Of one that was closed nothing more is told to the core.
  package enum ConnectionOrder: Sendable {
    /// Open one to `host:port`: `opened`, or `closed` where it fails.
    case open(ConnectionID, address: String)
    /// Close it, or give up opening it.
    case close(ConnectionID)
    /// Close it when everything sent on it has left, or soon after.
    case closeWhenSent(ConnectionID)
  }

  /// Make the state of a new replica: empty, of this generation and configuration. No answer.
  package struct Creation: Sendable {
    package var group: GroupID
    package var generation: Generation
    package var configuration: GroupConfiguration
    /// What the state of the meta group begins with; `nil` for all other groups.
    package var map: ClusterMap?
  }

  /// Read the group's state, then tell `readDone(number, …)`.
  package struct Read: Sendable {
    package var number: UInt64
    package var group: GroupID
    package var command: ReadCommand
  }

  /// Read the log, then tell `logRead(number, …)`.
  package struct LogRead: Sendable {
    package var number: UInt64
    package var group: GroupID
    package var from: LogIndex
    package var through: LogIndex
    package var maxBytes: Int
  }

  /// Work on snapshots, each answered by a step of the transfer (`SnapshotStep`).
  package enum Snapshot: Sendable {
    /// Open an image of the group's state: `opened`.
    case open(TransferID, GroupID)
    /// Read a chunk of it: `chunk`.
    case read(TransferID, cursor: Bytes, maxBytes: Int)
    /// Release it. No answer.
    case close(TransferID)
    /// Begin to install: `stepDone`.
    case beginInstall(TransferID, GroupID, Generation)
    /// Install a chunk: `stepDone`.
    case installChunk(TransferID, GroupID, Generation, Bytes)
    /// Check that it is whole and make it durable: `installed`.
    case finishInstall(TransferID, GroupID, Generation)
    /// Answer from this generation from now on. No answer.
    case activate(GroupID, Generation)
  }

  package var persists: [Persist] = []
  package var replies: [Reply] = []
  package var replyBytes = ByteWriter()
  package var frames: [LinkFrame] = []
  package var connections: [ConnectionOrder] = []
  /// The payloads of PEER frames.
  package var peerFrames = PeerFrames()
  package var creations: [Creation] = []
  /// Delete the state of these groups: their replicas have left the node. No answer.
  package var removals: [GroupID] = []
  /// Apply these, then tell `applied`.
  package var applies: [ApplyRequest] = []
  package var reads: [Read] = []
  package var logReads: [LogRead] = []
  package var snapshots: [Snapshot] = []
  /// The log may forget these entries.
  package var compactions: [(group: GroupID, through: LogIndex)] = []
  /// Close the log with a cover, unless more was written meanwhile. No answer.
  package var coversLog = false
  /// Make the state durable, then tell `stateFlushed`.
  package var flushState = false
  /// The cluster id became known: write it to the identity file.
  package var clusterID: UInt64?
  package var events: [NodeEvent] = []
  /// The node must stop: why, and what to do.
  package var fatal: String?

  package init() {}

  package var isEmpty: Bool {
    persists.isEmpty && replies.isEmpty && frames.isEmpty && connections.isEmpty
      && peerFrames.isEmpty && creations.isEmpty && removals.isEmpty
      && applies.isEmpty && reads.isEmpty
      && logReads.isEmpty && snapshots.isEmpty && compactions.isEmpty && !coversLog && !flushState
      && clusterID == nil && events.isEmpty && fatal == nil
  }

  package mutating func removeAll() {
    persists.empty()
    replies.empty()
    replyBytes.removeAll()
    frames.empty()
    connections.empty()
    peerFrames.removeAll()
    creations.empty()
    removals.empty()
    applies.empty()
    reads.empty()
    logReads.empty()
    snapshots.empty()
    compactions.empty()
    coversLog = false
    flushState = false
    clusterID = nil
    events.empty()
    fatal = nil
  }
}
