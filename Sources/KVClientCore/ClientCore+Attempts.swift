internal import KVBase
internal import KVCommand
internal import KVLink
internal import KVWire

/// How a call gets to a node: what it needs first, whom it is sent to, and when the next round over
/// the replicas begins.
extension ClientCore {
  /// Takes a call as far as it can go now.
  mutating func proceed(_ slot: Int32, _ now: Now, _ outputs: inout ClientOutputs) {
    guard now.instant < calls[slot].deadline else {
      expire(slot, now, &outputs)
      return
    }
    if calls[slot].route == .unresolved {
      guard resolve(slot, now, &outputs) else { return }
    }
    if calls[slot].work.isMutation, calls[slot].ticket == nil {
      guard admit(slot, now, &outputs) else { return }
    }
    dispatch(slot, now, &outputs)
  }

  /// What a call waits for has not come in time, or its time is over.
  mutating func waitIsOver(_ slot: Int32, _ now: Now, _ outputs: inout ClientOutputs) {
    guard now.instant < calls[slot].deadline else {
      expire(slot, now, &outputs)
      return
    }
    switch calls[slot].state {
    case .waitingForConnection(let peer):
      markBlocked(slot, peer)
      calls.makeReady(slot)
    case .sent(let peer, _):
      // The answer may yet come, and counts then.
      markBlocked(slot, peer)
      calls.makeReady(slot)
      peers.answerOverdue(peer, sentAt: calls[slot].attempts.lastSentAt, now.instant)
    case .backingOff:
      calls[slot].round.begin()
      calls.makeReady(slot)
    case .free, .ready, .waitingForMap, .waitingForSession, .waitingForParts:
      break
    }
  }

  // MARK: Resolving

  /// Finds keyspace and group. False: the call waits, has ended, or runs as parts.
  private mutating func resolve(
    _ slot: Int32, _ now: Now, _ outputs: inout ClientOutputs
  ) -> Bool {
    switch calls[slot].work {
    case .map:
      calls[slot].route = .anyone
      return true
    case .status(let node), .health(let node):
      return resolve(slot, to: node, now, &outputs)
    case .statusAt(let endpoint):
      if let peer = peers.index(ofEndpoint: endpoint) {
        calls[slot].route = .peer(peer)
        return true
      }
      finish(
        slot,
        .rejected(
          Failure(
            .invalidArgument, .none, notStarted: true, "'\(endpoint)' is none of the endpoints")),
        now, &outputs)
      return false
    case .meta:
      guard routes.view != nil else { return waitForMap(slot, now) }
      calls[slot].route = .group(0)
      return true
    case .mutate(let key, _), .get(let key):
      guard resolveKeyspace(slot, now, &outputs) else { return false }
      calls[slot].route = .group(routes.group(of: key))
      return true
    case .multiGet(let keys):
      guard resolveKeyspace(slot, now, &outputs) else { return false }
      beginMultiGet(slot, keys, now, &outputs)
      return false
    case .scan(let query):
      guard resolveKeyspace(slot, now, &outputs) else { return false }
      beginScan(slot, query, now, &outputs)
      return false
    case .endSessions:
      beginEndSessions(slot, now, &outputs)
      return false
    case .endSession(_, let group):
      calls[slot].route = .group(group)
      return true
    case .gets(let keys, _):
      guard resolveKeyspace(slot, now, &outputs) else { return false }
      calls[slot].route = .group(routes.group(of: keys[0]))
      return true
    case .page(_, let partition):
      guard resolveKeyspace(slot, now, &outputs) else { return false }
      calls[slot].route = .group(partition + 1)
      return true
    }
  }

  private mutating func resolve(
    _ slot: Int32, to node: NodeID, _ now: Now, _ outputs: inout ClientOutputs
  ) -> Bool {
    if let peer = peers.index(of: node) {
      calls[slot].route = .peer(peer)
      return true
    }
    guard routes.view != nil else { return waitForMap(slot, now) }
    finish(
      slot,
      .rejected(
        Failure(.notFound, .none, notStarted: true, "the cluster map has no node \(node)")),
      now, &outputs)
    return false
  }

