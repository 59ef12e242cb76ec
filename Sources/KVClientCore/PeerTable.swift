internal import KVBase
internal import KVLink
internal import KVWire

/// The nodes and endpoints that a client knows, with a link to each and the requests on it.
///
/// A peer is dialed when a call asks for it. What becomes of its connection is told by `events`, a
/// queue that the owner empties before an input ends; what the transport has to do stands in the
/// outputs.
///
/// **Suspicion.** A peer that leaves a request unanswered while it answers no other is suspected:
/// calls go elsewhere for a while, then one of them finds out whether it answers again. That is
/// about requests; whether the connection lives is the link's to find out, by PING.
///
/// **Aliases.** An endpoint without an id is bound to a node by its HELLO. Where another peer
/// stands for that node already, one of the two becomes an alias and is never used again.
struct PeerTable: Sendable {
  enum Event {
    /// Someone has to judge who the other side is: `accept` or `refuse`.
    case hello(peer: Int, Hello)
    /// The connection can be used; these calls have waited for it.
    case ready(peer: Int, waiting: [CallRef])
    /// The connection is gone, or could not be made.
    case lost(peer: Int, unanswered: [(stream: UInt32, call: CallRef)], waiting: [CallRef])
    /// `dropped` is an alias of `kept` now: both are the same node.
    case merged(kept: Int, dropped: Int)
  }

  /// Whether a call can go to a peer now.
  enum Standing {
    case ready
    /// Connected, with as many requests as there may be.
    case busy
    /// There is no connection yet.
    case unconnected
    /// It backs off, is suspected, is about to close the connection, or is an alias.
    case unavailable
  }

  private let settings: ClientSettings
  private var random: SeededRandom
  private var peers: [Peer] = []
  /// For look-up only.
  private var indexOfNode: [NodeID: Int] = [:]
  private var events: [Event] = []
  private var nextEvent = 0

  init(settings: ClientSettings, random: SeededRandom) {
    self.settings = settings
    self.random = random
    for endpoint in settings.endpoints { add(endpoint) }
  }

  // MARK: Who there is

  var count: Int { peers.count }

  /// Those that may be asked for anything: at most 64, the width of a round's masks.
  var usable: [Int32] {
    Array(peers.indices.lazy.filter { !peers[$0].isAlias }.prefix(64).map { Int32($0) })
  }

  func index(of node: NodeID) -> Int? { indexOfNode[node] }
  /// The peer that stands for what is at an address that the client was given.
  func index(ofEndpoint address: String) -> Int? {
    guard let index = peers.firstIndex(where: { $0.addresses.isGiven && $0.addresses.has(address) })
    else { return nil }
    guard peers[index].isAlias, let node = peers[index].node else { return index }
    return indexOfNode[node]
  }
  func node(of peer: Int) -> NodeID? { peers[peer].node }
  func name(of peer: Int) -> String { peers[peer].name }
  func address(of peer: Int) -> String { peers[peer].addresses.current }

  private mutating func add(_ endpoint: Endpoint) {
    if let node = endpoint.node, indexOfNode[node] != nil { return }
    if peers.contains(where: { $0.addresses.current == endpoint.address }) { return }
    if let node = endpoint.node { indexOfNode[node] = peers.count }
    append(
      endpoint.node,
      PeerAddresses(endpoint.address, isGiven: true, isOverride: endpoint.node != nil))
  }

  private mutating func append(_ node: NodeID?, _ addresses: PeerAddresses) {
    peers.append(
      Peer(
        node: node, addresses: addresses,
        link: Link(dialing: .dialsAsClient, settings: settings.link, random: random.fork()),
        suspicion: Backoff(
          shortest: settings.link.shortestBackoff, longest: settings.link.longestBackoff,
          random: random.fork())))
  }

  /// A node of the map.
  mutating func learn(_ node: NodeID, _ address: String) {
    if let index = indexOfNode[node] {
      peers[index].addresses.adopt(fromMap: address)
      return
    }
    for index in peers.indices where peers[index].node == nil && !peers[index].isAlias {
      if peers[index].addresses.current == address {
        peers[index].node = node
        indexOfNode[node] = index
        return
      }
    }
    indexOfNode[node] = peers.count
    append(node, PeerAddresses(address, isGiven: false, isOverride: false))
  }

  // MARK: Calls

  func standing(of peer: Int, _ now: Instant) -> Standing {
    if peers[peer].isAlias || now < peers[peer].suspectedUntil { return .unavailable }
    switch peers[peer].link.state {
    case .ready: return peers[peer].streams.isFull ? .busy : .ready
    case .connecting, .greeting, .idle: return .unconnected
    case .draining: return .unavailable
    case .backingOff: return peers[peer].link.isBackingOff(now) ? .unavailable : .unconnected
    }
  }

  func isConnected(_ peer: Int) -> Bool { peers[peer].link.isReady }

