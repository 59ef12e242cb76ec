internal import KVBase

/// What a node that can't serve waits for, when it starts and later: a sentence for its log, for
/// `status` and `health`, and for the clients that it turns away. It is logged once it has stood
/// for a while, and again only when it has changed.
struct StartWatch: Sendable {
  /// Nodes that are started together meet within this: nothing of that is worth a line.
  private static let patience = TimeAmount.seconds(1)

  /// Empty: for nothing.
  private(set) var text = ""
  /// What it says may no longer be true: `update` is due.
  private(set) var isStale = true
  private var logged = ""
  private var logAt: Instant?

  mutating func mayHaveChanged() { isStale = true }

  /// True where it has changed.
  mutating func update(_ new: String, now: Instant) -> Bool {
    isStale = false
    guard new != text else { return false }
    text = new
    if logAt == nil { logAt = now + Self.patience }
    return true
  }

  mutating func tick(now: Instant, _ outputs: inout NodeOutputs) {
    guard let due = logAt, now >= due else { return }
    logAt = nil
    guard text != logged else { return }
    logged = text
    outputs.events.append(.note(.info, text.isEmpty ? "waiting no longer" : text))
  }
}
