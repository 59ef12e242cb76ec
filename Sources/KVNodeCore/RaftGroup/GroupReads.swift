internal import KVBase
internal import KVCommand
internal import KVRaft
internal import KVWire

/// The reads of one group, from the request to the interpreter's read of the state.
///
/// A linearizable read gets a ticket of the core, or under a lease the index at once; when the
/// round of its ticket is confirmed it has an index, and is served when the state has got that far.
/// A session read brings its index. Where that lies beyond a leader's log it gets a ticket first:
/// once a round confirms that no other leader was elected before it came, its index is that of no
/// entry that anybody was told of, and it is refused. A stale read is served at once, or refused
/// for its age.
///
/// Every read counts in the node's budget from here on until it is answered: here, where it fails,
/// and in the shard, when the interpreter has read.
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
    let bytes = ReadBudget.cost(of: command)
    guard context.readBudget.take(bytes, for: caller.connection) else {
      return outputs.fail(caller, context.overloaded("the queue of reads"))
    }
    var read = PendingRead(
      caller: caller, command: command, served: .readIndex, deadline: terms.deadline,
      bytes: bytes)
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
      waitForRound(read, own, &raft, now: now, &context, &outputs)
    case .session:
      read.served = .session
      #if PlantedFaults
        if raft.plantedFault == .sessionReadTooEarly {
          return serve(read, own, raft, at: .zero, applied: applied, &context, &outputs)
        }
      #endif
      read.required = terms.after ?? .zero
      if raft.role == .leader, read.required > raft.lastIndex {
        waitForRound(read, own, &raft, now: now, &context, &outputs)
      } else {
        serve(read, own, raft, at: read.required, applied: applied, &context, &outputs)
      }
    case .stale:
      let age = raft.age(now: now)
      if let limit = terms.maximumAge, age.map({ $0 > limit }) ?? true {
        let failure = Refusals.tooOld(age: age, limit: limit, node: context.node)
        return fail(read, failure, &context, &outputs)
      }
      read.served = .stale
      serve(read, own, raft, at: .zero, applied: applied, &context, &outputs)
    case .one, .all: fail(read, Refusals.readLevel(terms.level), &context, &outputs)
    }
  }

  private mutating func waitForRound(
    _ read: PendingRead, _ own: LocalReplica, _ raft: inout RaftCore, now: Instant,
    _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) {
    guard raft.role == .leader, !context.isShuttingDown || !raft.isTransferring,
      let ticket = raft.requestRead()
    else {
      let failure = Refusals.notLeader(of: own.group, raft, now: now, context)
      return fail(read, failure, &context, &outputs)
    }
    if !waiting.wait(for: ticket, read, now: now) {
      fail(read, overloaded(own, context), &context, &outputs)
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
        guard read.required <= raft.lastIndex else {
          let failure = Refusals.beyondLog(
            own.group, last: raft.lastIndex, required: read.required, context.node)
          fail(read, failure, &context, &outputs)
          continue
        }
        let required = max(index, read.required)
        serve(read, own, raft, at: required, applied: applied, &context, &outputs)
      }
    case .aborted:
      while let read = waiting.popTicketed() {
        let failure = Refusals.notLeader(of: own.group, raft, now: now, context)
        fail(read, failure, &context, &outputs)
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
      if raft.isRemoved {
        return fail(read, left(own, raft, context), &context, &outputs)
      }
      if !waiting.wait(for: index, read) {
        fail(read, overloaded(own, context), &context, &outputs)
      }
      return
    }
    guard !context.reads.isFull else {
      return fail(read, context.overloaded("the threads that read"), &context, &outputs)
    }
    let receipt = Receipt(
      served: read.served, node: context.node, group: own.group, term: raft.term,
      index: applied, replicas: read.served == .readIndex ? raft.majority : 1)
    let number = context.reads.begin(
      .init(replica: own.handle, caller: read.caller, receipt: receipt, bytes: read.bytes))
    outputs.reads.append(
      NodeOutputs.Read(number: number, group: own.group, command: read.command))
  }

  private func fail(
    _ read: PendingRead, _ failure: Failure, _ context: inout ShardContext,
    _ outputs: inout NodeOutputs
  ) {
    context.readBudget.giveBack(read.bytes, of: read.caller.connection)
    outputs.fail(read.caller, failure)
  }

  /// The group has removed this replica: it is sent nothing more, so what is not applied here never
  /// will be.
  mutating func leftGroup(
    _ own: LocalReplica, _ raft: borrowing RaftCore, _ context: inout ShardContext,
    _ outputs: inout NodeOutputs
  ) {
    while let read = waiting.popIndexed() {
      fail(read, left(own, raft, context), &context, &outputs)
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
  mutating func tick(
    _ own: LocalReplica, applied: LogIndex, now: Instant, _ context: inout ShardContext,
    _ outputs: inout NodeOutputs
  ) {
    guard now >= waiting.nextDeadline else { return }
    waiting.detach(now: now)
    let expired = waiting.removeExpired(now: now)
    for read in expired.unconfirmed {
      fail(read, Refusals.unconfirmed(own.group, context.node), &context, &outputs)
    }
    for (index, read) in expired.behind {
      let failure = Refusals.notApplied(
        own.group, applied: applied, required: index, context.node)
      fail(read, failure, &context, &outputs)
    }
  }

  /// A connection is gone, and with it whoever waits.
  mutating func remove(of connection: ConnectionID, _ context: inout ShardContext) {
    for read in waiting.removeAll(of: connection) {
      context.readBudget.giveBack(read.bytes, of: connection)
    }
  }

  /// The replica leaves the node.
  mutating func close(
    _ failure: Failure, _ context: inout ShardContext, _ outputs: inout NodeOutputs
  ) {
    for read in waiting.removeAll() { fail(read, failure, &context, &outputs) }
  }
}

extension RaftCore {
  /// How many voters make a majority, for receipts.
  var majority: UInt8 { UInt8(clamping: configuration.voters.count / 2 + 1) }
}