  /// The call waits for a connection to a peer that is unconnected: it is dialed, unless it is
  /// already.
  mutating func connect(
    _ peer: Int, for call: CallRef, _ now: Instant, _ outputs: inout ClientOutputs
  ) {
    peers[peer].waiting.append(call)
    carryOut(peers[peer].link.dial(now: now), peer, now, &outputs)
  }

  /// A request of `call` goes out on the connection, which is ready: the stream for it.
  mutating func openStream(_ peer: Int, for call: CallRef, _ now: Instant) -> UInt32 {
    if peers[peer].problem?.kind == .timedOut {
      // This request finds out whether it answers again; the others go elsewhere meanwhile.
      peers[peer].suspectedUntil = now + settings.attemptTimeout
    }
    peers[peer].link.watch(now: now)
    return peers[peer].streams.open(call)
  }

  /// An answer came on a stream: whose it is, where it was asked for.
  mutating func closeStream(_ peer: Int, _ stream: UInt32, _ now: Instant) -> CallRef? {
    guard peers[peer].link.hasTransport, let call = peers[peer].streams.close(stream) else {
      return nil
    }
    if peers[peer].streams.count == 0 { peers[peer].link.unwatch() }
    peers[peer].answeredAt = now
    if peers[peer].problem != nil, peers[peer].link.isReady { peers[peer].clearProblem() }
    return call
  }

  /// The answer was dealt with: a connection that drains may have done its duty.
  mutating func answerHandled(_ peer: Int, _ now: Instant, _ outputs: inout ClientOutputs) {
    guard peers[peer].streams.count == 0 else { return }
    carryOut(peers[peer].link.drained(now: now), peer, now, &outputs)
  }

  /// A request that was sent at `sentAt` should have been answered by now.
  mutating func answerOverdue(_ peer: Int, sentAt: Instant, _ now: Instant) {
    guard peers[peer].answeredAt < sentAt, peers[peer].link.isReady,
      now >= peers[peer].suspectedUntil
    else { return }
    peers[peer].note(.timedOut, now)
    peers[peer].suspectedUntil = now + peers[peer].suspicion.next()
  }

  /// It sent what breaks the protocol: nothing on this connection can be believed. `problem` is for
  /// sentences, where it is more than the error.
  mutating func violatedProtocol(
    _ peer: Int, _ error: WireError, _ problem: String?, _ now: Instant,
    _ outputs: inout ClientOutputs
  ) {
    let action = peers[peer].link.protocolViolation(error, now: now)
    carryOut(action, peer, now, &outputs, problem.map { .other($0) })
  }

  // MARK: Connections

  mutating func opened(
    _ peer: Int, _ hello: Hello, _ now: Instant, _ outputs: inout ClientOutputs
  ) {
    guard peers[peer].link.opened(now: now) == .sendHello else { return }
    let start = outputs.sendBytes.count
    hello.encode(into: &outputs.sendBytes)
    outputs.send(.hello, to: peer, from: start)
  }

  /// A frame came. True where it is a RESPONSE, which is the owner's.
  mutating func receive(
    _ peer: Int, _ type: FrameType, _ stream: UInt32, _ payload: Bytes, _ now: Instant,
    _ outputs: inout ClientOutputs
  ) -> Bool {
    let action = peers[peer].link.receive(type, payload, now: now)
    switch action {
    case .deliver: return true
    case .sendPong:
      let start = outputs.sendBytes.count
      outputs.sendBytes.append(raw: payload)
      outputs.send(.pong, to: peer, stream: stream, from: start)
    default: carryOut(action, peer, now, &outputs)
    }
    return false
  }

  /// The other side is who it should be.
  mutating func accept(
    _ peer: Int, _ hello: Hello, _ now: Instant, _ outputs: inout ClientOutputs
  ) {
    guard peers[peer].link.accept(isWatched: false, now: now) == .none, peers[peer].link.isReady
    else { return }
    peers[peer].answeredAt = now
    peers[peer].clearProblem()
    let waiting = peers[peer].waiting
    peers[peer].waiting = []
    if peers[peer].node == nil { bind(peer, to: hello.node, now, &outputs) }
    events.append(.ready(peer: peer, waiting: waiting))
  }

  /// The other side is not who it should be. `problem` is for sentences.
  mutating func refuse(
    _ peer: Int, _ goaway: Goaway, _ problem: String, _ now: Instant,
    _ outputs: inout ClientOutputs
  ) {
    carryOut(peers[peer].link.refuse(goaway, now: now), peer, now, &outputs, .address(problem))
  }

  /// The transport is gone, or could not be opened. `because`: what a person should know of it.
  mutating func closed(
    _ peer: Int, isRefused: Bool, because: String?, _ now: Instant,
    _ outputs: inout ClientOutputs
  ) {
    let action = peers[peer].link.closed(isRefused: isRefused, now: now)
    carryOut(action, peer, now, &outputs, because.map { .address($0) })
  }

