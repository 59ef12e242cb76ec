import KVBase
import KVNodeCore

/// The process of a node: what it has in memory ends with it.
struct SimulatedProcess {
  /// `nil` while it does not run.
  private(set) var core: NodeCore?
  /// Whether there is a core: asked for with every event.
  private(set) var isRunning = false
  /// Goes up with every start.
  private(set) var life: UInt32 = 0
  private(set) var isPaused = false
  /// Faults that keep it down; it starts when the last one ends.
  private var holds = 0
  var turns = TurnQueue()
  private var turnCount: UInt64 = 0

  var isHeldDown: Bool { holds > 0 }

  mutating func holdDown() { holds += 1 }
  mutating func release() { holds -= 1 }

  mutating func beginLife() { life += 1 }

  mutating func run(_ core: NodeCore) {
    self.core = core
    isRunning = true
  }

  mutating func end() {
    core = nil
    isRunning = false
    isPaused = false
    turns.removeAll()
  }

  mutating func pause() { isPaused = true }
  mutating func resume() { isPaused = false }

  // MARK: The core

  mutating func step(_ input: NodeInput, now: Now, _ outputs: inout NodeOutputs) {
    core?.step(input, now: now, into: &outputs)
  }

  /// False where there is nothing to carry out.
  mutating func finishTurn(now: Now, _ outputs: inout NodeOutputs) -> Bool {
    core?.finishTurn(now: now, into: &outputs)
    return !outputs.isEmpty
  }

  mutating func checkInvariants() { core?.checkInvariants() }
  mutating func brokenLinkInvariant(now: Instant, isAfterTick: Bool = false) -> String? {
    core?.brokenLinkInvariant(now: now, isAfterTick: isAfterTick)
  }

  /// Counts a turn: how many there were.
  mutating func countTurn() -> UInt64 {
    turnCount &+= 1
    return turnCount
  }

  #if PlantedFaults
    mutating func plant(_ fault: PlantedFault) { core?.plant(fault) }
  #endif
}
