internal import KVBase

/// The calls in progress, in reused slots: when each is next due, and which go on now.
///
/// A call is either *ready*, in a queue that is emptied before the input ends, or waits for
/// something with a time at which that wait, or the call, is over.
struct CallTable: Sendable {
  private var slots: [Call] = []
  private var free: [Int32] = []
  private var deadlines = DeadlineHeap()
  private var ready: [CallRef] = []
  private var nextReady = 0
  private(set) var count = 0

  subscript(slot: Int32) -> Call {
    _read { yield slots[Int(slot)] }
    _modify { yield &slots[Int(slot)] }
  }

  var capacity: Int32 { Int32(slots.count) }

  func ref(_ slot: Int32) -> CallRef {
    CallRef(slot: slot, generation: slots[Int(slot)].generation)
  }

  func isLive(_ ref: CallRef) -> Bool {
    slots[Int(ref.slot)].generation == ref.generation && slots[Int(ref.slot)].state != .free
  }

  // MARK: Begin and end

  /// Takes in a call, which is ready.
  mutating func insert(_ call: Call) -> CallRef {
    count += 1
    let slot: Int32
    if let reused = free.popLast() {
      slot = reused
      let generation = slots[Int(slot)].generation
      slots[Int(slot)] = call
      slots[Int(slot)].generation = generation
    } else {
      slots.append(call)
      slot = Int32(slots.count - 1)
    }
    makeReady(slot)
    return ref(slot)
  }

  mutating func remove(_ slot: Int32) {
    deadlines.remove(slot)
    let generation = slots[Int(slot)].generation
    slots[Int(slot)] = Call()
    slots[Int(slot)].generation = generation &+ 1
    free.append(slot)
    count -= 1
  }

  // MARK: States

  /// What the call waited for is there, or will not come: it goes on.
  mutating func makeReady(_ slot: Int32) {
    slots[Int(slot)].state = .ready
    ready.append(ref(slot))
  }

  /// The next call that is ready; `nil` where there is none left.
  mutating func popReady() -> Int32? {
    while nextReady < ready.count {
      let ref = ready[nextReady]
      nextReady += 1
      if isLive(ref), slots[Int(ref.slot)].state == .ready { return ref.slot }
    }
    ready.removeAll(keepingCapacity: true)
    nextReady = 0
    return nil
  }

  /// The call waits, at most until its own deadline.
  mutating func wait(_ slot: Int32, _ state: CallState, until: Instant = .distantFuture) {
    slots[Int(slot)].state = state
    deadlines.set(slot, due: min(until, slots[Int(slot)].deadline))
  }

  /// The call waits for its parts, which have the same deadline and say more of what went wrong.
  mutating func waitForParts(_ slot: Int32) {
    slots[Int(slot)].state = .waitingForParts
    deadlines.remove(slot)
  }

  // MARK: Time

  var nextDeadline: Instant? { deadlines.first }

  /// A call whose wait is over at `now`.
  mutating func popDue(_ now: Instant) -> Int32? { deadlines.popDue(now) }
}
