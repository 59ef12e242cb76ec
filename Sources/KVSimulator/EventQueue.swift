/// What is due when: a binary heap ordered by (time, order of scheduling), so that the order of
/// events depends on nothing but the seed.
package struct EventQueue<Event> {
  private struct Node {
    var time: UInt64
    var sequence: UInt64
    var slot: Int
  }

  private var heap: [Node] = []
  /// Payloads stay where they are while their places in the heap move.
  private var slots: [Event?] = []
  private var freeSlots: [Int] = []
  private var nextSequence: UInt64 = 0

  package init() {}

  package var isEmpty: Bool { heap.isEmpty }
  package var count: Int { heap.count }
  /// Nanoseconds of the first event.
  package var nextTime: UInt64? { heap.first?.time }

  /// Schedules `event` for `time`, after what is scheduled for that time already.
  package mutating func schedule(_ event: Event, at time: UInt64) {
    let slot: Int
    if let free = freeSlots.popLast() {
      slot = free
      slots[free] = event
    } else {
      slot = slots.count
      slots.append(event)
    }
    heap.append(Node(time: time, sequence: nextSequence, slot: slot))
    nextSequence += 1
    siftUp(heap.count - 1)
  }

  /// Takes the first event.
  package mutating func popFirst() -> (time: UInt64, event: Event)? {
    guard let first = heap.first, let last = heap.popLast() else { return nil }
    if !heap.isEmpty {
      heap[0] = last
      siftDown(0)
    }
    guard let event = slots[first.slot].take() else {
      preconditionFailure("slot \(first.slot) of \(slots.count) is empty")
    }
    freeSlots.append(first.slot)
    return (first.time, event)
  }

  private static func isBefore(_ a: Node, _ b: Node) -> Bool {
    a.time != b.time ? a.time < b.time : a.sequence < b.sequence
  }

  private mutating func siftUp(_ start: Int) {
    var at = start
    let moving = heap[at]
    while at > 0 {
      let parent = (at - 1) / 2
      guard Self.isBefore(moving, heap[parent]) else { break }
      heap[at] = heap[parent]
      at = parent
    }
    heap[at] = moving
  }

  private mutating func siftDown(_ start: Int) {
    var at = start
    let moving = heap[at]
    while true {
      var child = 2 * at + 1
      guard child < heap.count else { break }
      if child + 1 < heap.count && Self.isBefore(heap[child + 1], heap[child]) { child += 1 }
      guard Self.isBefore(heap[child], moving) else { break }
      heap[at] = heap[child]
      at = child
    }
    heap[at] = moving
  }
}
