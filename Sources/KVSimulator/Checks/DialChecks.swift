import KVBase
import KVLink

/// Counts how often an endpoint dials another: a link that fails again and again backs off.
struct DialChecks: Sendable {
  static let window: UInt64 = 1_000_000_000

  /// More dials of one endpoint to another within `window` are no back-off.
  ///
  /// A link whose every attempt fails at once, with every jitter at its shortest and a clock that
  /// runs half as fast again as it should, dials `failing` times. While it does so the other side
  /// may show itself, which begins the back-off anew; twice that number leaves room for it.
  static let limit = 2 * failing

  private static var failing: Int {
    let settings = LinkSettings.toNode
    // The first one, and the one that follows the loss of a stable connection at once.
    var dials = 2
    var length = settings.shortestBackoff
    var passed = TimeAmount.zero
    while true {
      passed = passed + TimeAmount(nanoseconds: length.nanoseconds / 2)
      guard passed.nanoseconds < window + window / 2 else { return dials }
      dials += 1
      length = min(length * 2, settings.longestBackoff)
    }
  }

  private let endpoints: Int
  /// By opener and acceptor: the times of the last dials, at most `limit`, and where the next goes.
  private var dials: [(times: [UInt64], next: Int)]

  init(endpoints: Int) {
    self.endpoints = endpoints
    dials = Array(repeating: ([], 0), count: endpoints * endpoints)
  }

  /// What is wrong with this dial; `nil` where nothing is.
  mutating func dialed(from opener: Int, to acceptor: Int, time: UInt64) -> String? {
    let at = opener * endpoints + acceptor
    guard dials[at].times.count == Self.limit else {
      dials[at].times.append(time)
      return nil
    }
    let next = dials[at].next
    let earliest = dials[at].times[next]
    dials[at].times[next] = time
    dials[at].next = (next + 1) % Self.limit
    guard time - earliest < Self.window else { return nil }
    return "\(Self.limit + 1) times within \((time - earliest) / 1_000_000) ms"
  }

  /// A new process knows nothing of what the last one tried.
  mutating func restarted(_ endpoint: Int) {
    for acceptor in 0..<endpoints { dials[endpoint * endpoints + acceptor] = ([], 0) }
  }
}
