internal import KVBase
internal import KVCommand
internal import KVPlacement
internal import KVWire

/// Which node a call goes to, and when the next round over the replicas begins.
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
    if calls[slot].work.isMutation, calls[slot].place == nil {
      guard takePlace(slot, now, &outputs) else { return }
    }
    dispatch(slot, now, &outputs)
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
    case .meta:
      guard view != nil else { return waitForMap(slot, now) }
      calls[slot].route = .group(0)
      return true
    case .mutate(let key, _), .get(let key):
      guard resolveKeyspace(slot, now, &outputs) else { return false }
      calls[slot].route = .group(group(of: key))
      return true
    case .multiGet(let keys):
      guard resolveKeyspace(slot, now, &outputs) else { return false }
      beginMultiGet(slot, keys, now, &outputs)
      return false
    case .scan(let query):
      guard resolveKeyspace(slot, now, &outputs) else { return false }
      beginScan(slot, query, now, &outputs)
      return false
    case .gets(let keys, _):
      guard resolveKeyspace(slot, now, &outputs) else { return false }
      calls[slot].route = .group(group(of: keys[0]))
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
    if let peer = peerOfNode[node] {
      calls[slot].route = .peer(peer)
      return true
    }
    guard view != nil else { return waitForMap(slot, now) }
    finish(
      slot,
      .rejected(
        Failure(.notFound, .none, notStarted: true, "the cluster map has no node \(node)")),
      now, &outputs)
    return false
  }

  func group(of key: Bytes) -> Int {
    Int(Ring.partition(of: key, partitions: routes.count - 1).rawValue) + 1
  }

  private mutating func resolveKeyspace(
    _ slot: Int32, _ now: Now, _ outputs: inout ClientOutputs
  ) -> Bool {
    guard view != nil else { return waitForMap(slot, now) }
    if let id = keyspaces[calls[slot].options.keyspace] {
      calls[slot].keyspace = id
      return true
    }
    calls[slot].keyspaceMisses += 1
    // A map of one node may be a little behind: more than one look before it is said.
    if calls[slot].keyspaceMisses <= 3 { return waitForMap(slot, now) }
    let name = calls[slot].options.keyspace
    let failure = Failure(
      .notFound, .unknownKeyspace, notStarted: true,
      "there is no keyspace '\(name)': create it with 'kvctl keyspace create \(name)'")
    finishUndone(slot, failure, now, &outputs)
    return false
  }

  // MARK: Candidates

  func candidates(of route: Route) -> [Int32] {
    switch route {
    case .unresolved: []
    case .group(let group): routes[group].peers
    case .anyone: everyone
    case .peer(let peer): [Int32(peer)]
    }
  }

  /// The bit of a peer in the masks of a call; 0 where it is not, or no longer, a candidate.
  func bit(of peer: Int, for slot: Int32) -> UInt64 {
    guard calls[slot].routesVersion == routesVersion else { return 0 }
    let candidates = candidates(of: calls[slot].route)
    for position in candidates.indices where candidates[position] == Int32(peer) {
      return 1 << UInt64(position)
    }
    return 0
  }

  /// Whether a peer counts as unreachable for now.
  func isResting(_ peer: Int, _ now: Now) -> Bool {
    peers[peer].state == .leaving || now.instant < peers[peer].restUntil
  }

  /// Sends the call to the best candidate that it has not tried in this round.
  mutating func dispatch(_ slot: Int32, _ now: Now, _ outputs: inout ClientOutputs) {
    if calls[slot].routesVersion != routesVersion {
      calls[slot].routesVersion = routesVersion
      calls[slot].tried = 0
      calls[slot].blocked = 0
      calls[slot].withoutQuorum = 0
    }
    let candidates = candidates(of: calls[slot].route)
    while let position = choose(slot, candidates, now) {
      let peer = Int(candidates[position])
      calls[slot].tried |= 1 << UInt64(position)
      if isResting(peer, now) {
        calls[slot].blocked |= 1 << UInt64(position)
        continue
      }
      switch peers[peer].state {
      case .connected:
        if peers[peer].streams.isFull { continue }
        send(slot, to: peer, now, &outputs)
        return
      case .idle:
        connect(peer, now, &outputs)
        wait(slot, forConnectionTo: peer, now)
        return
      case .connecting:
        wait(slot, forConnectionTo: peer, now)
        return
      case .leaving, .alias:
        calls[slot].blocked |= 1 << UInt64(position)
      }
    }
    endRound(slot, candidates, now, &outputs)
  }

  /// The position of the next candidate; `nil` where all were tried.
  private mutating func choose(_ slot: Int32, _ candidates: [Int32], _ now: Now) -> Int? {
    let tried = calls[slot].tried
    switch calls[slot].route {
    case .group(let group) where calls[slot].needsLeader:
      let hint = routes[group].hint
      if hint >= 0, let position = candidates.firstIndex(of: hint),
        tried >> UInt64(position) & 1 == 0
      {
        return position
      }
      return firstUntried(candidates, tried, from: 0) { !self.isResting($0, now) }
        ?? firstUntried(candidates, tried, from: 0) { _ in true }
    case .anyone:
      // The meta group's leader has the newest map.
      if let hint = routes.first?.hint, hint >= 0, peers[Int(hint)].state == .connected,
        let position = candidates.firstIndex(of: hint), tried >> UInt64(position) & 1 == 0
      {
        return position
      }
    case .group, .peer, .unresolved: break
    }
    if tried == 0 { rotation &+= 1 }
    let start = candidates.isEmpty ? 0 : (rotation & Int.max) % candidates.count
    return firstUntried(candidates, tried, from: start) {
      self.peers[$0].state == .connected && !self.isResting($0, now)
    }
      ?? firstUntried(candidates, tried, from: start) { !self.isResting($0, now) }
      ?? firstUntried(candidates, tried, from: start) { _ in true }
  }

  private func firstUntried(
    _ candidates: [Int32], _ tried: UInt64, from start: Int, where suits: (Int) -> Bool
  ) -> Int? {
    for offset in candidates.indices {
      let position = (start + offset) % candidates.count
      if tried >> UInt64(position) & 1 == 0, suits(Int(candidates[position])) { return position }
    }
    return nil
  }

  // MARK: Rounds

  private mutating func endRound(
    _ slot: Int32, _ candidates: [Int32], _ now: Now, _ outputs: inout ClientOutputs
  ) {
    let all: UInt64 = candidates.count >= 64 ? .max : (1 << UInt64(candidates.count)) - 1
    let isBlocked = !candidates.isEmpty && calls[slot].blocked & all == all
    if refresh == calls.ref(slot) {
      endRefreshRound(slot, isBlocked: isBlocked, now, &outputs)
      return
    }
    if isBlocked, calls[slot].outstanding == 0, mayGiveUp(slot, now) {
      giveUp(slot, candidates, now, &outputs)
      return
    }
    if calls[slot].round > 0, case .group = calls[slot].route { wantMap(now) }
    backOff(slot, atLeast: .zero, now)
  }

  private func mayGiveUp(_ slot: Int32, _ now: Now) -> Bool {
    if case .peer = calls[slot].route { return true }
    return now.instant - calls[slot].began >= settings.noQuorumPatience
  }

  /// Waits before the next round: longer with each, with jitter, so that clients that failed
  /// together do not come back together.
  mutating func backOff(_ slot: Int32, atLeast floor: TimeAmount, _ now: Now) {
    let doubled = settings.shortestBackoff * (1 << UInt64(min(calls[slot].round, 10)))
    let longest = max(min(doubled, settings.longestBackoff), floor)
    let half = TimeAmount(nanoseconds: longest.nanoseconds / 2)
    let until = now.instant + random.amount(from: max(half, floor), to: longest)
    calls[slot].state = .backingOff(until: until)
    deadlines.set(slot, due: min(until, calls[slot].deadline))
  }

  mutating func startRound(_ slot: Int32) {
    calls[slot].round += 1
    calls[slot].tried = 0
    calls[slot].blocked = 0
    calls[slot].withoutQuorum = 0
    calls[slot].hops = 0
  }

  private mutating func wait(_ slot: Int32, forConnectionTo peer: Int, _ now: Now) {
    var patience = settings.connectPatience
    // There is nobody else to ask.
    if case .peer = calls[slot].route { patience = settings.connectTimeout }
    let until = now.instant + patience
    calls[slot].state = .waitingForConnection(peer: peer, patienceUntil: until)
    peers[peer].pending.append(calls.ref(slot))
    deadlines.set(slot, due: min(until, calls[slot].deadline))
  }
}
