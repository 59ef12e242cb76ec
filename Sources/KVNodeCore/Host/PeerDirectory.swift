internal import KVBase
internal import KVCommand
internal import KVLink
internal import KVWire

/// The other nodes: the link that this node keeps to each, and sends on. Who they are comes from
/// the map (`set`), before there is one from what the node was started with; the links that they
/// keep to this one are `InboundLinks`.
struct PeerDirectory: Sendable {
  private struct Peer: Sendable {
    let node: NodeID
    var address: String
    var link: Link
    /// The transport of the link, where there is one or one was asked for.
    var connection: ConnectionID?
    /// Since when the link is ready, or is not.
    var since: Instant
    /// What its HELLO said of it; the incarnation is 0 before it was met.
    var announced: MemberRecord

    mutating func announce(_ hello: Hello) {
      announced.incarnation = hello.incarnation
      announced.address = hello.address
    }
  }

  /// A link's end, as far as others than the link must know of it.
  enum Change: Sendable {
    case none
    case judge(NodeID, Hello)
    case up(NodeID, ConnectionID)
    case down(NodeID, LinkEnd)
  }

  private var peers: [Peer]
  /// Dialed transports are named by this node, accepted ones by the interpreter: the highest bit
  /// tells them apart.
  private var nextConnection: UInt64 = 1 << 63

  private var random: SeededRandom

  init(random: SeededRandom) {
    peers = []
    self.random = random
  }

  var nodes: [NodeID] { peers.map(\.node) }
  func owns(_ connection: ConnectionID) -> Bool { connection.rawValue >= 1 << 63 }
  func announced(by node: NodeID) -> MemberRecord {
    peers.first { $0.node == node }?.announced
      ?? MemberRecord(node: node, incarnation: 0, address: "")
  }

  func address(of node: NodeID) -> String { peers.first { $0.node == node }?.address ?? "" }
  /// Those that there is no link to.
  var unreachable: [NodeID] { peers.filter { !$0.link.isReady }.map(\.node) }

  func reports(now: Instant) -> [NodeReport.Peer] {
    peers.map {
      NodeReport.Peer(
        node: $0.node, isConnected: $0.link.isReady,
        sinceMilliseconds: (now - $0.since).milliseconds)
    }
  }

  /// What does not hold in a link; `nil` where all does.
  func brokenInvariant(now: Instant, isAfterTick: Bool) -> String? {
    for at in peers.indices {
      if let broken = peers[at].link.brokenInvariant(now: now, isAfterTick: isAfterTick) {
        return "the link to \(peers[at].node): \(broken)"
      }
    }
    return nil
  }

  // MARK: Events

  /// These are the other nodes from now on: dials those that are new, and closes the links to those
  /// that are no longer there. An address that has changed is used when the link dials again. The
  /// nodes that have left.
  mutating func set(
    _ others: [(node: NodeID, address: String)], hello: Hello, now: Instant,
    _ outputs: inout NodeOutputs
  ) -> [NodeID] {
    var gone: [NodeID] = []
    for at in peers.indices.reversed()
    where !others.contains(where: { $0.node == peers[at].node }) {
      let action = peers[at].link.hangUp(now: now)
      _ = carryOut(action, at, hello: hello, now: now, &outputs)
      gone.append(peers.remove(at: at).node)
    }
    for other in others {
      if let at = peers.firstIndex(where: { $0.node == other.node }) {
        peers[at].address = other.address
        continue
      }
      var link = Link(dialing: .dialsAsNode, settings: .toNode, random: random.fork())
      #if PlantedFaults
        link.plantedFault = plantedFault
      #endif
      let action = link.dial(now: now)
      peers.append(
        Peer(
          node: other.node, address: other.address, link: link, since: now,
          announced: MemberRecord(node: other.node, incarnation: 0, address: "")))
      _ = carryOut(action, peers.count - 1, hello: hello, now: now, &outputs)
    }
    return gone
  }

  /// Another node has dialed this one: it is there, so the way back is worth a try now. It may say
  /// that it serves elsewhere than the map has it: then only it can begin the conversation.
  mutating func appeared(
    _ other: Hello, hello: Hello, now: Instant, _ outputs: inout NodeOutputs
  ) {
    guard let at = peers.firstIndex(where: { $0.node == other.node }) else { return }
    peers[at].announce(other)
    let action = peers[at].link.otherSideAppeared(now: now)
    _ = carryOut(action, at, hello: hello, now: now, &outputs)
  }

  /// Ends the link to a node and makes another one, so that both say anew what they are.
  mutating func dialAgain(
    _ node: NodeID, hello: Hello, now: Instant, _ outputs: inout NodeOutputs
  ) -> Change {
    guard let at = peers.firstIndex(where: { $0.node == node }), peers[at].link.isReady else {
      return .none
    }
    let action = peers[at].link.hangUp(now: now)
    let change = carryOut(action, at, hello: hello, now: now, &outputs)
    let dial = peers[at].link.dial(now: now)
    _ = carryOut(dial, at, hello: hello, now: now, &outputs)
    return change
  }

