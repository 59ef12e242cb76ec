package import KVBase
internal import KVCommand
internal import KVPlacement
internal import KVRaft
internal import KVWire

/// The way of a client's request through the node.
extension NodeCore {
  /// The payload of a REQUEST frame. What can't be decoded is answered, and harms nobody else.
  package mutating func receiveRequest(
    _ payload: Bytes, connection: ConnectionID, stream: UInt32, now: Now,
    into outputs: inout NodeOutputs
  ) {
    let caller = Caller(connection: connection, stream: stream)
    let request: Request
    do {
      request = try Request(decoding: payload)
    } catch {
      fail(
        caller,
        Failure(
          .invalidArgument, .malformed, notStarted: true, "the request can't be decoded: \(error)"),
        into: &outputs)
      return
    }
    switch request.body {
    case .map: reply(caller, .map(clusterView), into: &outputs)
    case .status: reply(caller, .status(report(now: now.instant)), into: &outputs)
    case .health: reply(caller, .health(health), into: &outputs)
    case .read(let command): route(command, request, caller, now: now, into: &outputs)
    case .mutate(let command, let encoded):
      route(command, encoded, request, caller, now: now, into: &outputs)
    }
  }

  func reply(_ caller: Caller, _ reply: Reply, into outputs: inout NodeOutputs) {
    let start = outputs.replyBytes.count
    reply.encode(into: &outputs.replyBytes)
    outputs.replies.append(
      NodeOutputs.Reply(
        connection: caller.connection, stream: caller.stream, start: start,
        end: outputs.replyBytes.count))
  }

  func fail(_ caller: Caller, _ failure: Failure, into outputs: inout NodeOutputs) {
    reply(caller, .failed(failure), into: &outputs)
  }

  // MARK: Mutations

  private mutating func route(
    _ command: Command, _ encoded: Bytes, _ request: Request, _ caller: Caller, now: Now,
    into outputs: inout NodeOutputs
  ) {
    let level = request.consistency ?? .linearizable
    guard level == .linearizable || level == .quorum else {
      return fail(
        caller,
        Failure(
          .invalidArgument, .wrongMode, notStarted: true,
          "a cp keyspace has no writes at level \(level.name): use linearizable or quorum"),
        into: &outputs)
    }
    let group: GroupID
    switch command.body {
    case .mutate(let keyspace, let key, _):
      if let failure = problem(withKeyspace: keyspace, epoch: request.epoch) {
        return fail(caller, failure, into: &outputs)
      }
      group = groupOf(key)
    case .meta(.createKeyspace(let name, let mode)):
      if let failure = Self.problem(withCreating: name, mode: mode) {
        return fail(caller, failure, into: &outputs)
      }
      group = .meta
    case .meta(.dropKeyspace): group = .meta
    case .dropKeyspaceRecords, .expireSessions, .meta:
      return fail(
        caller,
        Failure(
          .permissionDenied, .malformed, notStarted: true,
          "only a node itself proposes a command of this kind"), into: &outputs)
    }
    propose(encoded, to: group, request: request, caller: caller, now: now, into: &outputs)
  }

  func groupOf(_ key: Bytes) -> GroupID {
    GroupID(partition: Ring.partition(of: key, partitions: configuration.partitions))
  }

  private static func problem(withCreating name: String, mode: KeyspaceMode) -> Failure? {
    if let problem = KeyspaceDescriptor.problem(withName: name) {
      return Failure(.invalidArgument, .malformed, notStarted: true, problem)
    }
    guard mode == .cp else {
      return Failure(
        .unimplemented, .wrongMode, notStarted: true,
        "ap keyspaces are not there yet: create '\(name)' with mode cp")
    }
    return nil
  }

