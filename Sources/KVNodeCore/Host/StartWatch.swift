internal import KVBase
internal import KVLink

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
  private var problems = PeerProblems()

  mutating func mayHaveChanged() { isStale = true }

  /// True where `text` has changed. `unreachable`: of the `others`, those without a link.
  mutating func update(
    isAdmitted: Bool, isFormed: Bool, unreachable: [NodeID], others: Int, now: Instant
  ) -> Bool {
    isStale = false
    let new = sentence(
      isAdmitted: isAdmitted, isFormed: isFormed, unreachable: unreachable, others: others)
    guard new != text else { return false }
    text = new
    if logAt == nil { logAt = now + Self.patience }
    return true
  }

  private func sentence(
    isAdmitted: Bool, isFormed: Bool, unreachable: [NodeID], others: Int
  ) -> String {
    let reason: String
    if !isAdmitted {
      reason =
        "this node is new, and waits until it has met enough of the others to take part; not met"
    } else if !isFormed, unreachable.isEmpty {
      reason = "the cluster is being formed"
    } else if !isFormed {
      reason = "waiting for a majority that forms the cluster; not reached"
    } else if unreachable.count * 2 >= others + 1 {
      reason = "waiting for a majority of the nodes; not reached"
    } else {
      return ""
    }
    return unreachable.isEmpty ? reason : "\(reason): \(problems.describe(unreachable))"
  }

  /// A link has ended: what to log of it (`PeerProblems.ended`).
  mutating func ended(
    _ end: LinkEnd, _ node: NodeID, at address: String, because: String?
  ) -> String? {
    problems.ended(end, node, at: address, because: because)
  }

  /// There is a link, or the node has left.
  mutating func clear(_ node: NodeID) { problems.clear(node) }

  mutating func tick(now: Instant, _ outputs: inout NodeOutputs) {
    guard let due = logAt, now >= due else { return }
    logAt = nil
    guard text != logged else { return }
    logged = text
    outputs.events.append(.note(.info, text.isEmpty ? "waiting no longer" : text))
  }
}
