import KVBase
import KVNodeCore

/// Faults that wait for a node to begin to lead: from then on, or from its first commit on, the
/// others don't hear it for a while.
struct LeaderMuting {
  private struct Fault {
    /// In the plan.
    var number: Int
    var longestMilliseconds: UInt64
    var didBite = false
  }

  private var random: SeededRandom
  /// At work, by rising number.
  private var faults: [Fault] = []
  /// By node: how often it is muted at present.
  private var muted: [Int]
  /// Nodes that have just begun to lead a group, and are muted at their first commit in it.
  private var watched: [(node: Int, group: GroupID)] = []

  init(nodes: Int, random: SeededRandom) {
    self.random = random
    muted = Array(repeating: 0, count: nodes)
  }

  mutating func begin(_ number: Int, longestMilliseconds: UInt64) {
    let at = faults.firstIndex { $0.number > number } ?? faults.count
    faults.insert(Fault(number: number, longestMilliseconds: longestMilliseconds), at: at)
  }

  /// Whether the fault has had an effect.
  mutating func end(_ number: Int) -> Bool {
    guard let at = faults.firstIndex(where: { $0.number == number }) else { return false }
    return faults.remove(at: at).didBite
  }

  /// A node's process has ended.
  mutating func forget(_ node: Int) { watched.removeAll { $0.node == node } }

  /// For how long the node is to be muted; `nil`: not now.
  mutating func nodeLeads(_ node: Int, _ group: GroupID) -> UInt64? {
    guard !faults.isEmpty else { return nil }
    if random.chance(1, in: 2) { return length() }
    watched.append((node, group))
    return nil
  }

  /// The same for a commit.
  mutating func nodeCommits(_ node: Int, _ group: GroupID) -> UInt64? {
    guard let at = watched.firstIndex(where: { $0.node == node && $0.group == group }) else {
      return nil
    }
    watched.remove(at: at)
    return length()
  }

  private mutating func length() -> UInt64? {
    guard !faults.isEmpty else { return nil }
    faults[0].didBite = true
    return (1 + random.below(faults[0].longestMilliseconds)) * 1_000_000
  }

  mutating func mute(_ node: Int) { muted[node] += 1 }

  /// Whether it was muted.
  mutating func unmute(_ node: Int) -> Bool {
    guard muted[node] > 0 else { return false }
    muted[node] -= 1
    return true
  }
}

extension World {
  /// A node has announced something.
  mutating func announced(_ event: NodeEvent, by node: Int) {
    record(9, UInt64(node), 0, "n\(node + 1): \(event)")
    switch event {
    case .role(let group, .leader, _, _):
      if let length = muting.nodeLeads(node, group) { mute(node, for: length) }
    case .committed(let group, _):
      if let length = muting.nodeCommits(node, group) { mute(node, for: length) }
    default: break
    }
  }

  private mutating func mute(_ node: Int, for length: UInt64) {
    guard time < loadEnds else { return }
    record(22, UInt64(node), length, "n\(node + 1) is not heard any more")
    muting.mute(node)
    for other in 0..<options.profile.nodes where other != node {
      transports.network.block(from: node, to: other)
    }
    schedule(.unmute(node: node), at: time + length)
  }

  /// Whether there was something to end.
  @discardableResult
  mutating func unmute(_ node: Int) -> Bool {
    guard muting.unmute(node) else { return false }
    record(23, UInt64(node), 0, "n\(node + 1) is heard again")
    for other in 0..<options.profile.nodes where other != node {
      transports.network.unblock(from: node, to: other, time: time)
    }
    drainNetwork()
    return true
  }
}
