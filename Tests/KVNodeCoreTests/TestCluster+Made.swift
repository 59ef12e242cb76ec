import KVBase
import KVCommand
import KVLog
import KVRaft
import KVState
import Testing

@testable import KVNodeCore

/// Nodes of a cluster whose forming was cut off.
extension TestCluster {
  /// The log of a node that has made its replica of the meta group, and perhaps voted.
  func madeLog(_ at: Int, vote: ReplicaID? = nil) throws -> MemoryLog {
    let log = try Self.makeLog(node: UInt32(at + 1))
    let set = try #require(Bootstrap.replicaSets(nodes[at].configuration).first)
    try log.append([
      .reset(
        .meta, generation: Generation(1), index: .zero, term: .zero,
        configuration: GroupConfiguration(voters: set.voters, learners: set.learners))
    ])
    if let vote { try log.append([.hardState(.meta, HardState(term: Term(1), vote: vote))]) }
    try log.sync()
    return try log.restart()
  }

  func start(_ at: Int, with log: MemoryLog, state: MemoryState = MemoryState()) throws {
    try setUp(at, TestNode(nodes[at].configuration, log: log, state: state, now: now))
  }
}
