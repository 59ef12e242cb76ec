package import KVBase
package import KVWire

/// Connections: one a node, opened when a call needs it.
extension ClientCore {
  mutating func addEndpoint(_ endpoint: Endpoint) {
    if let node = endpoint.node, peerOfNode[node] != nil { return }
    if peers.contains(where: { $0.address == endpoint.address }) { return }
    var peer = Peer(node: endpoint.node, address: endpoint.address)
    peer.isOverride = endpoint.node != nil
    peer.isGiven = true
    if let node = endpoint.node { peerOfNode[node] = peers.count }
    peers.append(peer)
  }

  mutating func updateEveryone() {
    everyone = []
    for index in peers.indices where peers[index].state != .alias && everyone.count < 64 {
      everyone.append(Int32(index))
    }
    routesVersion &+= 1
  }

  mutating func connect(_ peer: Int, _ now: Now, _ outputs: inout ClientOutputs) {
    peers[peer].state = .connecting(giveUpAt: now.instant + settings.connectTimeout)
    outputs.connects.append(.init(peer: PeerID(UInt32(peer)), address: peers[peer].address))
  }

  // MARK: Inputs

  /// A connection that was asked for is open, and the other side said this on it.
  package mutating func connected(
    _ peer: PeerID, _ hello: Hello, now: Now, into outputs: inout ClientOutputs
  ) {
    let index = peer.index
    guard case .connecting = peers[index].state else { return }
    if let problem = problem(with: hello, from: index) {
      closePeer(index, .other(problem), now, &outputs)
      settle(now, &outputs)
      return
    }
    if clusterID == 0 { clusterID = hello.clusterID }
    peers[index].lastHeard = now.instant
    peers[index].problem = nil
    peers[index].restUntil = .zero
    peers[index].rest = .zero
    peers[index].state = .connected
    let pending = peers[index].pending
    peers[index].pending = []
    if peers[index].node == nil { bind(index, to: hello.node, &outputs) }
    for ref in pending { connectionReady(ref, to: index, now, &outputs) }
    settle(now, &outputs)
  }

  /// Why a connection can't be used; `nil` where it can.
  private func problem(with hello: Hello, from peer: Int) -> String? {
    if hello.role != .node { return "that is not a node" }
    if hello.lowestVersion > Hello.protocolVersion || hello.highestVersion < Hello.protocolVersion {
      return "it speaks protocol versions \(hello.lowestVersion) to \(hello.highestVersion), this"
        + " client \(Hello.protocolVersion): use a client of the same release"
    }
    if let expected = peers[peer].node, expected != hello.node {
      return "the node at \(peers[peer].address) says that it is \(hello.node)"
    }
    if clusterID != 0, hello.clusterID != 0, hello.clusterID != clusterID {
      return "it belongs to another cluster: check the endpoints"
    }
    return nil
  }

  private mutating func connectionReady(
    _ ref: CallRef, to peer: Int, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    guard calls.isLive(ref), case .waitingForConnection(peer, _) = calls[ref.slot].state else {
      return
    }
    guard peers[peer].state == .connected, !peers[peer].streams.isFull else {
      makeReady(ref.slot)
      return
    }
    send(ref.slot, to: peer, now, &outputs)
  }

  /// An endpoint turned out to be that node. Where another peer stands for it already, the one that
  /// is connected stays.
  private mutating func bind(_ peer: Int, to node: NodeID, _ outputs: inout ClientOutputs) {
    peers[peer].node = node
    guard let other = peerOfNode[node], other != peer else {
      peerOfNode[node] = peer
      return
    }
    let (kept, dropped) = peers[other].isOpen ? (other, peer) : (peer, other)
    for address in peers[dropped].addresses where !peers[kept].addresses.contains(address) {
      if peers[kept].addresses.count < 4 { peers[kept].addresses.append(address) }
    }
    // The dropped one has just connected, or is not open: nothing was sent on it.
    if peers[dropped].isOpen { outputs.closes.append(PeerID(UInt32(dropped))) }
    peers[dropped].state = .alias
    peerOfNode[node] = kept
    for slot in 0..<Int32(calls.capacity) where calls[slot].route == .peer(dropped) {
      calls[slot].route = .peer(kept)
    }
    rebuildRoutes()
  }