  mutating func opened(
    _ connection: ConnectionID, hello: Hello, now: Instant, _ outputs: inout NodeOutputs
  ) {
    guard let at = find(connection) else { return }
    let action = peers[at].link.opened(now: now)
    _ = carryOut(action, at, hello: hello, now: now, &outputs)
  }

  mutating func receive(
    _ frame: Frame, on connection: ConnectionID, hello: Hello, now: Instant,
    _ outputs: inout NodeOutputs
  ) -> Change {
    guard let at = find(connection) else { return .none }
    let action = peers[at].link.receive(frame.type, frame.payload, now: now)
    if case .sendPong = action {
      outputs.sendPong(to: frame, on: connection)
      return .none
    }
    return carryOut(action, at, hello: hello, now: now, &outputs)
  }

  mutating func unreadable(
    _ connection: ConnectionID, _ error: WireError, hello: Hello, now: Instant,
    _ outputs: inout NodeOutputs
  ) -> Change {
    guard let at = find(connection) else { return .none }
    let action = peers[at].link.protocolViolation(error, now: now)
    return carryOut(action, at, hello: hello, now: now, &outputs)
  }

  mutating func closed(
    _ connection: ConnectionID, isRefused: Bool, hello: Hello, now: Instant,
    _ outputs: inout NodeOutputs
  ) -> Change {
    guard let at = find(connection) else { return .none }
    let action = peers[at].link.closed(isRefused: isRefused, now: now)
    return carryOut(action, at, hello: hello, now: now, &outputs)
  }

  /// The decision on a HELLO.
  mutating func decide(
    _ node: NodeID, _ hello: Hello, _ problem: Goaway?, own: Hello, now: Instant,
    _ outputs: inout NodeOutputs
  ) -> Change {
    guard let at = peers.firstIndex(where: { $0.node == node }) else { return .none }
    if let problem {
      let action = peers[at].link.refuse(problem, now: now)
      return carryOut(action, at, hello: own, now: now, &outputs)
    }
    _ = peers[at].link.accept(isWatched: true, now: now)
    guard let connection = peers[at].connection, peers[at].link.isReady else { return .none }
    peers[at].announce(hello)
    peers[at].since = now
    return .up(node, connection)
  }

  mutating func tick(hello: Hello, now: Instant, _ outputs: inout NodeOutputs) -> [Change] {
    var changes: [Change] = []
    for at in peers.indices {
      guard let due = peers[at].link.nextDeadline, due <= now else { continue }
      let action = peers[at].link.tick(now: now)
      let change = carryOut(action, at, hello: hello, now: now, &outputs)
      if case .none = change { continue }
      changes.append(change)
    }
    return changes
  }

  private func find(_ connection: ConnectionID) -> Int? {
    peers.firstIndex { $0.connection == connection }
  }

  private mutating func carryOut(
    _ action: LinkAction, _ at: Int, hello: Hello, now: Instant, _ outputs: inout NodeOutputs
  ) -> Change {
    let connection = peers[at].connection
    switch action {
    case .none, .deliver, .sendPong: return .none
    case .open:
      open(at, &outputs)
      return .none
    case .sendHello:
      if let connection { outputs.send(hello, on: connection) }
      return .none
    case .judge(let hello): return .judge(peers[at].node, hello)
    case .sendPing:
      if let connection { outputs.sendPing(on: connection) }
      return .none
    case .sendGoaway(let goaway):
      if let connection { outputs.send(goaway, on: connection) }
      return .none
    case .drain:
      // Messages between nodes have no answers to wait for.
      let action = peers[at].link.drained(now: now)
      return carryOut(action, at, hello: hello, now: now, &outputs)
    case .end(let end):
      close(end.transport, at, &outputs)
      if end.wasReady { peers[at].since = now }
      if end.reopens { open(at, &outputs) }
      return .down(peers[at].node, end)
    }
  }

  private mutating func open(_ at: Int, _ outputs: inout NodeOutputs) {
    let connection = ConnectionID(nextConnection)
    nextConnection += 1
    peers[at].connection = connection
    outputs.connections.append(.open(connection, address: peers[at].address))
  }

  private mutating func close(
    _ transport: LinkEnd.Transport, _ at: Int, _ outputs: inout NodeOutputs
  ) {
    guard let connection = peers[at].connection else { return }
    switch transport {
    case .gone: break
    case .close: outputs.connections.append(.close(connection))
    case .closeAfter(let goaway): outputs.close(connection, saying: goaway)
    }
    peers[at].connection = nil
  }

  #if PlantedFaults
    private var plantedFault: PlantedFault?

    mutating func plant(_ fault: PlantedFault) {
      plantedFault = fault
      for at in peers.indices { peers[at].link.plantedFault = fault }
    }
  #endif
}
