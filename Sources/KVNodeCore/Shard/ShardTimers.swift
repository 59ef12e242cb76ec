internal import KVBase

/// When the engine in each slot is next to be given the time. A timer that fires too early costs
/// little, so it is moved forward only.
struct ShardTimers: Sendable {
  private var due = DeadlineHeap()
  /// By slot: when its timer fires.
  private var armed: [Instant] = []

  mutating func add(_ slot: Int) {
    while armed.count <= slot { armed.append(.distantFuture) }
  }

  mutating func rearm(_ slot: Int, _ time: Instant) {
    guard time < armed[slot] else { return }
    armed[slot] = time
    due.set(Int32(slot), due: time)
  }

  mutating func remove(_ slot: Int) {
    due.remove(Int32(slot))
    armed[slot] = .distantFuture
  }

  /// The next slot whose time has come; `nil`: none has.
  mutating func popDue(_ now: Instant) -> Int? {
    guard let slot = due.popDue(now) else { return nil }
    armed[Int(slot)] = .distantFuture
    return Int(slot)
  }
}
