import KVBase
import KVLink

/// What must be true after the load, when all faults are healed: the cluster serves, its nodes are
/// connected, and its replicas become equal.
struct Recovery {
  /// After the end of the faults until all of it is true.
  static let limit: UInt64 = 8_000_000_000
  /// After the end of the faults until every node has a connection to every other: silence is
  /// noticed, a refused attempt backs off, one that is lost gives up; and a node that dies in its
  /// first write after the end of the faults starts again.
  static let reconnectionLimit =
    LinkSettings.toNode.silenceLimit.nanoseconds + LinkSettings.toNode.longestBackoff.nanoseconds
    + LinkSettings.toNode.connectTimeout.nanoseconds + 1_000_000_000

  private let nodes: [SimulatedNode]

  init(_ nodes: [SimulatedNode]) { self.nodes = nodes }

  func isComplete(_ clients: ClientRunner, _ world: World) -> Bool {
    guard clients.unreadKeys == 0, clients.openOperations == 0,
      nodes.allSatisfy({ $0.isRunning }), missingConnections(world).isEmpty
    else { return false }
    return divergedGroups(world).isEmpty
  }

  func checkConnections(_ world: inout World) {
    for (from, to) in missingConnections(world) {
      world.violate(
        .connection,
        "\(nodes[from].id) has no connection to \(nodes[to].id) "
          + "\(Self.reconnectionLimit / 1_000_000) ms after all faults were healed")
    }
  }

  /// Says what is not true at the limit.
  func reportMissing(_ clients: ClientRunner, _ world: inout World) {
    for node in nodes where !node.isRunning {
      world.violate(.liveness, "\(node.id) does not run after all faults were healed")
    }
    if clients.openOperations > 0 || clients.unreadKeys > 0 {
      world.violate(
        .liveness,
        "\(clients.openOperations) reads are not answered and \(clients.unreadKeys) not begun, "
          + "\(Self.limit / 1_000_000_000) s after all faults were healed")
    }
    for (group, applied) in divergedGroups(world) {
      world.violate(.convergence, "the replicas of g\(group) have applied \(applied)")
    }
  }

  private func missingConnections(_ world: World) -> [(from: Int, to: Int)] {
    nodes.indices.flatMap { from in
      nodes.indices.filter {
        $0 != from && !world.transports.network.isConnected(from: from, to: $0)
      }.map { (from, $0) }
    }
  }

  /// Groups whose replicas have applied different entries, with the last of each.
  private func divergedGroups(_ world: World) -> [(group: Int, applied: [UInt64])] {
    let raft = world.observer.raft
    return raft.groups.indices.compactMap { group in
      let indexes = raft.appliedIndexes(of: group)
      let applied = raft.groups[group].voters.map { indexes[$0] }
      return Set(applied).count > 1 ? (group, applied) : nil
    }
  }
}
