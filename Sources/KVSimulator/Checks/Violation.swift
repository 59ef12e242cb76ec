package import JepsenHistory

/// A promise that was checked from outside the cores.
package enum Check: String, Sendable, CaseIterable {
  /// One leader per group and term (Raft paper §5.2).
  case electionSafety = "election safety"
  /// A replica gives one vote a term, and its term never goes back.
  case oneVote = "one vote a term"
  /// A leader never overwrites or deletes entries of its log (§5.3).
  case leaderAppendOnly = "leader append-only"
  /// The same index and term mean the same entry and the same entries before it (§5.3).
  case logMatching = "log matching"
  /// A leader holds every entry committed in earlier terms (§5.4).
  case leaderCompleteness = "leader completeness"
  /// The same index has the same entry and the same effect everywhere (§5.4.3).
  case stateMachineSafety = "state-machine safety"
  /// What is committed is durable on a majority.
  case durableMajority = "durable majority"
  /// What was durable is there after a crash.
  case durability = "durability"
  /// A group's configuration at an index is what the committed log makes it, wherever it is said:
  /// by a reset, and by what a node finds when it starts.
  case configuration = "configuration"
  /// Entries are applied in order, once, and not before they are durable on the node.
  case applyOrder = "apply order"
  /// What a message promises is durable on its sender's disk when it leaves.
  case sentBeforeDurable = "sent before durable"
  /// Replicas that have applied the same entries hold the same records, sessions, configuration and
  /// dropped keyspaces, byte by byte, and what the log makes of each record.
  case equalState = "equal state"
  /// A client's mutation takes effect at most once.
  case exactlyOnce = "exactly once"
  /// A command is never answered with what another one did that came under the same number.
  case commandIdentity = "command identity"
  /// No command is committed whose client was created later than log time and its bound.
  case creationTime = "creation time"
  /// A linearizable answer is not older than what was acknowledged before it was asked for.
  case realTime = "real-time order"
  /// What a read answers is what the log says at the index that it names.
  case readContent = "read content"
  /// A session never sees its reads go back.
  case sessionOrder = "session order"
  /// A read with a maximum age lacks nothing that was acknowledged longer ago.
  case staleness = "staleness"
  /// The history of each key has an order that explains it.
  case linearizability = "linearizability"
  /// With all faults healed the cluster serves again.
  case liveness = "liveness"
  /// With all faults healed the replicas become equal.
  case convergence = "convergence"
  /// With all faults healed every node has a connection to every other.
  case connection = "connection"
  /// A link that fails waits before it is dialed again.
  case backoff = "back-off"
  /// A link is in a state that it can be in, and waits for nothing longer than its settings say.
  case linkInvariant = "link invariant"
  /// A node stops only where its disk gives it a reason.
  case nodeStopped = "node stopped"
  /// A node that has lost its disk takes no part.
  case admission = "admission"
  /// Nodes understand what nodes say.
  case peerProtocol = "peer protocol"
}

/// A promise that was broken: when, and how.
package struct Violation: Sendable, Hashable {
  package var timeNanoseconds: UInt64
  package var check: Check
  package var what: String
  /// Operations that show it by themselves, where the check has such.
  package var witness: Witness?

  package init(timeNanoseconds: UInt64, check: Check, what: String, witness: Witness? = nil) {
    self.timeNanoseconds = timeNanoseconds
    self.check = check
    self.what = what
    self.witness = witness
  }
}