  private mutating func resolveKeyspace(
    _ slot: Int32, _ now: Now, _ outputs: inout ClientOutputs
  ) -> Bool {
    guard routes.view != nil else { return waitForMap(slot, now) }
    if let id = routes.keyspace(named: calls[slot].options.keyspace) {
      calls[slot].keyspace = id
      return true
    }
    calls[slot].keyspaceMisses += 1
    // The map of one node may lag a little: more than one look before it is said.
    if calls[slot].keyspaceMisses <= 3 { return waitForMap(slot, now) }
    let name = calls[slot].options.keyspace
    let failure = Failure(
      .notFound, .unknownKeyspace, notStarted: true,
      "there is no keyspace '\(name)': create it with 'kvctl keyspace create \(name)'")
    finishUndone(slot, failure, now, &outputs)
    return false
  }

  /// Gives a mutation its number in the session. False: it waits for one, or was refused.
  private mutating func admit(
    _ slot: Int32, _ now: Now, _ outputs: inout ClientOutputs
  ) -> Bool {
    guard case .group(let group) = calls[slot].route else {
      preconditionFailure("a mutation with the route \(calls[slot].route)")
    }
    switch sessions.admit(calls.ref(slot), to: group) {
    case .admitted(let ticket):
      calls[slot].ticket = ticket
      return true
    case .waits:
      calls.wait(slot, .waitingForSession)
      return false
    case .refused:
      let failure = Failure(
        .resourceExhausted, .overloaded, notStarted: true,
        "\(Limits.clientWaitingMutations) mutations of this client wait for "
          + "\(name(ofGroup: group)): wait for some of them, then retry")
      finishUndone(slot, failure, now, &outputs)
      return false
    }
  }

  // MARK: Sending

  /// Sends the call to the best candidate that it has not tried in this round.
  private mutating func dispatch(
    _ slot: Int32, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    calls[slot].round.adopt(routesVersion: routes.version)
    let route = calls[slot].route
    let needsLeader = calls[slot].needsLeader
    let candidates = routes.candidates(of: route)
    while let position = routes.nextCandidate(
      of: route, candidates, tried: calls[slot].round.tried, needsLeader: needsLeader, peers,
      now.instant)
    {
      let peer = Int(candidates[position])
      calls[slot].round.markTried(position)
      switch peers.standing(of: peer, now.instant) {
      case .ready:
        send(slot, to: peer, now, &outputs)
        return
      case .busy: break
      case .unconnected:
        connect(slot, to: peer, now, &outputs)
        return
      case .unavailable: calls[slot].round.blocked |= 1 << UInt64(position)
      }
    }
    endRound(slot, candidates, now, &outputs)
  }

  private mutating func connect(
    _ slot: Int32, to peer: Int, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    var timeout = settings.connectionWait
    // There is nobody else to ask.
    if case .peer = calls[slot].route { timeout = settings.link.connectTimeout }
    calls.wait(slot, .waitingForConnection(peer: peer), until: now.instant + timeout)
    peers.connect(peer, for: calls.ref(slot), now.instant, &outputs)
  }

  private mutating func send(
    _ slot: Int32, to peer: Int, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    let stream = peers.openStream(peer, for: calls.ref(slot), now.instant)
    let base =
      calls[slot].work.isLong ? settings.longAttemptTimeout : settings.attemptTimeout
    var answerBy = now.instant + base * (1 << UInt64(min(calls[slot].attempts.count, 3)))
    if calls[slot].work.isMutation, !calls[slot].options.retriesUnknown {
      answerBy = calls[slot].deadline
    }
    calls[slot].attempts.begin(now.instant)
    calls.wait(slot, .sent(peer: peer, stream: stream), until: answerBy)
    let start = outputs.sendBytes.count
    calls[slot].encodeRequest(
      epoch: routes.epoch(of: calls[slot].route),
      stamp: calls[slot].ticket.map { sessions.stamp($0) },
      now: now.instant, into: &outputs.sendBytes)
    outputs.send(.request, to: peer, stream: stream, from: start)
  }

