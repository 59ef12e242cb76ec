internal import KVBase
internal import KVCommand
internal import KVWire

/// What an answer means for the call that it belongs to.
extension ClientCore {
  /// The payload of a RESPONSE frame. Late ones, and ones that nobody asked for, change nothing. An
  /// answer that can't be read closes its connection.
  mutating func response(
    _ stream: UInt32, _ payload: Bytes, by peer: Int, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    guard let call = peers.closeStream(peer, stream, now.instant) else { return }
    let reply: Reply
    do {
      reply = try Reply(decoding: payload)
    } catch {
      attemptLost(call, stream, peer, now, &outputs)
      peers.violatedProtocol(
        peer, error, "its answer can't be read: \(error)", now.instant, &outputs)
      return
    }
    if calls.isLive(call) {
      let slot = call.slot
      let isCurrent = calls[slot].state == .sent(peer: peer, stream: stream)
      if case .failed(let failure) = reply {
        let isDefinite = failure.notStarted || !calls[slot].work.isMutation
        calls[slot].attempts.end(isCertain: isDefinite)
        refused(slot, failure, by: peer, isCurrent: isCurrent, isDefinite, now, &outputs)
      } else {
        calls[slot].attempts.end(isCertain: true)
        answered(slot, reply, by: peer, isCurrent: isCurrent, now, &outputs)
      }
    }
    peers.answerHandled(peer, now.instant, &outputs)
  }

  // MARK: Answers

  private mutating func answered(
    _ slot: Int32, _ reply: Reply, by peer: Int, isCurrent: Bool, _ now: Now,
    _ outputs: inout ClientOutputs
  ) {
    switch (calls[slot].work, reply) {
    case (.mutate, .applied(let result, let receipt)), (.meta, .applied(let result, let receipt)):
      learn(slot, from: receipt, peer)
      applied(slot, result, receipt, isCurrent: isCurrent, now, &outputs)
    case (.endSession, .applied(.done, let receipt)):
      learn(slot, from: receipt, peer)
      finish(slot, .applied(.done, receipt), now, &outputs)
    case (.get, .read(.record(let record), let receipt)):
      learn(slot, from: receipt, peer)
      finish(slot, .record(record, receipt), now, &outputs)
    case (.gets(let keys, _), .read(.records(let records), let receipt))
    where keys.count == records.count:
      learn(slot, from: receipt, peer)
      finish(slot, .records(records, [receipt]), now, &outputs)
    case (.page(_, let partition), .read(.page(let records, let more), let receipt)):
      learn(slot, from: receipt, peer)
      pageArrived(slot, partition, records, more: more, by: peer, now, &outputs)
    case (.get, .read(.keyspaceDropped, _)), (.gets, .read(.keyspaceDropped, _)),
      (.page, .read(.keyspaceDropped, _)), (.get, .applied(.keyspaceDropped, _)),
      (.gets, .applied(.keyspaceDropped, _)), (.page, .applied(.keyspaceDropped, _)):
      keyspaceDropped(slot, now, &outputs)
    case (.map, .map(let view)):
      if let problem = mapArrived(slot, view, now, &outputs) {
        protocolViolation(slot, problem, by: peer, now, &outputs)
      }
    case (.status, .status(let report)), (.statusAt, .status(let report)):
      finish(slot, .status(report), now, &outputs)
    case (.health, .health(let report)):
      finish(slot, .health(report), now, &outputs)
    default:
      protocolViolation(slot, "its answer does not fit the request", by: peer, now, &outputs)
    }
  }

  /// A reply that breaks the protocol: nothing on this connection can be believed.
  private mutating func protocolViolation(
    _ slot: Int32, _ what: String, by peer: Int, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    calls[slot].attempts.doubtAnswer()
    markBlocked(slot, peer)
    if case .sent = calls[slot].state { calls.makeReady(slot) }
    peers.violatedProtocol(peer, .invalid("answer"), what, now.instant, &outputs)
  }

  private mutating func learn(_ slot: Int32, from receipt: Receipt, _ peer: Int) {
    switch receipt.served {
    case .commit, .readIndex, .lease: routes.confirmLeader(peer, of: calls[slot].route)
    case .session, .stale: break
    }
  }

  private mutating func applied(
    _ slot: Int32, _ result: CommandResult, _ receipt: Receipt, isCurrent: Bool, _ now: Now,
    _ outputs: inout ClientOutputs
  ) {
    switch result {
    case .sessionExpired(let time):
      let failure = Failure(
        .aborted, .none, notStarted: true, "the group has forgotten this client's session",
        renewAt: time)
      sessionRefused(slot, failure, isCurrent: isCurrent, now, &outputs)
    case .createdAhead(let time):
      let failure = Failure(
        .aborted, .none, notStarted: true,
        "the group has as many sessions of the future as it keeps", renewAt: time)
      sessionRefused(slot, failure, isCurrent: isCurrent, now, &outputs)
    case .sequenceTooLow:
      let failure = Failure(
        .aborted, .none, notStarted: true, "the group had answered this before")
      sessionRefused(slot, failure, isCurrent: isCurrent, now, &outputs)
    case .sequenceReused:
      // The group holds another command's result under this number: no attempt of this one can
      // have had an effect, or will.
      let failure = Failure(
        .invalidArgument, .none, notStarted: true,
        "another command was sent under this one's client id and number before: nothing was done;"
          + " make a client of its own for each process")
      finish(slot, .rejected(failure), now, &outputs)
    case .tooManyUnacknowledged:
      guard isCurrent else { return }
      calls[slot].lastFailure = Failure(
        .resourceExhausted, .overloaded, notStarted: true,
        "the group keeps too many results for this client")
      backOff(slot, atLeast: settings.shortestBackoff, now)
    case .keyspaceDropped:
      keyspaceDropped(slot, now, &outputs)
    case .keyspace(let descriptor):
      // A drop answers what is now gone.
      if case .meta(.dropKeyspace) = calls[slot].work {
        routes.forget(descriptor.name)
      } else {
        routes.define(descriptor.name, descriptor.id)
      }
      fetchMap(now)
      finish(slot, .applied(result, receipt), now, &outputs)
    case .keyspaceExists(let descriptor):
      routes.define(descriptor.name, descriptor.id)
      finish(slot, .applied(result, receipt), now, &outputs)
    case .done, .noSuchKeyspace:
      if case .meta(.dropKeyspace(let name)) = calls[slot].work {
        routes.forget(name)
        fetchMap(now)
      }
      finish(slot, .applied(result, receipt), now, &outputs)
    // What a mutation of a key answers, and the refusals of the meta group.
    default:
      finish(slot, .applied(result, receipt), now, &outputs)
    }
  }