  /// Checks against the map come before the command is proposed, since maps reach replicas at
  /// different times.
  private func problem(withKeyspace id: KeyspaceID, epoch: Epoch?) -> Failure? {
    guard let keyspace = meta.keyspace(id) else {
      if meta.dropped.contains(id) {
        return Failure(
          .notFound, .unknownKeyspace, notStarted: true, "keyspace \(id.rawValue) was dropped")
      }
      if let epoch, epoch > meta.epoch {
        return Failure(
          .unavailable, .mapBehind, notStarted: true,
          "node \(configuration.node.rawValue) has not seen map \(epoch) yet: retry",
          retryAfter: .milliseconds(20))
      }
      return Failure(
        .notFound, .unknownKeyspace, notStarted: true,
        "there is no keyspace with id \(id.rawValue): fetch the map again")
    }
    guard keyspace.mode == .cp else {
      return Failure(
        .unimplemented, .wrongMode, notStarted: true,
        "keyspace '\(keyspace.name)' is ap, and ap is not there yet")
    }
    return nil
  }

  private mutating func propose(
    _ encoded: Bytes, to group: GroupID, request: Request, caller: Caller, now: Now,
    into outputs: inout NodeOutputs
  ) {
    if let failure = refusal(of: group, request, now: now) {
      return fail(caller, failure, into: &outputs)
    }
    guard let slot = slot(of: group) else {
      return fail(caller, notReplica(of: group), into: &outputs)
    }
    guard replicas[slot].isLeader else {
      return fail(caller, notLeader(slot, now: now.instant), into: &outputs)
    }
    guard !gauges.isUnderPressure, !replicas[slot].proposals.isFull else {
      return fail(caller, overloaded("the state store"), into: &outputs)
    }
    do {
      let index = try replicas[slot].propose(encoded, now: now)
      touch(slot)
      #if PlantedFaults
        if acknowledgesEarly(encoded, caller, index: index, slot: slot, into: &outputs) { return }
      #endif
      replicas[slot].proposals.append(PendingProposal(index: index, caller: caller))
    } catch {
      touch(slot)
      switch error {
      case .notLeader, .transferring:
        fail(caller, notLeader(slot, now: now.instant), into: &outputs)
      case .tooMuchUncommitted:
        fail(caller, overloaded("group \(group.rawValue)"), into: &outputs)
      }
    }
  }

  // MARK: Reads

  private mutating func route(
    _ command: ReadCommand, _ request: Request, _ caller: Caller, now: Now,
    into outputs: inout NodeOutputs
  ) {
    if let failure = problem(withKeyspace: command.keyspace, epoch: request.epoch) {
      return fail(caller, failure, into: &outputs)
    }
    let group: GroupID
    switch command {
    case .get(_, let key): group = groupOf(key)
    case .multiGet(_, let keys):
      guard let first = keys.first else {
        return fail(
          caller, Failure(.invalidArgument, .malformed, notStarted: true, "no keys were given"),
          into: &outputs)
      }
      group = groupOf(first)
      guard keys.allSatisfy({ groupOf($0) == group }) else {
        return fail(
          caller,
          Failure(
            .invalidArgument, .malformed, notStarted: true,
            "the keys of one request must be of one partition"), into: &outputs)
      }
    case .scan:
      guard let asked = request.group, asked != .meta else {
        return fail(
          caller,
          Failure(.invalidArgument, .malformed, notStarted: true, "a scan must name its group"),
          into: &outputs)
      }
      group = asked
    }
    if let failure = refusal(of: group, request, now: now) {
      return fail(caller, failure, into: &outputs)
    }
    guard let slot = slot(of: group) else {
      return fail(caller, notReplica(of: group), into: &outputs)
    }
    read(command, in: slot, request: request, caller: caller, now: now, into: &outputs)
  }

  // MARK: Refusals