  // MARK: Connections

  mutating func connectionReady(
    _ call: CallRef, to peer: Int, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    guard calls.isLive(call), calls[call.slot].state == .waitingForConnection(peer: peer) else {
      return
    }
    switch peers.standing(of: peer, now.instant) {
    case .ready: send(call.slot, to: peer, now, &outputs)
    case .busy, .unconnected, .unavailable: calls.makeReady(call.slot)
    }
  }

  mutating func connectionFailed(_ call: CallRef, to peer: Int) {
    guard calls.isLive(call), calls[call.slot].state == .waitingForConnection(peer: peer) else {
      return
    }
    markBlocked(call.slot, peer)
    calls.makeReady(call.slot)
  }

  /// There will be no answer to an attempt.
  mutating func attemptLost(
    _ call: CallRef, _ stream: UInt32, _ peer: Int, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    guard calls.isLive(call) else { return }
    let slot = call.slot
    calls[slot].attempts.end(isCertain: !calls[slot].work.isMutation)
    guard calls[slot].state == .sent(peer: peer, stream: stream) else { return }
    markBlocked(slot, peer)
    if calls[slot].work.isMutation, !calls[slot].options.retriesUnknown {
      finishUndone(
        slot,
        Failure(
          .unavailable, .none, notStarted: false,
          "the connection to \(peers.name(of: peer)) was lost before it answered"), now, &outputs)
    } else {
      calls.makeReady(slot)
    }
  }

  // MARK: Rounds

  /// The bit of a peer in the masks of the call's round.
  func mask(of peer: Int, for slot: Int32) -> UInt64 {
    routes.mask(of: peer, calls[slot].route, calls[slot].round)
  }

  /// In this round the peer was of no use.
  mutating func markBlocked(_ slot: Int32, _ peer: Int) {
    calls[slot].round.blocked |= mask(of: peer, for: slot)
  }

  private mutating func endRound(
    _ slot: Int32, _ candidates: [Int32], _ now: Now, _ outputs: inout ClientOutputs
  ) {
    let all: UInt64 = candidates.count >= 64 ? .max : (1 << UInt64(candidates.count)) - 1
    let isBlocked = !candidates.isEmpty && calls[slot].round.blocked & all == all
    if mapFetch.isFetch(calls.ref(slot)) {
      if endFetchRound(slot, isBlocked: isBlocked, now, &outputs) {
        backOff(slot, atLeast: .zero, now)
      }
      return
    }
    if isBlocked, calls[slot].attempts.outstanding == 0, mayGiveUp(slot, now) {
      giveUp(slot, candidates, now, &outputs)
      return
    }
    if calls[slot].round.number > 0, case .group = calls[slot].route { fetchMap(now) }
    backOff(slot, atLeast: .zero, now)
  }

  private func mayGiveUp(_ slot: Int32, _ now: Now) -> Bool {
    if case .peer = calls[slot].route { return true }
    return now.instant - calls[slot].began >= settings.noQuorumTimeout
  }

  /// Waits before the next round: longer with each, with jitter, so that clients that failed
  /// together do not come back together.
  mutating func backOff(_ slot: Int32, atLeast floor: TimeAmount, _ now: Now) {
    let doubled = settings.shortestBackoff * (1 << UInt64(min(calls[slot].round.number, 10)))
    let longest = max(min(doubled, settings.longestBackoff), floor)
    let half = TimeAmount(nanoseconds: longest.nanoseconds / 2)
    let until = now.instant + random.amount(from: max(half, floor), to: longest)
    calls.wait(slot, .backingOff, until: until)
  }
}