  /// The group does not admit this client. This attempt did nothing; of an earlier one nobody can
  /// tell any more. Where there is none the call goes on under another id, if the group says which
  /// creation time it admits.
  private mutating func sessionRefused(
    _ slot: Int32, _ failure: Failure, isCurrent: Bool, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    calls[slot].lastFailure = failure
    guard isCurrent || calls[slot].attempts.uncertain > 0 else { return }
    guard calls[slot].attempts.uncertain == 0, failure.renewAt > 0,
      calls[slot].renewals < Limits.sessionRenewals, let ticket = calls[slot].ticket
    else {
      finishUndone(slot, failure, now, &outputs)
      return
    }
    calls[slot].ticket = sessions.renewed(ticket, createdAt: failure.renewAt)
    calls[slot].renewals += 1
    calls[slot].round.begin()
    // Once is what a correct client needs; more, where many clients come at one time.
    if calls[slot].renewals == 1 {
      calls.makeReady(slot)
    } else {
      backOff(slot, atLeast: settings.shortestBackoff, now)
    }
  }

  private mutating func keyspaceDropped(
    _ slot: Int32, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    let name = calls[slot].options.keyspace
    routes.forget(name, calls[slot].keyspace)
    fetchMap(now)
    let failure = Failure(
      .notFound, .unknownKeyspace, notStarted: true, "the keyspace '\(name)' was dropped")
    finish(slot, .rejected(failure), now, &outputs)
  }

  // MARK: Refusals

  private mutating func refused(
    _ slot: Int32, _ failure: Failure, by peer: Int, isCurrent: Bool, _ isDefinite: Bool,
    _ now: Now, _ outputs: inout ClientOutputs
  ) {
    followHint(slot, failure, by: peer)
    guard isCurrent else { return }
    calls[slot].lastFailure = failure
    if !isDefinite, !calls[slot].options.retriesUnknown {
      finishUndone(slot, failure, now, &outputs)
      return
    }
    switch failure.reason {
    case .notLeader, .noLeader, .starting, .shuttingDown, .leadershipLost, .expired:
      calls.makeReady(slot)
    case .notReplica, .mapBehind:
      if failure.reason == .notReplica { follow(failure.route, now) }
      calls.makeReady(slot)
    case .noQuorum:
      calls[slot].round.withoutQuorum |= mask(of: peer, for: slot)
      markBlocked(slot, peer)
      calls.makeReady(slot)
    case .tooOld:
      markBlocked(slot, peer)
      calls.makeReady(slot)
    case .overloaded:
      backOff(slot, atLeast: min(failure.retryAfter, .seconds(1)), now)
    case .unknownKeyspace:
      // The node's map may lag, or ours: look at both again.
      fetchMap(now)
      calls[slot].route = .unresolved
      backOff(slot, atLeast: .zero, now)
    case .createdAhead:
      sessionRefused(slot, failure, isCurrent: true, now, &outputs)
    case .wrongMode, .malformed:
      finishUndone(slot, failure, now, &outputs)
    case .none:
      refusedWithoutReason(slot, failure, now, &outputs)
    }
  }

  /// The call went where the group is not. What the answer says of the group suffices to turn
  /// right; the rest of the map follows.
  private mutating func follow(_ route: GroupRoute?, _ now: Now) {
    if let route, peers.count + route.replicas.count <= Limits.clientPeers {
      for replica in route.replicas where !replica.address.isEmpty {
        peers.learn(replica.id, replica.address)
      }
      _ = routes.adopt(route, peers)
    }
    fetchMap(now)
  }

  private mutating func refusedWithoutReason(
    _ slot: Int32, _ failure: Failure, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    switch failure.code {
    case .unavailable, .aborted, .cancelled, .deadlineExceeded:
      calls.makeReady(slot)
    case .resourceExhausted:
      if splitMultiGet(slot) { return }
      backOff(slot, atLeast: min(failure.retryAfter, .seconds(1)), now)
    case .ok, .unknown, .invalidArgument, .notFound, .alreadyExists, .permissionDenied,
      .failedPrecondition, .outOfRange, .unimplemented, .internal, .dataLoss, .unauthenticated:
      finishUndone(slot, failure, now, &outputs)
    }
  }

  /// Corrects what is believed of the group's leader.
  private mutating func followHint(_ slot: Int32, _ failure: Failure, by peer: Int) {
    guard case .group(let group) = calls[slot].route else { return }
    switch failure.reason {
    case .notLeader, .noLeader, .noQuorum, .leadershipLost, .shuttingDown, .notReplica: break
    default: return
    }
    routes.denyLeader(peer, of: group)
    guard let leader = failure.leader, let hinted = peers.index(of: leader), hinted != peer else {
      return
    }
    routes.suggestLeader(hinted, of: group)
    calls[slot].round.retry(mask(of: hinted, for: slot))
  }
}
