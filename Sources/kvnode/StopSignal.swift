import Glibc

/// Waits for SIGTERM or SIGINT.
struct StopSignal {
  private var set = sigset_t()

  init() {
    unsafe sigemptyset(&set)
    unsafe sigaddset(&set, SIGTERM)
    unsafe sigaddset(&set, SIGINT)
  }

  func block() {
    var set = set
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
  }

  func wait() {
    var set = set
    var signal: Int32 = 0
    while unsafe sigwait(&set, &signal) != 0 {}
  }
}

/// What each signal to stop asks for. The first begins a shutdown; one that comes soon after it
/// says the same once more, since timeout(1) and a terminal signal the process and its group; a
/// later one ends the node at once.
struct StopRequests {
  enum Answer: Hashable { case shutDown, ignore, stopAtOnce }

  private var first: ContinuousClock.Instant?
  private static let repetition = Duration.seconds(1)

  mutating func add(at now: ContinuousClock.Instant) -> Answer {
    guard let first else {
      first = now
      return .shutDown
    }
    return now - first < Self.repetition ? .ignore : .stopAtOnce
  }
}
