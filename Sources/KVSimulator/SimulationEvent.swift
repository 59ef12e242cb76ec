import KVNodeCore

/// What the scheduler holds. `life` tells apart the lives of a node: what was meant for an earlier
/// one is dropped.
enum SimulationEvent: Sendable {
  case network(SimulatedNetwork.Event)
  case turn(node: Int, life: UInt32)
  case tick(node: Int, life: UInt32)
  case syncDone(node: Int, life: UInt32)
  case flushDone(node: Int, life: UInt32)
  case answer(node: Int, life: UInt32, LoopInput)
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

/// What a node's loop turn is given.
enum LoopInput: Sendable {
  case core(NodeInput)
  /// What a tick tells is measured when it is given.
  case tick
  /// The read thread has come to this read.
  indirect case read(NodeOutputs.Read)
}