  /// A connection is gone, or could not be opened. `refused`: nobody listens there. `because`: what
  /// a person should know of it.
  package mutating func disconnected(
    _ peer: PeerID, refused: Bool, because: String? = nil, now: Now,
    into outputs: inout ClientOutputs
  ) {
    let index = peer.index
    guard peers[index].isOpen else { return }
    var problem: Peer.Problem = refused ? .refused : .disconnected
    if let because { problem = .other(because) }
    if peers[index].state == .leaving, let known = peers[index].problem { problem = known }
    peerFailed(index, problem, now, &outputs)
    settle(now, &outputs)
  }

  /// The other side is about to close the connection. What it was asked it may still answer.
  package mutating func goaway(
    _ peer: PeerID, _ goaway: Goaway, now: Now, into outputs: inout ClientOutputs
  ) {
    let index = peer.index
    switch peers[index].state {
    case .connected where peers[index].streams.count > 0:
      peers[index].state = .leaving
      note(.other(goaway.message), index, now)
    case .connected, .connecting:
      closePeer(index, .other(goaway.message), now, &outputs)
    case .idle, .leaving, .alias:
      break
    }
    settle(now, &outputs)
  }

  // MARK: Failures

  /// Closes a connection from this side.
  mutating func closePeer(
    _ peer: Int, _ problem: Peer.Problem, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    guard peers[peer].isOpen else { return }
    outputs.closes.append(PeerID(UInt32(peer)))
    peerFailed(peer, problem, now, &outputs)
  }

  /// A connection is no more: what was sent on it has no answer, and other replicas are tried.
  mutating func peerFailed(
    _ peer: Int, _ problem: Peer.Problem, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    peers[peer].state = .idle
    peers[peer].addressIndex += 1
    note(problem, peer, now)
    rest(peer, now)
    for (stream, ref) in peers[peer].streams.takeAll() { lost(ref, stream, peer, now, &outputs) }
    let pending = peers[peer].pending
    peers[peer].pending = []
    for ref in pending where calls.isLive(ref) {
      guard case .waitingForConnection(peer, _) = calls[ref.slot].state else { continue }
      calls[ref.slot].blocked |= bit(of: peer, for: ref.slot)
      makeReady(ref.slot)
    }
  }

  private mutating func note(_ problem: Peer.Problem, _ peer: Int, _ now: Now) {
    if peers[peer].problem == nil { peers[peer].problemSince = now.instant }
    peers[peer].problem = problem
  }

  /// Keeps calls away for a while: longer with each failure.
  private mutating func rest(_ peer: Int, _ now: Now) {
    let doubled = peers[peer].rest * 2
    peers[peer].rest = min(max(doubled, settings.shortestRest), settings.longestRest)
    let half = TimeAmount(nanoseconds: peers[peer].rest.nanoseconds / 2)
    peers[peer].restUntil = now.instant + random.amount(from: half, to: peers[peer].rest)
  }

  /// There will be no answer to an attempt.
  mutating func lost(
    _ ref: CallRef, _ stream: UInt32, _ peer: Int, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    guard calls.isLive(ref) else { return }
    let slot = ref.slot
    calls[slot].outstanding -= 1
    if !calls[slot].work.isMutation { calls[slot].unresolved -= 1 }
    guard case .sent(peer, stream, _) = calls[slot].state else { return }
    calls[slot].blocked |= bit(of: peer, for: slot)
    if calls[slot].work.isMutation, !calls[slot].options.retriesUnknown {
      finishUndone(
        slot,
        Failure(
          .unavailable, .none, notStarted: false,
          "the connection to \(peers[peer].name) was lost before it answered"), now, &outputs)
    } else {
      makeReady(slot)
    }
  }

  /// An attempt has no answer in time. It may yet come, and counts then.
  mutating func attemptTimedOut(
    _ slot: Int32, _ peer: Int, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    calls[slot].blocked |= bit(of: peer, for: slot)
    makeReady(slot)
    guard peers[peer].lastHeard < calls[slot].sentAt else { return }
    if now.instant - peers[peer].lastHeard >= settings.silenceLimit {
      closePeer(peer, .timedOut, now, &outputs)
    } else if peers[peer].state == .connected, now.instant >= peers[peer].restUntil {
      note(.timedOut, peer, now)
      rest(peer, now)
    }
  }
}

extension Peer {
  /// There is, or there may soon be, a connection.
  var isOpen: Bool {
    switch state {
    case .connecting, .connected, .leaving: true
    case .idle, .alias: false
    }
  }
}
