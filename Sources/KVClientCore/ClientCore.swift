package import KVBase
internal import KVCommand
package import KVWire

/// The client as a value: it routes calls to the right nodes, retries what is safe, keeps its
/// session, and says of every call how it ended. The real client and the simulator run this code.
///
/// The interpreter gives inputs, each with `now`, then carries out and empties the outputs. It
/// calls `tick` at `nextDeadline` or soon after.
///
/// **Parts.** `RouteTable` knows the map and who is believed to lead; `PeerTable` has a `Link` to
/// each node and the requests on it; `Sessions` numbers mutations; `CallTable` holds the calls and
/// when they are due; `Composites` holds what the parts of multi-gets and scans have answered;
/// `MapFetch` fetches the map. This type routes between them: an input changes a part, then `run`
/// empties the queues of connections' events and of calls that are ready.
///
/// **A call** goes through these states (`CallState`), and to `finish` from any of them at its
/// deadline:
///
///     ready ── resolve ──▶ waitingForMap, waitingForParts
///       │ admit (a mutation) ──▶ waitingForSession
///       │ dispatch ──▶ waitingForConnection ──▶ sent ──▶ finish
///       │                                        │ refused, lost, or overdue
///       │◀── the next candidate of this round ───┘
///       └ no candidate left ──▶ backingOff ──▶ ready, in the next round
///
/// **Routing.** Each round tries every candidate of the call's route once: for what needs a leader
/// the hinted one first. A refusal that names a leader is followed at once. Rounds are apart by
/// back-off with jitter. A call is given up early only where every replica was unreachable or said
/// that it has no quorum.
///
/// **Outcomes.** An attempt is *uncertain* from when it is sent until an answer says what it did. A
/// call ends as `rejected` only while no attempt of it is uncertain; else as `unknown`. A retry
/// carries the same number in the session, so that it takes effect once, and its answer speaks for
/// all attempts before it, but a refusal of a retry does not.
///
/// **What waits for what.** A mutation waits for an entry in the window of its group before it is
/// sent; entries are released in any order, and the lowest unanswered one goes out with each. A
/// keyspace that the map lacks makes the call wait for a newer map, three times.
package struct ClientCore: Sendable {
  let settings: ClientSettings
  var peers: PeerTable
  var routes: RouteTable
  var sessions: Sessions
  var calls = CallTable()
  var composites = Composites()
  var mapFetch: MapFetch
  /// For back-off between rounds.
  var random: SeededRandom

  package init(settings: ClientSettings, random: SeededRandom, now: Now) {
    precondition(
      !settings.endpoints.isEmpty && settings.endpoints.count <= Limits.clientEndpoints,
      "\(settings.endpoints.count) endpoints, 1 to \(Limits.clientEndpoints) are allowed")
    self.settings = settings
    self.random = random
    sessions = Sessions(random: self.random.fork(), now: now)
    routes = RouteTable(rotation: Int(self.random.below(UInt64(settings.endpoints.count))))
    peers = PeerTable(settings: settings, random: self.random.fork())
    mapFetch = MapFetch(interval: settings.mapInterval)
    routes.rebuild(peers)
  }

  /// The newest map that was seen.
  package var map: ClusterView? { routes.view }

  /// Calls that are not completed, the core's own and parts of others included. For tests: none is
  /// left behind.
  package var callsInProgress: Int { calls.count }

  /// The node that a peer turned out to be; `nil` where that is not known yet.
  package func node(of peer: PeerID) -> NodeID? { peers.node(of: peer.index) }

  /// Where a peer is to be connected to, `host:port`.
  package func address(of peer: PeerID) -> String { peers.address(of: peer.index) }

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
    _ = calls.insert(call)
    run(now, &outputs)
  }

  /// Completes a call that the application no longer waits for. Nothing where it has completed.
  package mutating func cancel(_ id: CallID, now: Now, into outputs: inout ClientOutputs) {
    for slot in 0..<calls.capacity where calls[slot].id == id {
      finishUndone(
        slot, Failure(.cancelled, .none, notStarted: true, "the caller cancelled it"), now,
        &outputs)
    }
    run(now, &outputs)
  }

  /// Completes all calls and closes all connections.
  package mutating func shutDown(now: Now, into outputs: inout ClientOutputs) {
    cancelAll(now: now, into: &outputs)
    if let fetch = mapFetch.abandon(), calls.isLive(fetch) { calls.remove(fetch.slot) }
    peers.shutDown(now.instant, &outputs)
  }

  /// Completes all calls: the client is about to be closed.
  package mutating func cancelAll(now: Now, into outputs: inout ClientOutputs) {
    for slot in 0..<calls.capacity where calls[slot].id != nil {
      finishUndone(
        slot, Failure(.cancelled, .shuttingDown, notStarted: true, "the client was closed"), now,
        &outputs)
    }
  }

  // MARK: Connections

  /// What the client says first on every connection.
  private var hello: Hello {
    Hello(
      role: .client, clusterID: routes.clusterID, creationDigest: 0, node: NodeID(0),
      incarnation: 0, isBlank: false, software: settings.software)
  }

  /// A connection that was asked for is open.
  package mutating func opened(
    _ peer: PeerID, now: Now, into outputs: inout ClientOutputs
  ) {
    peers.opened(peer.index, hello, now.instant, &outputs)
  }

  /// A frame came on a peer's connection.
  package mutating func received(
    _ type: FrameType, stream: UInt32, _ payload: Bytes, from peer: PeerID, now: Now,
    into outputs: inout ClientOutputs
  ) {
    if peers.receive(peer.index, type, stream, payload, now.instant, &outputs) {
      response(stream, payload, by: peer.index, now, &outputs)
    }
    run(now, &outputs)
  }

  /// What a peer's connection brought is no frame.
  package mutating func receivedGarbage(
    _ error: WireError, from peer: PeerID, now: Now, into outputs: inout ClientOutputs
  ) {
    peers.violatedProtocol(peer.index, error, nil, now.instant, &outputs)
    run(now, &outputs)
  }

  /// A connection is gone, or could not be opened. `refused`: nobody listens there. `because`: what
  /// a person should know of it.
  package mutating func closed(
    _ peer: PeerID, refused: Bool, because: String? = nil, now: Now,
    into outputs: inout ClientOutputs
  ) {
    peers.closed(peer.index, isRefused: refused, because: because, now.instant, &outputs)
    run(now, &outputs)
  }

  /// Someone answered on a connection: is it who it should be?
  private mutating func judge(
    _ peer: Int, _ hello: Hello, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    guard let (reason, problem) = problem(with: hello, from: peer) else {
      routes.learn(clusterID: hello.clusterID)
      peers.accept(peer, hello, now.instant, &outputs)
      return
    }
    let goaway = Goaway(reason, "the client will not use this connection: \(problem)")
    peers.refuse(peer, goaway, problem, now.instant, &outputs)
  }

  private func problem(with hello: Hello, from peer: Int) -> (Goaway.Reason, String)? {
    if hello.role != .node { return (.wrongNode, "that is not a node") }
    if let expected = peers.node(of: peer), expected != hello.node {
      let address = peers.address(of: peer)
      return (.wrongNode, "the node at \(address) says that it is \(hello.node)")
    }
    if routes.clusterID != 0, hello.clusterID != 0, hello.clusterID != routes.clusterID {
      return (.wrongCluster, "it belongs to another cluster: check the endpoints")
    }
    return nil
  }

  private mutating func handle(
    _ event: PeerTable.Event, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    switch event {
    case .hello(let peer, let hello): judge(peer, hello, now, &outputs)
    case .ready(let peer, let waiting):
      for call in waiting { connectionReady(call, to: peer, now, &outputs) }
    case .lost(let peer, let unanswered, let waiting):
      for (stream, call) in unanswered { attemptLost(call, stream, peer, now, &outputs) }
      for call in waiting { connectionFailed(call, to: peer) }
    case .merged(let kept, let dropped):
      for slot in 0..<calls.capacity where calls[slot].route == .peer(dropped) {
        calls[slot].route = .peer(kept)
      }
      routes.rebuild(peers)
    }
  }

  // MARK: Time

  /// What does not hold in one of its links; `nil` where all does. For simulations.
  package mutating func brokenLinkInvariant(now: Now, isAfterTick: Bool = false) -> String? {
    peers.brokenLinkInvariant(now: now.instant, isAfterTick: isAfterTick)
  }

  /// When `tick` is to be called next; `nil` where nothing waits.
  package var nextDeadline: Instant? {
    // Changes nothing, but what is not `mutating` is asked of a copy where a class holds the core.
    mutating get {
      guard let link = peers.nextDeadline else { return calls.nextDeadline }
      return calls.nextDeadline.map { min($0, link) } ?? link
    }
  }

  package mutating func tick(now: Now, into outputs: inout ClientOutputs) {
    peers.tick(now.instant, &outputs)
    while let slot = calls.popDue(now.instant) { waitIsOver(slot, now, &outputs) }
    run(now, &outputs)
  }

  /// Empties the queues of the parts.
  private mutating func run(_ now: Now, _ outputs: inout ClientOutputs) {
    while true {
      while let event = peers.popEvent() { handle(event, now, &outputs) }
      guard let slot = calls.popReady() else { return }
      proceed(slot, now, &outputs)
    }
  }
}
