internal import JepsenHistory
internal import KVBase

/// Looks at every node again and again: what state it is in, who leads, whether it ended by itself.
final class Watch: Sendable {
  private struct State {
    var timeline: Timeline
    var leader: Int?
    var lookedNanoseconds: UInt64 = 0
    var isOver = false
  }

  /// A leader that nobody confirmed for so long is not known.
  private static let memoryNanoseconds: UInt64 = 1_500_000_000

  private let nodes: [StageNode]
  private let clock: RunClock
  private let state: Locked<State>
  private let tasks = Locked<[Task<Void, Never>]>([])

  init(nodes: [StageNode], system: any SystemUnderTest, clock: RunClock, hotKey: String) {
    self.nodes = nodes
    self.clock = clock
    state = Locked(State(timeline: Timeline(nodes: nodes.count)))
    let sampling = Task.detached { [self] in
      while !isOver {
        sample()
        try? await Task.sleep(for: .milliseconds(50))
      }
    }
    let asking = Task.detached { [self] in
      while !isOver {
        if let leader = await system.leader(of: hotKey) { learn(leader) }
        try? await Task.sleep(for: .milliseconds(100))
      }
    }
    tasks.withLock { $0 = [sampling, asking] }
  }

  private var isOver: Bool { state.withLock { $0.isOver } }

  private func learn(_ leader: Int) {
    let now = clock.now
    state.withLock { state in
      state.leader = leader
      state.lookedNanoseconds = now
    }
  }

  private func sample() {
    for node in nodes { node.notice() }
    let leader = leader
    let now = clock.now
    state.withLock { state in
      guard !state.isOver else { return }
      for node in nodes {
        state.timeline.note(node.number, node.condition(leader: leader), at: now)
      }
    }
  }

  /// `nil` where nobody has said so of late.
  var leader: Int? {
    let now = clock.now
    return state.withLock { state in
      now - min(now, state.lookedNanoseconds) < Self.memoryNanoseconds ? state.leader : nil
    }
  }

  var states: [NodeState] { state.withLock { $0.timeline.states } }

  func stop() async {
    sample()
    state.withLock { $0.isOver = true }
    let tasks = tasks.withLock { $0 }
    for task in tasks { await task.value }
  }
}
