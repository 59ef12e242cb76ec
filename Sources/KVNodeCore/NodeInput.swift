package import KVBase
package import KVCommand
package import KVState

/// What a node's interpreter tells its core. Both interpreters, the server and the simulator, feed
/// this; what each asks for in return stands in `NodeOutputs`.
package enum NodeInput: Sendable {
  /// Time has passed: at least every `NodeCore.tickInterval`.
  case tick(NodeGauges)
  /// The payload of a REQUEST frame of a client.
  case request(ConnectionID, stream: UInt32, Bytes)
  /// The payload of a PEER frame of another node.
  case peerFrame(NodeID, Bytes)
  /// Answers `NodeOutputs.persists`: everything up to and including this one is durable.
  case persisted(UInt64)
  /// Answers `NodeOutputs.applies`.
  case applied([ApplyResult])
  /// Answers `NodeOutputs.reads`.
  case readDone(UInt64, ReadResult)
  /// Answers `NodeOutputs.logReads`; `nil` where the entries are no longer kept.
  case logRead(UInt64, [LogEntry]?)
  /// Answers `NodeOutputs.snapshots`.
  indirect case snapshot(TransferID, SnapshotStep)
  /// Answers `NodeOutputs.flushState`: the state is durable up to these indexes.
  case stateFlushed([(group: GroupID, index: LogIndex)])
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
  package var clientConnections: Int

  package init(
    logRetainedBytes: Int = 0, logWrittenBytes: UInt64 = 0, stateBytes: Int = 0,
    isUnderPressure: Bool = false, clientConnections: Int = 0
  ) {
    self.logRetainedBytes = logRetainedBytes
    self.logWrittenBytes = logWrittenBytes
    self.stateBytes = stateBytes
    self.isUnderPressure = isUnderPressure
    self.clientConnections = clientConnections
  }
}
