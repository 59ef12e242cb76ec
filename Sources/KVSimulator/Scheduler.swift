/// Simulated time, and what is due when: the only clock of a run.
struct Scheduler {
  private(set) var time: UInt64 = 0
  private var queue = EventQueue<SimulationEvent>()

  mutating func schedule(_ event: SimulationEvent, at time: UInt64) {
    queue.schedule(event, at: time)
  }

  /// The next event that is due by `end`, at whose time it is now; `nil` where none is.
  mutating func next(until end: UInt64) -> SimulationEvent? {
    guard let next = queue.nextTime, next <= end, let (due, event) = queue.popFirst() else {
      return nil
    }
    time = due
    return event
  }

  /// Nothing more is due before `end`.
  mutating func advance(to end: UInt64) { time = max(time, end) }
}
