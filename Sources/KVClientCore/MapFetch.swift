internal import KVBase

/// The core's own fetch of the cluster map, and the calls that wait for it. At most one fetch runs,
/// and not more often than every `interval`.
struct MapFetch: Sendable {
  private let interval: TimeAmount
  private(set) var running: CallRef?
  private var earliestNext: Instant = .zero
  private var waiting: [CallRef] = []

  init(interval: TimeAmount) { self.interval = interval }

  func isRunning(_ calls: CallTable) -> Bool { running.map { calls.isLive($0) } ?? false }

  func isFetch(_ call: CallRef) -> Bool { running == call }

  /// A fetch begins; it is to wait until the result.
  mutating func begin(_ call: CallRef) -> Instant {
    running = call
    return earliestNext
  }

  /// A map has come.
  mutating func arrived(by call: CallRef, _ now: Instant) {
    guard running == call else { return }
    earliestNext = now + interval
    running = nil
  }

  /// The fetch is given up. Returns it, where there was one.
  mutating func abandon() -> CallRef? {
    defer { running = nil }
    return running
  }

  /// The call goes on when a map has come.
  mutating func wait(_ call: CallRef) { waiting.append(call) }

  /// Takes out those that wait.
  mutating func releaseWaiting() -> [CallRef] {
    defer { waiting = [] }
    return waiting
  }
}