  /// An endpoint turned out to be that node. Where another peer stands for it already, the one that
  /// is connected stays.
  private mutating func bind(
    _ peer: Int, to node: NodeID, _ now: Instant, _ outputs: inout ClientOutputs
  ) {
    peers[peer].node = node
    guard let other = indexOfNode[node], other != peer else {
      indexOfNode[node] = peer
      return
    }
    let (kept, dropped) = peers[other].link.hasTransport ? (other, peer) : (peer, other)
    peers[kept].addresses.merge(peers[dropped].addresses)
    // The dropped one has just connected, or is not open: nothing was sent on it.
    if peers[dropped].link.hasTransport { outputs.steps.append(.close(PeerID(dropped))) }
    _ = peers[dropped].link.hangUp(now: now)
    peers[dropped].isAlias = true
    indexOfNode[node] = kept
    events.append(.merged(kept: kept, dropped: dropped))
  }

  // MARK: Time

  var nextDeadline: Instant? {
    var earliest: Instant?
    for index in peers.indices {
      guard let due = peers[index].link.nextDeadline else { continue }
      earliest = min(earliest ?? due, due)
    }
    return earliest
  }

  mutating func tick(_ now: Instant, _ outputs: inout ClientOutputs) {
    for index in peers.indices { carryOut(peers[index].link.tick(now: now), index, now, &outputs) }
  }

  /// Closes all connections, and forgets what was in flight.
  mutating func shutDown(_ now: Instant, _ outputs: inout ClientOutputs) {
    for index in peers.indices {
      carryOut(peers[index].link.hangUp(now: now), index, now, &outputs)
    }
    events = []
    nextEvent = 0
  }

  // MARK: Events

  /// The next event; `nil` where there is none left.
  mutating func popEvent() -> Event? {
    guard nextEvent < events.count else { return nil }
    let event = events[nextEvent]
    nextEvent += 1
    if nextEvent == events.count {
      events.removeAll(keepingCapacity: true)
      nextEvent = 0
    }
    return event
  }

  /// Does what the link of a peer asks for.
  private mutating func carryOut(
    _ action: LinkAction, _ peer: Int, _ now: Instant, _ outputs: inout ClientOutputs,
    _ problem: PeerProblem.Kind? = nil
  ) {
    switch action {
    case .none: break
    case .open: outputs.steps.append(.connect(PeerID(peer)))
    case .judge(let hello): events.append(.hello(peer: peer, hello))
    case .sendPing: outputs.send(.ping, to: peer, from: outputs.sendBytes.count)
    case .drain(let goaway):
      peers[peer].note(.other(goaway.message), now)
      answerHandled(peer, now, &outputs)
    case .end(let end): self.end(peer, end, now, &outputs, problem)
    case .deliver, .sendHello, .sendPong, .sendGoaway:
      preconditionFailure("the link to \(peers[peer].name) asks for \(action)")
    }
  }

  private mutating func end(
    _ peer: Int, _ end: LinkEnd, _ now: Instant, _ outputs: inout ClientOutputs,
    _ problem: PeerProblem.Kind?
  ) {
    switch end.transport {
    case .gone: break
    case .close: outputs.steps.append(.close(PeerID(peer)))
    case .closeAfter(let goaway):
      let start = outputs.sendBytes.count
      goaway.encode(into: &outputs.sendBytes)
      outputs.send(.goaway, to: peer, from: start)
      outputs.steps.append(.closeAfterSending(PeerID(peer)))
    }
    peers[peer].addresses.advance()
    peers[peer].note(problem ?? PeerProblem.Kind(end), now)
    let waiting = peers[peer].waiting
    peers[peer].waiting = []
    events.append(
      .lost(peer: peer, unanswered: peers[peer].streams.closeAll(), waiting: waiting))
    if end.reopens { outputs.steps.append(.connect(PeerID(peer))) }
  }

  /// What does not hold in a link; `nil` where all does.
  func brokenLinkInvariant(now: Instant, isAfterTick: Bool) -> String? {
    for index in peers.indices {
      if let broken = peers[index].link.brokenInvariant(now: now, isAfterTick: isAfterTick) {
        return "the link to \(address(of: index)): \(broken)"
      }
    }
    return nil
  }

  // MARK: Sentences

  func describe(_ peer: Int, _ now: Instant) -> String { peers[peer].describe(now) }

  /// What to do about those that can't be used, each advice once: `start what is down, …`; `nil`
  /// where there is none.
  func advice(on candidates: [Int32]) -> String? {
    let fitting = candidates.compactMap { peers[Int($0)].obstacle?.advice }
    let texts = PeerProblem.Advice.allCases.filter { fitting.contains($0) }.map(\.text)
    return texts.isEmpty ? nil : texts.joined(separator: "; ")
  }

  /// Each of the usable ones and what is wrong with it.
  func describeUsable(_ now: Instant) -> String {
    usable.prefix(8).map { index in
      let peer = peers[Int(index)]
      return peer.node == nil
        ? peer.describe(now) : "\(peer.describe(now)) at \(peer.addresses.current)"
    }.joined(separator: ", ")
  }
}
