/// All that is known of a run when it has been judged; what a report is made from. Times are
/// nanoseconds since the load began, as in the history.
package struct RunRecord: Sendable {
  /// The system's name and version: `kvnode 0.2.0`, `etcd 3.5.1`.
  package var system: String
  package var workload: String
  package var nemeses: [String]
  package var seed: UInt64
  package var seconds: Double
  /// Operations a second asked for; 0: as many as the clients get through.
  package var rate: Int
  package var clients: Int
  package var nodes: Int
  /// The whole command that does the same again.
  package var command: String
  /// Further settings worth knowing, by name: `linearizable-reads: lease`.
  package var settings: [(name: String, value: String)]
  /// When the load began, as text: `2026-01-31 12:00:00 UTC`.
  package var startedAt: String
  package var loadEndNanoseconds: UInt64
  /// Everything that clients did, by start.
  package var history: [HistoryOperation]
  package var faults: [FaultRecord]
  package var nodeStates: [NodeState]
  /// In the order in which they should be read.
  package var verdicts: [Verdict]

  package init(
    system: String, workload: String, nemeses: [String], seed: UInt64, seconds: Double, rate: Int,
    clients: Int, nodes: Int, command: String, startedAt: String
  ) {
    self.system = system
    self.workload = workload
    self.nemeses = nemeses
    self.seed = seed
    self.seconds = seconds
    self.rate = rate
    self.clients = clients
    self.nodes = nodes
    self.command = command
    self.startedAt = startedAt
    settings = []
    loadEndNanoseconds = 0
    history = []
    faults = []
    nodeStates = []
    verdicts = []
  }

  /// The worst of the verdicts: violated, invalid, unknown, passed.
  package var status: Verdict.Status {
    let all = verdicts.map(\.status)
    for status in [Verdict.Status.violated, .invalid, .unknown] where all.contains(status) {
      return status
    }
    return all.isEmpty ? .invalid : .passed
  }
}

/// A fault that was injected, and what shows that it was.
package struct FaultRecord: Hashable, Sendable {
  /// As on the command line: `isolate-leader`.
  package var nemesis: String
  /// What was done, to whom: `n2 cut off from n1, n3`.
  package var what: String
  /// The nodes that it was done to.
  package var nodes: [Int]
  /// Why it was done to these.
  package var reason: String
  package var startNanoseconds: UInt64
  package var endNanoseconds: UInt64
  /// What was measured: `12,345 bytes blocked on n1→n2`, `clock read back: +5.0 s`.
  package var proof: String
  /// Whether that shows that the fault had an effect.
  package var didBite: Bool

  package init(
    nemesis: String, what: String, nodes: [Int], reason: String = "", startNanoseconds: UInt64,
    endNanoseconds: UInt64, proof: String, didBite: Bool
  ) {
    self.nemesis = nemesis
    self.what = what
    self.nodes = nodes
    self.reason = reason
    self.startNanoseconds = startNanoseconds
    self.endNanoseconds = endNanoseconds
    self.proof = proof
    self.didBite = didBite
  }
}

/// A stretch of time that a node was in a state.
package struct NodeState: Hashable, Sendable {
  package enum Condition: String, Hashable, Sendable {
    /// Runs, and leads the group that is watched (or most of the groups).
    case leader
    case follower
    /// Runs, and its role is not known.
    case running
    case paused
    case down
  }

  package var node: Int
  package var condition: Condition
  package var startNanoseconds: UInt64
  package var endNanoseconds: UInt64

  package init(
    node: Int, condition: Condition, startNanoseconds: UInt64, endNanoseconds: UInt64
  ) {
    self.node = node
    self.condition = condition
    self.startNanoseconds = startNanoseconds
    self.endNanoseconds = endNanoseconds
  }
}
