package import KVBase
internal import KVCommand
internal import KVWire

/// What an answer means for the call that it belongs to.
extension ClientCore {
  /// The payload of a RESPONSE frame. Late ones, and ones that nobody asked for, change nothing. An
  /// answer that can't be read closes its connection.
  package mutating func response(
    _ peer: PeerID, stream: UInt32, _ payload: Bytes, now: Now, into outputs: inout ClientOutputs
  ) {
    let index = peer.index
    guard peers[index].isOpen, let ref = peers[index].streams.close(stream) else { return }
    heard(from: index, now)
    let reply: Reply
    do {
      reply = try Reply(decoding: payload)
    } catch {
      lost(ref, stream, index, now, &outputs)
      closePeer(index, .other("its answer can't be read: \(error)"), now, &outputs)
      settle(now, &outputs)
      return
    }
    if calls.isLive(ref) {
      let slot = ref.slot
      calls[slot].outstanding -= 1
      var isCurrent = false
      if case .sent(let sentTo, let sentOn, _) = calls[slot].state {
        isCurrent = sentTo == index && sentOn == stream
      }
      if case .failed(let failure) = reply {
        refused(slot, failure, by: index, isCurrent: isCurrent, now, &outputs)
      } else {
        calls[slot].unresolved -= 1
        answered(slot, reply, by: index, isCurrent: isCurrent, now, &outputs)
      }
    }
    if peers[index].state == .leaving, peers[index].streams.count == 0 {
      closePeer(index, peers[index].problem ?? .disconnected, now, &outputs)
    }
    settle(now, &outputs)
  }