  /// What stands against any work, on whatever group.
  private func refusal(of group: GroupID, _ request: Request, now: Now) -> Failure? {
    if request.deadline == .zero {
      return Failure(
        .deadlineExceeded, .expired, notStarted: true, "the time was over before it was begun")
    }
    if isShuttingDown, request.consistency != .stale {
      return Failure(
        .unavailable, .shuttingDown, notStarted: true,
        "node \(configuration.node.rawValue) is shutting down",
        leader: slot(of: group).flatMap { replicas[$0].raft.leader?.node }
          .flatMap { $0 == configuration.node ? nil : $0 }, retryAfter: .milliseconds(5))
    }
    if admission != .admitted {
      return Failure(
        .unavailable, .starting, notStarted: true,
        "node \(configuration.node.rawValue) is new and has not met enough of the others yet to "
          + "know that it may begin (\(missingPeers)): start them",
        retryAfter: .milliseconds(100))
    }
    return nil
  }

  private var missingPeers: String {
    let missing = peers.filter { $0.node != configuration.node && !$0.isConnected }
    return "not met: " + missing.map { "n\($0.node.rawValue)" }.joined(separator: ", ")
  }

  private func notReplica(of group: GroupID) -> Failure {
    let isKnown = Int(group.rawValue) < slotOfGroup.count
    return Failure(
      isKnown ? .unavailable : .invalidArgument, .notReplica, notStarted: true,
      isKnown
        ? "node \(configuration.node.rawValue) holds no replica of group \(group.rawValue)"
        : "there is no group \(group.rawValue)", leader: plan.nodesIfKnown(of: group).first)
  }

  func overloaded(_ what: String) -> Failure {
    Failure(
      .resourceExhausted, .overloaded, notStarted: true,
      "\(what) of node \(configuration.node.rawValue) has too much to do: retry later",
      retryAfter: .milliseconds(50))
  }

  /// What to say where this replica does not lead: who does, or why nobody does.
  func notLeader(_ slot: Int, now: Instant) -> Failure {
    let replica = replicas[slot]
    let name = Self.name(of: replica.group)
    if let leader = replica.raft.leader, leader.node != configuration.node {
      return Failure(
        .unavailable, .notLeader, notStarted: true,
        "node \(leader.node.rawValue) leads \(name)", leader: leader.node)
    }
    if isShuttingDown {
      return Failure(
        .unavailable, .shuttingDown, notStarted: true,
        "node \(configuration.node.rawValue) is shutting down", retryAfter: .milliseconds(5))
    }
    let without = replica.raft.timeWithoutQuorum(now: now)
    guard without >= configuration.raft.electionTimeout * 2 else {
      return Failure(
        .unavailable, .noLeader, notStarted: true, "\(name) is electing a leader: retry",
        retryAfter: .milliseconds(20))
    }
    return Failure(
      .unavailable, .noQuorum, notStarted: true,
      "no quorum for \(name) (\(quorumState(of: replica, now: now))): retry, or read with "
        + "--consistency stale", retryAfter: .milliseconds(200))
  }

  static func name(of group: GroupID) -> String {
    group.partition.map { "partition \($0.rawValue)" } ?? "the meta group"
  }

  /// Such as `1 of 3 replicas reachable; n2 down for 12 s`.
  private func quorumState(of replica: Replica, now: Instant) -> String {
    var reachable = 0
    var rest = ""
    let voters = replica.raft.configuration.voters
    for voter in voters {
      if voter.node == configuration.node {
        reachable += 1
        continue
      }
      guard let peer = peers.first(where: { $0.node == voter.node }) else { continue }
      if peer.isConnected {
        reachable += 1
      } else {
        rest +=
          "; n\(peer.node.rawValue) \(peer.isRefused ? "down" : "unreachable") for "
          + "\(now - peer.since)"
      }
    }
    return "\(reachable) of \(voters.count) replicas reachable\(rest)"
  }
}

extension NodePlan {
  func nodesIfKnown(of group: GroupID) -> [NodeID] {
    Int(group.rawValue) <= placement.replicas.count ? nodes(of: group) : []
  }
}
