package import KVBase
package import KVCommand
internal import KVRaft
internal import KVWire

/// Reads wait, where they must, first for a confirmed round of the leader and then for the state
/// to catch up with it (Raft dissertation §6.4).
extension NodeCore {
  mutating func read(
    _ command: ReadCommand, in slot: Int, request: Request, caller: Caller, now: Now,
    into outputs: inout NodeOutputs
  ) {
    let level = request.consistency ?? .linearizable
    let patience = request.deadline ?? configuration.raft.electionTimeout * 4
    var read = PendingRead(
      caller: caller, command: command, served: .readIndex, deadline: now.instant + patience)
    switch level {
    case .linearizable, .quorum:
      if level == .linearizable, configuration.linearizableReads == .lease,
        let index = replicas[slot].raft.leaseRead(now: now.instant)
      {
        read.served = .lease
        return readWhenApplied(read, in: slot, index: index, into: &outputs)
      }
      #if PlantedFaults
        if plantedFault == .readFromFollower, !replicas[slot].isLeader {
          return issue(read, in: slot, into: &outputs)
        }
      #endif
      guard replicas[slot].isLeader, !isShuttingDown || !replicas[slot].raft.isTransferring,
        let ticket = replicas[slot].raft.requestRead(now: now.instant)
      else {
        return fail(caller, notLeader(slot, now: now.instant), into: &outputs)
      }
      touch(slot)
      if !replicas[slot].ticketReads.append((ticket, read)) {
        fail(caller, overloaded("group \(replicas[slot].group.rawValue)"), into: &outputs)
      }
    case .session:
      read.served = .session
      readWhenApplied(read, in: slot, index: request.after ?? .zero, into: &outputs)
    case .stale:
      let age = replicas[slot].raft.age(now: now.instant)
      if let limit = request.maximumAge, age.map({ $0 > limit }) ?? true {
        return fail(
          caller,
          Failure(
            .unavailable, .tooOld, notStarted: true,
            "what node \(configuration.node.rawValue) has may be "
              + (age.map { "\($0) old" } ?? "of any age") + ", and \(limit) was the limit: try "
              + "another replica, or a higher --max-age"), into: &outputs)
      }
      read.served = .stale
      issue(read, in: slot, into: &outputs)
    case .one, .all:
      fail(
        caller,
        Failure(
          .invalidArgument, .wrongMode, notStarted: true,
          "a cp keyspace has no reads at level \(level.name): use linearizable, quorum, session or "
            + "stale"), into: &outputs)
    }
  }

  private mutating func readWhenApplied(
    _ read: PendingRead, in slot: Int, index: LogIndex, into outputs: inout NodeOutputs
  ) {
    if replicas[slot].appliedIndex >= index {
      return issue(read, in: slot, into: &outputs)
    }
    guard replicas[slot].applyReads.count < Limits.waitingReads else {
      return fail(
        read.caller, overloaded("group \(replicas[slot].group.rawValue)"), into: &outputs)
    }
    replicas[slot].applyReads.append((index, read))
  }

  private mutating func issue(
    _ read: PendingRead, in slot: Int, into outputs: inout NodeOutputs
  ) {
    guard openReads.count < Limits.openReads else {
      return fail(read.caller, overloaded("the background thread"), into: &outputs)
    }
    nextRead += 1
    let group = replicas[slot].group
    let confirmed =
      read.served == .readIndex
      ? UInt8(clamping: replicas[slot].raft.configuration.voters.count / 2 + 1) : 1
    openReads[nextRead] = OpenRead(
      caller: read.caller,
      receipt: Receipt(
        served: read.served, node: configuration.node, group: group,
        term: replicas[slot].raft.term, index: replicas[slot].appliedIndex, replicas: confirmed))
    outputs.reads.append(
      NodeOutputs.Read(number: nextRead, group: group, command: read.command))
  }

  /// Answers `NodeOutputs.Read`.
  package mutating func readDone(
    _ number: UInt64, _ result: ReadResult, now: Now, into outputs: inout NodeOutputs
  ) {
    guard let open = openReads.removeValue(forKey: number) else { return }
    reply(open.caller, .read(result, open.receipt), into: &outputs)
  }

  /// What the core says of rounds: reads go on to wait for the state, or fail.
  mutating func took(
    _ read: RaftOutputs.Read, in slot: Int, now: Now, into outputs: inout NodeOutputs
  ) {
    switch read {
    case .ready(let through, let index):
      while let first = replicas[slot].ticketReads.first, first.ticket <= through {
        _ = replicas[slot].ticketReads.popFirst()
        readWhenApplied(first.read, in: slot, index: index, into: &outputs)
      }
    case .aborted:
      while let first = replicas[slot].ticketReads.popFirst() {
        fail(first.read.caller, notLeader(slot, now: now.instant), into: &outputs)
      }
    }
  }

  /// The state of a group has moved on.
  mutating func serveAppliedReads(_ slot: Int, into outputs: inout NodeOutputs) {
    guard !replicas[slot].applyReads.isEmpty else { return }
    let applied = replicas[slot].appliedIndex
    let waiting = replicas[slot].applyReads
    replicas[slot].applyReads.removeAll(keepingCapacity: true)
    for (index, read) in waiting {
      if index <= applied {
        issue(read, in: slot, into: &outputs)
      } else {
        replicas[slot].applyReads.append((index, read))
      }
    }
  }

  /// Gives up reads whose time is over; nothing was done.
  mutating func expireReads(_ slot: Int, now: Instant, into outputs: inout NodeOutputs) {
    while let first = replicas[slot].ticketReads.first, first.read.deadline <= now {
      _ = replicas[slot].ticketReads.popFirst()
      fail(
        first.read.caller,
        Failure(
          .deadlineExceeded, .expired, notStarted: true,
          "no majority confirmed in time that node \(configuration.node.rawValue) leads "
            + Self.name(of: replicas[slot].group)), into: &outputs)
    }
    guard replicas[slot].applyReads.contains(where: { $0.read.deadline <= now }) else { return }
    let waiting = replicas[slot].applyReads
    replicas[slot].applyReads.removeAll(keepingCapacity: true)
    for (index, read) in waiting {
      guard read.deadline <= now else {
        replicas[slot].applyReads.append((index, read))
        continue
      }
      fail(
        read.caller,
        Failure(
          .deadlineExceeded, .expired, notStarted: true,
          "node \(configuration.node.rawValue) has applied entry \(replicas[slot].appliedIndex) of "
            + "group \(replicas[slot].group.rawValue), and \(index) was asked for"),
        into: &outputs)
    }
  }
}