  private mutating func heard(from peer: Int, _ now: Now) {
    peers[peer].lastHeard = now.instant
    guard peers[peer].problem != nil, peers[peer].state == .connected else { return }
    peers[peer].problem = nil
    peers[peer].restUntil = .zero
    peers[peer].rest = .zero
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
      mapArrived(slot, view, by: peer, now, &outputs)
    case (.status, .status(let report)):
      finish(slot, .status(report), now, &outputs)
    case (.health, .health(let report)):
      finish(slot, .health(report), now, &outputs)
    default:
      nonsense(slot, "its answer does not fit the request", by: peer, now, &outputs)
    }
  }

  /// A reply that breaks the protocol: nothing on this connection can be believed.
  mutating func nonsense(
    _ slot: Int32, _ what: String, by peer: Int, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    calls[slot].unresolved += 1
    calls[slot].blocked |= bit(of: peer, for: slot)
    if case .sent = calls[slot].state { makeReady(slot) }
    closePeer(peer, .other(what), now, &outputs)
  }

  private mutating func learn(_ slot: Int32, from receipt: Receipt, _ peer: Int) {
    switch receipt.served {
    case .commit, .readIndex, .lease:
      if case .group(let group) = calls[slot].route { routes[group].hint = Int32(peer) }
    case .session, .stale: break
    }
  }

  private mutating func applied(
    _ slot: Int32, _ result: CommandResult, _ receipt: Receipt, isCurrent: Bool, _ now: Now,
    _ outputs: inout ClientOutputs
  ) {
    switch result {
    case .sessionExpired, .sequenceTooLow:
      sessionLost(slot, result, isCurrent: isCurrent, now, &outputs)
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
        keyspaces[descriptor.name] = nil
      } else {
        keyspaces[descriptor.name] = descriptor.id
      }
      wantMap(now)
      finish(slot, .applied(result, receipt), now, &outputs)
    case .keyspaceExists(let descriptor):
      keyspaces[descriptor.name] = descriptor.id
      finish(slot, .applied(result, receipt), now, &outputs)
    case .done, .noSuchKeyspace:
      if case .meta(.dropKeyspace(let name)) = calls[slot].work {
        keyspaces[name] = nil
        wantMap(now)
      }
      finish(slot, .applied(result, receipt), now, &outputs)
    // What a mutation of a key answers, and the refusals of the meta group.
    default:
      finish(slot, .applied(result, receipt), now, &outputs)
    }
  }

  /// The group has forgotten this client. This attempt did nothing; of an earlier one nobody can
  /// tell any more.
  private mutating func sessionLost(
    _ slot: Int32, _ result: CommandResult, isCurrent: Bool, _ now: Now,
    _ outputs: inout ClientOutputs
  ) {
    let expired = Failure(
      .aborted, .none, notStarted: true,
      result == .sessionExpired
        ? "the group has forgotten this client's session (if this goes on, this machine's clock"
          + " may be far behind the cluster's)" : "the group had answered this before")
    calls[slot].lastFailure = expired
    guard isCurrent || calls[slot].unresolved > 0 else { return }
    guard calls[slot].unresolved == 0, result == .sessionExpired, calls[slot].renewals < 3 else {
      finishUndone(slot, expired, now, &outputs)
      return
    }
    if calls[slot].client == client {
      client = ClientID(
        createdMilliseconds: max(now.wallMilliseconds, client.createdMilliseconds + 1),
        random: random.next())
    }
    calls[slot].client = client
    calls[slot].renewals += 1
    startRound(slot)
    makeReady(slot)
  }

  private mutating func keyspaceDropped(
    _ slot: Int32, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    let name = calls[slot].options.keyspace
    if keyspaces[name] == calls[slot].keyspace { keyspaces[name] = nil }
    wantMap(now)
    let failure = Failure(
      .notFound, .unknownKeyspace, notStarted: true, "the keyspace '\(name)' was dropped")
    finish(slot, .rejected(failure), now, &outputs)
  }

  // MARK: Refusals

  private mutating func refused(
    _ slot: Int32, _ failure: Failure, by peer: Int, isCurrent: Bool, _ now: Now,
    _ outputs: inout ClientOutputs
  ) {
    let isDefinite = failure.notStarted || !calls[slot].work.isMutation
    if isDefinite { calls[slot].unresolved -= 1 }
    followHint(slot, failure, by: peer)
    guard isCurrent else { return }
    calls[slot].lastFailure = failure
    if !isDefinite, !calls[slot].options.retriesUnknown {
      finishUndone(slot, failure, now, &outputs)
      return
    }
    switch failure.reason {
    case .notLeader, .noLeader, .starting, .shuttingDown, .leadershipLost, .expired:
      makeReady(slot)
    case .notReplica, .mapBehind:
      if failure.reason == .notReplica { wantMap(now) }
      makeReady(slot)
    case .noQuorum:
      calls[slot].withoutQuorum |= bit(of: peer, for: slot)
      calls[slot].blocked |= bit(of: peer, for: slot)
      makeReady(slot)
    case .tooOld:
      calls[slot].blocked |= bit(of: peer, for: slot)
      makeReady(slot)
    case .overloaded:
      backOff(slot, atLeast: min(failure.retryAfter, .seconds(1)), now)
    case .unknownKeyspace:
      // The node's map may be behind ours, or ours behind the cluster's: look at both again.
      wantMap(now)
      calls[slot].route = .unresolved
      backOff(slot, atLeast: .zero, now)
    case .wrongMode, .malformed:
      finishUndone(slot, failure, now, &outputs)
    case .none:
      refusedWithoutReason(slot, failure, now, &outputs)
    }
  }

  private mutating func refusedWithoutReason(
    _ slot: Int32, _ failure: Failure, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    switch failure.code {
    case .unavailable, .aborted, .cancelled, .deadlineExceeded:
      makeReady(slot)
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
    if routes[group].hint == Int32(peer) { routes[group].hint = -1 }
    guard let leader = failure.leader, let hinted = peerOfNode[leader], hinted != peer else {
      return
    }
    if !routes[group].peers.contains(Int32(hinted)), routes[group].peers.count < 64 {
      routes[group].peers.append(Int32(hinted))
    }
    routes[group].hint = Int32(hinted)
    // It answered earlier in this round, perhaps before it was elected: ask it again, but not for
    // ever, since two nodes may point at each other.
    let bit = bit(of: hinted, for: slot)
    if calls[slot].tried & bit != 0, calls[slot].blocked & bit == 0, calls[slot].hops < 3 {
      calls[slot].hops += 1
      calls[slot].tried &= ~bit
    }
  }
}
