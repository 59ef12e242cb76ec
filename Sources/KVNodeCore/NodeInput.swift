package import KVBase
package import KVCommand
package import KVState
package import KVWire

/// What a node's interpreter tells its core. Both interpreters, the server and the simulator, feed
/// this; what each asks for in return stands in `NodeOutputs`.
package enum NodeInput: Sendable {
  /// Time has passed: at least every `NodeCore.tickInterval`.
  case tick(NodeGauges)
  /// Somebody has opened a transport to this node, from this address.
  case accepted(ConnectionID, from: String)
  /// A transport that was asked for is open.
  case opened(ConnectionID)
  /// A frame has come. Its payload must stay as it is.
  case frame(ConnectionID, Frame)
  /// What has come is no frame.
  case unreadable(ConnectionID, WireError)
  /// A transport has ended, or could not be opened. `isRefused`: nobody listens there.
  case closed(ConnectionID, isRefused: Bool)
  /// Answers `NodeOutputs.persists`: everything up to and including this one is durable.
  case persisted(UInt64)
  /// Answers `NodeOutputs.applies`.
  case applied([ApplyResult])
  /// Answers `NodeOutputs.reads`; `nil` where there is no state of the group any more.
  case readDone(UInt64, ReadResult?)
  /// Answers `NodeOutputs.logReads`; `nil` where the entries are no longer kept.
  case logRead(UInt64, [LogEntry]?)
  /// Answers `NodeOutputs.snapshots`.
  indirect case snapshot(TransferID, SnapshotStep)
  /// Answers `NodeOutputs.flushState`: see `NodeConfiguration.flushed`.
  case stateFlushed([FlushedGroup])
  /// Refuse new work, hand over leaderships, finish what runs: until `NodeCore.isDrained`.
  case shutdown
}

/// A step of a snapshot's transfer that the interpreter has carried out.
package enum SnapshotStep: Sendable {
  /// The image is open; what it holds.
  case opened(GroupStatus)
  /// A chunk of it, and where the next one begins; `nil`: it was the last.
  case chunk(Bytes, next: Bytes?)
  /// A step of an installation is done; `nil`, or why the chunk was refused.
  case stepDone(problem: String?)
  /// The installation is whole and durable; `nil`: it was not whole.
  case installed(GroupStatus?)
}

/// What the interpreter measures and tells with every tick.
package struct NodeGauges: Sendable {
  package var logRetainedBytes: Int
  /// Bytes written to the log since the node started.
  package var logWrittenBytes: UInt64
  package var stateBytes: Int
  /// The state store is about to slow its writers down.
  package var isUnderPressure: Bool

  package init(
    logRetainedBytes: Int = 0, logWrittenBytes: UInt64 = 0, stateBytes: Int = 0,
    isUnderPressure: Bool = false
  ) {
    self.logRetainedBytes = logRetainedBytes
    self.logWrittenBytes = logWrittenBytes
    self.stateBytes = stateBytes
    self.isUnderPressure = isUnderPressure
  }
}
