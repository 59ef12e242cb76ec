/// When a direction of a connection is to be looked at again.
struct Alarm {
  var time: UInt64
  var connection: ConnectionID
  var isForward: Bool
}

/// Alarms, the earliest first: a binary heap.
struct AlarmQueue {
  private var heap: [Alarm] = []
  /// What the timer is set to.
  private var armed = UInt64.max

  mutating func insert(_ alarm: Alarm) {
    heap.append(alarm)
    var at = heap.count - 1
    while at > 0, heap[at].time < heap[(at - 1) / 2].time {
      heap.swapAt(at, (at - 1) / 2)
      at = (at - 1) / 2
    }
  }

  mutating func popFirst(dueAt now: UInt64) -> Alarm? {
    guard let first = heap.first, first.time <= now else { return nil }
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    var at = 0
    while true {
      var least = at
      for child in [2 * at + 1, 2 * at + 2] where child < heap.count {
        if heap[child].time < heap[least].time { least = child }
      }
      if least == at { break }
      heap.swapAt(at, least)
      at = least
    }
    // The timer has rung for it, or soon will for nothing.
    armed = .max
    return first
  }

  /// The earliest time, where the timer is not yet set to it.
  mutating func newFirst() -> UInt64? {
    guard let first = heap.first, first.time != armed else { return nil }
    armed = first.time
    return first.time
  }
}
