internal import JepsenHistory

/// What state each node was in when, from samples.
struct Timeline: Sendable {
  private var current: [NodeState?]
  private var closed: [NodeState] = []

  init(nodes: Int) { current = Array(repeating: nil, count: nodes) }

  mutating func note(_ node: Int, _ condition: NodeState.Condition, at now: UInt64) {
    if var state = current[node - 1] {
      state.endNanoseconds = max(state.endNanoseconds, now)
      guard state.condition != condition else {
        current[node - 1] = state
        return
      }
      closed.append(state)
    }
    current[node - 1] = NodeState(
      node: node, condition: condition, startNanoseconds: now, endNanoseconds: now)
  }

  /// By node, then by time.
  var states: [NodeState] {
    (closed + current.compactMap(\.self)).sorted {
      ($0.node, $0.startNanoseconds) < ($1.node, $1.startNanoseconds)
    }
  }
}
