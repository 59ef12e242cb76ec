/// What waits for a node's loop: inputs gather until a turn takes all of them.
struct TurnQueue {
  private var waiting: [LoopInput] = []
  /// Of the turn that runs; kept for its storage.
  private var running: [LoopInput] = []
  private(set) var isScheduled = false

  var isEmpty: Bool { waiting.isEmpty }

  mutating func append(_ input: consuming LoopInput) { waiting.append(input) }

  mutating func scheduled() { isScheduled = true }
  /// The turn that was scheduled is due.
  mutating func due() { isScheduled = false }

  /// The inputs of a turn; given back when it has ended.
  mutating func begin() -> [LoopInput] {
    var inputs: [LoopInput] = []
    swap(&inputs, &running)
    swap(&inputs, &waiting)
    return inputs
  }

  mutating func end(_ inputs: consuming [LoopInput]) {
    inputs.removeAll(keepingCapacity: true)
    running = inputs
  }

  mutating func removeAll() { self = TurnQueue() }
}
