import KVNodeCore
import KVState

/// What the scheduler holds. What was meant for an earlier life of a node is dropped.
enum SimulationEvent: Sendable {
  case network(SimulatedNetwork.Event)
  case turn(SimulatedNode.Life)
  case tick(SimulatedNode.Life)
  case syncDone(SimulatedNode.Life)
  case flushDone(SimulatedNode.Life)
  case answer(SimulatedNode.Life, LoopInput)
  case start(node: Int)
  case powerLoss(SimulatedNode.Life)
  case drainCheck(SimulatedNode.Life, giveUpAt: UInt64)
  case clientWake(client: Int)
  case clientThink(client: Int, lane: Int)
  case faultBegins(Int)
  case faultEnds(Int)
  case unmute(node: Int)
  case formationDue
  case flap(fault: Int, isBlocked: Bool)
}

/// What a node's loop turn is given.
enum LoopInput: Sendable {
  case core(NodeInput)
  /// What a tick tells is measured when it is given.
  case tick
  /// The read thread has come to this read.
  indirect case read(NodeOutputs.Read)
  /// What entries wait for that could not be applied has been read.
  indirect case lookedUp(ApplyRequest)
}
