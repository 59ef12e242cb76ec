internal import KVBase
internal import KVCommand
internal import KVRaft
internal import KVWire

/// The reads of one group, from the request to the interpreter's read of the state.
///
/// A linearizable read gets a ticket of the core, or under a lease the index at once; when the
/// round of its ticket is confirmed it has an index, and is served when the state has got that far.
/// A session read brings its index. A stale read is served at once, or refused for its age.
struct GroupReads: Sendable {
  private var waiting = WaitingReads()

  var waitForIndex: Bool { waiting.waitsForIndex }
  var waitingForRound: Int { waiting.ticketCount }
  var nextDeadline: Instant { waiting.nextDeadline }

  mutating func request(
    _ command: ReadCommand, _ terms: ReadTerms, caller: Caller, _ own: LocalReplica,
    _ raft: inout RaftCore, applied: LogIndex, now: Instant, _ context: inout ShardContext,
    _ outputs: inout NodeOutputs
  ) {
    var read = PendingRead(
      caller: caller, command: command, served: .readIndex, deadline: terms.deadline)
    switch terms.level {
    case .linearizable, .quorum:
      if terms.level == .linearizable, context.linearizableReads == .lease,
        let index = raft.leaseRead(now: now)
      {
        read.served = .lease
        return serve(read, own, raft, at: index, applied: applied, &context, &outputs)
      }
      #if PlantedFaults
        if raft.plantedFault == .readFromFollower, raft.role != .leader {
          return serve(read, own, raft, at: .zero, applied: applied, &context, &outputs)
        }
      #endif
      guard raft.role == .leader, !context.isShuttingDown || !raft.isTransferring,
        let ticket = raft.requestRead()
      else {
        return outputs.fail(caller, Refusals.notLeader(of: own.group, raft, now: now, context))
      }
      if !waiting.wait(for: ticket, read) { outputs.fail(caller, overloaded(own, context)) }
    case .session:
      read.served = .session
      serve(
        read, own, raft, at: terms.after ?? .zero, applied: applied, &context, &outputs)
    case .stale:
      let age = raft.age(now: now)
      if let limit = terms.maximumAge, age.map({ $0 > limit }) ?? true {
        return outputs.fail(
          caller, Refusals.tooOld(age: age, limit: limit, node: context.node))
      }
      read.served = .stale
      serve(read, own, raft, at: .zero, applied: applied, &context, &outputs)
    case .one, .all: outputs.fail(caller, Refusals.readLevel(terms.level))
    }
  }

  /// What the core says of rounds: reads go on to wait for the state, or fail.
  mutating func advance(
    _ round: RaftOutputs.Read, _ own: LocalReplica, _ raft: borrowing RaftCore,
    applied: LogIndex, now: Instant, _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) {
    switch round {
    case .ready(let through, let index):
      while let read = waiting.popConfirmed(through: through) {
        serve(read, own, raft, at: index, applied: applied, &context, &outputs)
      }
    case .aborted:
      while let read = waiting.popTicketed() {
        outputs.fail(read.caller, Refusals.notLeader(of: own.group, raft, now: now, context))
      }
    }
  }

  /// The state has got further.
  mutating func applied(
    _ own: LocalReplica, _ raft: borrowing RaftCore, through index: LogIndex,
    _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) {
    guard waiting.waitsForIndex else { return }
    for read in waiting.removeServable(applied: index) {
      serve(read, own, raft, at: index, applied: index, &context, &outputs)
    }
  }

  /// Has the interpreter read the state, now or when it has got to `index`.
  private mutating func serve(
    _ read: PendingRead, _ own: LocalReplica, _ raft: borrowing RaftCore, at index: LogIndex,
    applied: LogIndex, _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) {
    guard applied >= index else {
      guard !raft.isRemoved else { return outputs.fail(read.caller, left(own, raft, context)) }
      if !waiting.wait(for: index, read) { outputs.fail(read.caller, overloaded(own, context)) }
      return
    }
    guard !context.reads.isFull else {
      return outputs.fail(read.caller, context.overloaded("the background thread"))
    }
    let receipt = Receipt(
      served: read.served, node: context.node, group: own.group, term: raft.term,
      index: applied, replicas: read.served == .readIndex ? raft.majority : 1)
    let number = context.reads.begin(
      .init(replica: own.handle, caller: read.caller, receipt: receipt))
    outputs.reads.append(
      NodeOutputs.Read(number: number, group: own.group, command: read.command))
  }

  /// The group has removed this replica: it is sent nothing more, so what is not applied here never
  /// will be.
  mutating func leftGroup(
    _ own: LocalReplica, _ raft: borrowing RaftCore, _ context: ShardContext,
    _ outputs: inout NodeOutputs
  ) {
    while let read = waiting.popIndexed() {
      outputs.fail(read.caller, left(own, raft, context))
    }
  }

  private func left(
    _ own: LocalReplica, _ raft: borrowing RaftCore, _ context: ShardContext
  ) -> Failure {
    let leader = raft.leader?.node
    return Refusals.removed(
      own.group, context.node, leader: leader == context.node ? nil : leader)
  }

  private func overloaded(_ own: LocalReplica, _ context: ShardContext) -> Failure {
    context.overloaded("group \(own.group.rawValue)")
  }

  /// Gives up reads whose time is over; nothing was done for any of them.
  mutating func expire(
    _ own: LocalReplica, applied: LogIndex, now: Instant, _ context: ShardContext,
    _ outputs: inout NodeOutputs
  ) {
    guard now >= waiting.nextDeadline else { return }
    let expired = waiting.removeExpired(now: now)
    for read in expired.unconfirmed {
      outputs.fail(read.caller, Refusals.unconfirmed(own.group, context.node))
    }
    for (index, read) in expired.behind {
      outputs.fail(
        read.caller,
        Refusals.notApplied(own.group, applied: applied, required: index, context.node))
    }
  }

  mutating func removeAll() -> [PendingRead] { waiting.removeAll() }
}

extension RaftCore {
  /// How many voters make a majority, for receipts.
  var majority: UInt8 { UInt8(clamping: configuration.voters.count / 2 + 1) }
}
