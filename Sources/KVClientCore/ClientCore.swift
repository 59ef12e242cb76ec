package import KVBase
internal import KVCommand
package import KVWire

/// The client as a value: it routes calls to the right nodes, retries what is safe, keeps its
/// session, and says of every call how it ended. The real client and the simulator run this code.
///
/// The interpreter gives inputs, each with `now`, then carries out and empties the outputs. It
/// calls `tick` at `nextDeadline` or soon after.
package struct ClientCore: Sendable {
  /// The replicas of a group, as peers.
  struct GroupRoute: Sendable {
    /// The preferred leader first; at most 64.
    var peers: [Int32]
    /// The peer that is believed to lead; -1: unknown.
    var hint: Int32 = -1
  }

  let settings: ClientSettings
  var random: SeededRandom
  var peers: [Peer] = []
  /// For look-up only.
  var peerOfNode: [NodeID: Int] = [:]
  var view: ClusterView?
  /// 0: not known yet.
  var clusterID: UInt64 = 0
  /// For look-up only.
  var keyspaces: [String: KeyspaceID] = [:]
  /// By group.
  var routes: [GroupRoute] = []
  /// Every peer that is not an alias; at most 64.
  var everyone: [Int32] = []
  /// Goes up when `routes` or `everyone` get other peers.
  var routesVersion: UInt32 = 0
  /// By group.
  var windows: [SessionWindow] = []
  var calls = CallTable()
  var deadlines = DeadlineHeap()
  /// Calls to look at before the input ends.
  var ready: [CallRef] = []
  var waitingForMap: [CallRef] = []
  var composites: [Composite?] = []
  var freeComposites: [Int32] = []
  /// The core's own fetch of the map, where one runs.
  var refresh: CallRef?
  var nextRefreshAt: Instant = .zero
  var client: ClientID
  var nextSequence: UInt64 = 1
  /// Spreads reads that any replica may answer.
  var rotation: Int

  package init(settings: ClientSettings, random: SeededRandom, now: Now) {
    precondition(
      !settings.endpoints.isEmpty && settings.endpoints.count <= Limits.clientEndpoints,
      "\(settings.endpoints.count) endpoints, 1 to \(Limits.clientEndpoints) are allowed")
    self.settings = settings
    self.random = random
    client = ClientID(createdMilliseconds: now.wallMilliseconds, random: self.random.next())
    rotation = Int(self.random.below(UInt64(settings.endpoints.count)))
    for endpoint in settings.endpoints { addEndpoint(endpoint) }
    updateEveryone()
  }

  /// What the client says first on every connection.
  package var hello: Hello {
    Hello(
      role: .client, clusterID: clusterID, creationDigest: 0, node: NodeID(0), incarnation: 0,
      isBlank: false, software: settings.software)
  }

  /// The newest map that was seen.
  package var map: ClusterView? { view }

  /// Calls that are not completed, the core's own and parts of others included.
  package var callsInProgress: Int { calls.count }

  /// The node that a peer turned out to be; `nil` where that is not known yet.
  package func node(of peer: PeerID) -> NodeID? { peers[peer.index].node }

  // MARK: Calls

  /// Begins a call. It ends with exactly one completion, at its deadline at the latest.
  package mutating func call(
    _ id: CallID, _ operation: ClientOperation, options: CallOptions, now: Now,
    into outputs: inout ClientOutputs
  ) {
    if let problem = operation.problem(with: options) {
      let failure = Failure(.invalidArgument, .none, notStarted: true, problem)
      outputs.completions.append(.init(call: id, outcome: .rejected(failure)))
      return
    }
    guard calls.count < Limits.clientCalls else {
      let failure = Failure(
        .resourceExhausted, .overloaded, notStarted: true,
        "\(calls.count) calls are in progress in this client: wait for some of them")
      outputs.completions.append(.init(call: id, outcome: .rejected(failure)))
      return
    }
    var call = Call()
    call.id = id
    call.work = operation.work
    call.options = options
    call.began = now.instant
    call.deadline = now.instant + options.timeout
    call.state = .ready
    ready.append(calls.insert(call))
    settle(now, &outputs)
  }

  /// Completes a call that the application no longer waits for. Nothing where it has completed.
  package mutating func cancel(_ id: CallID, now: Now, into outputs: inout ClientOutputs) {
    for slot in 0..<Int32(calls.capacity) where calls[slot].id == id {
      finishUndone(
        slot, Failure(.cancelled, .none, notStarted: true, "the caller cancelled it"), now,
        &outputs)
    }
    settle(now, &outputs)
  }

  /// Completes all calls and closes all connections.
  package mutating func shutDown(now: Now, into outputs: inout ClientOutputs) {
    for slot in 0..<Int32(calls.capacity) where calls[slot].id != nil {
      finishUndone(
        slot, Failure(.cancelled, .shuttingDown, notStarted: true, "the client was closed"), now,
        &outputs)
    }
    if let refresh, calls.isLive(refresh) { discard(refresh.slot) }
    refresh = nil
    ready.removeAll()
    for index in peers.indices where peers[index].isOpen {
      outputs.closes.append(PeerID(UInt32(index)))
      peers[index].state = .idle
      _ = peers[index].streams.takeAll()
      peers[index].pending = []
    }
  }

  // MARK: Time

  /// When `tick` is to be called next; `nil` where nothing waits.
  package var nextDeadline: Instant? {
    var earliest = deadlines.first
    for peer in peers {
      guard case .connecting(let giveUpAt) = peer.state else { continue }
      earliest = min(earliest ?? giveUpAt, giveUpAt)
    }
    return earliest
  }

  package mutating func tick(now: Now, into outputs: inout ClientOutputs) {
    for index in peers.indices {
      guard case .connecting(let giveUpAt) = peers[index].state, giveUpAt <= now.instant else {
        continue
      }
      outputs.closes.append(PeerID(UInt32(index)))
      peerFailed(index, .timedOut, now, &outputs)
    }
    while let slot = deadlines.popDue(now.instant) { fire(slot, now, &outputs) }
    settle(now, &outputs)
  }

  /// Looks at every call whose state changed, until none is left.
  mutating func settle(_ now: Now, _ outputs: inout ClientOutputs) {
    var next = 0
    while next < ready.count {
      let ref = ready[next]
      next += 1
      if calls.isLive(ref), calls[ref.slot].state == .ready { proceed(ref.slot, now, &outputs) }
    }
    ready.removeAll(keepingCapacity: true)
  }

  mutating func makeReady(_ slot: Int32) {
    calls[slot].state = .ready
    ready.append(calls.ref(slot))
  }

  /// What a call waits for is over, or its time is.
  private mutating func fire(_ slot: Int32, _ now: Now, _ outputs: inout ClientOutputs) {
    guard now.instant < calls[slot].deadline else {
      expire(slot, now, &outputs)
      return
    }
    switch calls[slot].state {
    case .waitingForConnection(let peer, _):
      calls[slot].blocked |= bit(of: peer, for: slot)
      makeReady(slot)
    case .sent(let peer, _, _):
      attemptTimedOut(slot, peer, now, &outputs)
    case .backingOff:
      startRound(slot)
      makeReady(slot)
    case .free, .ready, .waitingForMap, .waitingForPlace, .gathering:
      break
    }
  }
}
