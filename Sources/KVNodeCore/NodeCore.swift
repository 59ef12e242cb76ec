package import KVBase
package import KVCommand
package import KVRaft
package import KVStorage
package import KVWire

/// A whole node as a value: inputs in, outputs out. The server and the simulator run this same
/// code.
///
/// The interpreter gives inputs, each with `now`, and at the end of every turn calls `finishTurn`,
/// carries out the outputs, and empties them. It calls `tick` at least every
/// `NodeCore.tickInterval`.
package struct NodeCore: Sendable {
  /// How often `tick` must be called.
  package static var tickInterval: TimeAmount { .milliseconds(10) }

  package let configuration: NodeConfiguration

  package init(
    configuration: NodeConfiguration, recovery: NodeRecovery, random: SeededRandom, now: Now
  ) {
    self.configuration = configuration
  }

  // MARK: Connections

  /// What this node says first on every connection.
  package var hello: Hello { preconditionFailure() }

  package enum HelloDecision: Sendable {
    case client
    case node(NodeID)
    /// Send this and close.
    case refuse(Goaway)
  }

  /// The first frame on an accepted connection.
  package mutating func receiveHello(
    _ payload: Bytes, now: Now, into outputs: inout NodeOutputs
  ) -> HelloDecision { .client }

  /// The other side's HELLO on a connection that this node opened to `peer`. A reason to close it,
  /// or `nil`: peer frames may be sent on it from now on.
  package mutating func peerConnected(
    _ peer: NodeID, hello: Bytes, now: Now, into outputs: inout NodeOutputs
  ) -> Goaway? { nil }

  /// The other side said GOAWAY on a connection that this node opened.
  package mutating func peerRefused(
    _ peer: NodeID, _ goaway: Goaway, now: Now, into outputs: inout NodeOutputs
  ) {}

  /// A connection that this node opened is gone, or could not be opened. `refused`: nobody listens
  /// there.
  package mutating func peerDisconnected(
    _ peer: NodeID, refused: Bool, now: Now, into outputs: inout NodeOutputs
  ) {}

  /// A client's connection is gone; its requests are not answered any more.
  package mutating func clientDisconnected(_ connection: ConnectionID) {}

  // MARK: Frames

  /// The payload of a PEER frame from a node. An error closes that connection.
  package mutating func receivePeer(
    from peer: NodeID, _ payload: Bytes, now: Now, into outputs: inout NodeOutputs
  ) throws(WireError) {}

  /// The payload of a REQUEST frame. What can't be decoded is answered, and harms nobody else.
  package mutating func receiveRequest(
    _ payload: Bytes, connection: ConnectionID, stream: UInt32, now: Now,
    into outputs: inout NodeOutputs
  ) {}

  // MARK: Time and answers

  package struct Gauges: Sendable {
    package var logRetainedBytes: Int
    /// Bytes written to the log since the node started.
    package var logWrittenBytes: UInt64
    package var stateBytes: Int
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

  package mutating func tick(now: Now, gauges: Gauges, into outputs: inout NodeOutputs) {}

  /// Everything up to and including this persist is durable.
  package mutating func persisted(_ number: UInt64, now: Now, into outputs: inout NodeOutputs) {}

  package mutating func applied(
    _ results: [ApplyResult], now: Now, into outputs: inout NodeOutputs
  ) {}

  /// Answers `NodeOutputs.Read`, with the index that was applied when it was read.
  package mutating func readDone(
    _ number: UInt64, _ result: ReadResult, now: Now, into outputs: inout NodeOutputs
  ) {}

  /// Answers `NodeOutputs.LogRead`; `nil` where the entries are no longer kept.
  package mutating func logRead(
    _ number: UInt64, _ entries: [LogEntry]?, now: Now, into outputs: inout NodeOutputs
  ) {}

  package mutating func snapshotOpened(
    _ transfer: TransferID, _ status: GroupStatus, now: Now, into outputs: inout NodeOutputs
  ) {}

  package mutating func snapshotChunk(
    _ transfer: TransferID, _ bytes: Bytes, next: Bytes?, now: Now,
    into outputs: inout NodeOutputs
  ) {}

  /// A step of an installation is done; `nil`, or why the chunk was refused.
  package mutating func snapshotStepDone(
    _ transfer: TransferID, problem: String?, now: Now, into outputs: inout NodeOutputs
  ) {}

  /// The installation is whole and durable, or `nil`: it was not whole.
  package mutating func snapshotInstalled(
    _ transfer: TransferID, _ status: GroupStatus?, now: Now, into outputs: inout NodeOutputs
  ) {}

  /// The state is durable up to these indexes.
  package mutating func stateFlushed(
    _ applied: [(group: GroupID, index: LogIndex)], now: Now, into outputs: inout NodeOutputs
  ) {}

  /// Refuse new work, hand over leaderships, finish what runs.
  package mutating func beginShutdown(now: Now, into outputs: inout NodeOutputs) {}

  /// After `beginShutdown`: nothing is left to do.
  package var isDrained: Bool { false }

  /// Ends a turn: what the groups gathered becomes one persist and one frame for each peer.
  package mutating func finishTurn(now: Now, into outputs: inout NodeOutputs) {}
}
