import KVBase
import KVCommand
import KVNodeCore
import KVState
import KVWire

/// What the scheduler holds. `life` tells apart the lives of a node: what was meant for an earlier
/// one is dropped.
enum SimulationEvent: Sendable {
  case network(SimulatedNetwork.Event)
  case turn(node: Int, life: UInt32)
  case tick(node: Int, life: UInt32)
  case syncDone(node: Int, life: UInt32)
  case flushDone(node: Int, life: UInt32)
  case answer(node: Int, life: UInt32, NodeInput)
  case reconnect(node: Int, life: UInt32, peer: Int)
  case start(node: Int)
  case powerLoss(node: Int, life: UInt32)
  case drainCheck(node: Int, life: UInt32, giveUpAt: UInt64)
  case clientWake(client: Int)
  case clientThink(client: Int, lane: Int)
  case faultBegins(Int)
  case faultEnds(Int)
  case unmute(node: Int)
  case flap(fault: Int, isBlocked: Bool)
}

/// What a node's loop turn is given. What is large and rare stands apart, so that the rest is cheap
/// to move.
enum NodeInput: Sendable {
  case tick
  case hello(connection: Int, Bytes)
  case peerFrame(connection: Int, Bytes)
  case request(connection: Int, stream: UInt32, Bytes)
  case clientLost(connection: Int)
  case peerHello(peer: Int, connection: Int, Bytes)
  case peerGoaway(peer: Int, connection: Int, Bytes)
  case peerLost(peer: Int, connection: Int, refused: Bool)
  case persisted(UInt64)
  indirect case read(NodeOutputs.Read)
  case logRead(UInt64, [LogEntry]?)
  indirect case snapshotOpened(TransferID, GroupStatus)
  indirect case snapshotChunk(TransferID, Bytes, next: Bytes?)
  indirect case snapshotStepDone(TransferID, problem: String?)
  indirect case snapshotInstalled(TransferID, GroupStatus?)
  case stateFlushed([(group: GroupID, index: LogIndex)])
  case shutdown
}
