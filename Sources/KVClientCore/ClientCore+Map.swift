internal import KVBase
internal import KVCommand
internal import KVWire

/// The cluster map: fetched when a call needs it and when an answer shows that it has changed.
extension ClientCore {
  /// The call goes on when the next map has come. Always false.
  mutating func waitForMap(_ slot: Int32, _ now: Now) -> Bool {
    calls.wait(slot, .waitingForMap)
    mapFetch.wait(calls.ref(slot))
    fetchMap(now)
    return false
  }

  /// Fetches the map, unless a fetch runs already.
  mutating func fetchMap(_ now: Now) {
    guard !mapFetch.isRunning(calls) else { return }
    var call = Call()
    call.work = .map
    call.began = now.instant
    let fetch = calls.insert(call)
    let earliest = mapFetch.begin(fetch)
    if now.instant < earliest { calls.wait(fetch.slot, .backingOff, until: earliest) }
  }

  /// The fetch found nobody in this round. False: nobody waits for it any more, and it has ended.
  mutating func endFetchRound(
    _ slot: Int32, isBlocked: Bool, _ now: Now, _ outputs: inout ClientOutputs
  ) -> Bool {
    var isWanted = false
    for call in mapFetch.releaseWaiting()
    where calls.isLive(call) && calls[call.slot].state == .waitingForMap {
      guard isBlocked, now.instant - calls[call.slot].began >= settings.noQuorumTimeout else {
        mapFetch.wait(call)
        isWanted = true
        continue
      }
      let failure = Failure(
        .unavailable, .none, notStarted: true,
        "no node can be reached (\(peers.describeUsable(now.instant))): "
          + advice(on: peers.usable))
      finishUndone(call.slot, failure, now, &outputs)
    }
    if !isWanted, let fetch = mapFetch.abandon() { calls.remove(fetch.slot) }
    return isWanted
  }

  /// What a node last answered instead of a map.
  var mapRefusal: Failure? {
    guard let fetch = mapFetch.running, calls.isLive(fetch) else { return nil }
    return calls[fetch.slot].lastFailure
  }

  /// A map has come, by the call in `slot`. A sentence where it can't be of this cluster; the call
  /// is not finished then.
  mutating func mapArrived(
    _ slot: Int32, _ new: ClusterView, _ now: Now, _ outputs: inout ClientOutputs
  ) -> String? {
    if let problem = routes.problem(with: new) { return problem }
    if peers.count + new.map.members.count > Limits.clientPeers {
      return "its map has \(new.map.members.count) nodes, too many for this client"
    }
    install(new)
    mapFetch.arrived(by: calls.ref(slot), now.instant)
    finish(slot, .map(new), now, &outputs)
    for call in mapFetch.releaseWaiting()
    where calls.isLive(call) && calls[call.slot].state == .waitingForMap {
      calls.makeReady(call.slot)
    }
    return nil
  }

  /// Adopts what is newer in `new`.
  private mutating func install(_ new: ClusterView) {
    if routes.adopt(new) {
      for member in new.map.members { peers.learn(member.node, member.address) }
      sessions.prepare(groups: new.map.replicaSets.count)
      routes.rebuild(peers)
    }
    routes.learnLeaders(new.leaders, peers)
  }
}
