internal import KVBase
internal import KVLink
internal import KVWire

/// The connections that clients and other nodes have opened to this one.
struct InboundLinks: Sendable {
  private enum Party: Sendable, Hashable {
    case unknown
    case client
    case node(NodeID)
  }

  private struct Inbound: Sendable {
    var link: Link
    var party = Party.unknown
    /// The other side's address, for messages.
    let remote: String
    let since: Instant

    /// What the link decides, and whose it is: one look-up in the table for every frame.
    mutating func receive(_ frame: Frame, now: Instant) -> (action: LinkAction, party: Party) {
      (link.receive(frame.type, frame.payload, now: now), party)
    }

    /// `nil`: nothing is due.
    mutating func tickIfDue(now: Instant) -> LinkAction? {
      guard let due = link.nextDeadline, due <= now else { return nil }
      return link.tick(now: now)
    }
  }

  /// What a frame is for.
  enum Delivery: Sendable {
    case none
    case judge(Hello)
    case request
    case peer(NodeID)
  }

  private let clientLimit: Int
  private let node: NodeID
  /// For look-up only.
  private var links: [ConnectionID: Inbound] = [:]
  /// Connections that have something to do at a time, in order of acceptance: all but those of
  /// clients that have said HELLO.
  private var timed: [ConnectionID] = []
  private(set) var clientCount = 0
  private var endedClients: [ConnectionID] = []

  init(node: NodeID, clientLimit: Int) {
    self.node = node
    self.clientLimit = clientLimit
  }

  /// What does not hold in a link; `nil` where all does.
  func brokenInvariant(now: Instant, isAfterTick: Bool) -> String? {
    for connection in links.keys.sorted(by: { $0.rawValue < $1.rawValue }) {
      guard let inbound = links[connection] else { continue }
      if let broken = inbound.link.brokenInvariant(now: now, isAfterTick: isAfterTick) {
        return "the link that \(inbound.remote) opened: \(broken)"
      }
    }
    return nil
  }

  mutating func nextEndedClient() -> ConnectionID? { endedClients.popLast() }

  // MARK: Events

  mutating func accepted(_ connection: ConnectionID, from remote: String, now: Instant) {
    links[connection] = Inbound(link: Link(acceptedAt: now), remote: remote, since: now)
    timed.append(connection)
  }

  mutating func receive(
    _ frame: Frame, on connection: ConnectionID, now: Instant, _ outputs: inout NodeOutputs
  ) -> Delivery {
    // Changed where it stands: what a dictionary yields of itself is a copy on the heap.
    guard let at = links.index(forKey: connection) else { return .none }
    let (action, party) = links.values[at].receive(frame, now: now)
    switch action {
    case .deliver:
      switch party {
      case .client where frame.type == .request: return .request
      case .node(let node): return .peer(node)
      case .client, .unknown: return .none
      }
    case .judge(let hello): return .judge(hello)
    case .sendPong:
      outputs.sendPong(to: frame, on: connection)
    default: carryOut(action, connection, now: now, &outputs)
    }
    return .none
  }

  /// The decision on a HELLO. True where a client or a node was let in.
  mutating func decide(
    _ connection: ConnectionID, _ hello: Hello, _ problem: Goaway?, own: Hello, now: Instant,
    _ outputs: inout NodeOutputs
  ) -> Bool {
    let problem = problem ?? (hello.role == .client ? tooManyClients : nil)
    if let problem {
      let action = links[connection]?.link.refuse(problem, now: now) ?? .none
      carryOut(action, connection, now: now, &outputs)
      return false
    }
    let isNode = hello.role == .node
    guard case .sendHello? = links[connection]?.link.accept(isWatched: isNode, now: now) else {
      return false
    }
    links[connection]?.party = isNode ? .node(hello.node) : .client
    if !isNode {
      clientCount += 1
      timed.removeAll { $0 == connection }
    }
    outputs.send(own, on: connection)
    return true
  }

  private var tooManyClients: Goaway? {
    guard clientCount >= clientLimit else { return nil }
    return Goaway(
      .tooManyClients,
      "node \(node.rawValue) serves \(clientLimit) clients and has files for no more: raise its "
        + "limit of open files, or use fewer connections")
  }

  /// What came is no frame, or the payload of one that can't be decoded.
  mutating func unreadable(
    _ connection: ConnectionID, _ error: WireError, now: Instant, _ outputs: inout NodeOutputs
  ) {
    let action = links[connection]?.link.protocolViolation(error, now: now) ?? .none
    carryOut(action, connection, now: now, &outputs)
  }

  mutating func closed(_ connection: ConnectionID, now: Instant, _ outputs: inout NodeOutputs) {
    let action = links[connection]?.link.closed(isRefused: false, now: now) ?? .none
    carryOut(action, connection, now: now, &outputs)
  }

  mutating func tick(now: Instant, _ outputs: inout NodeOutputs) {
    // Ended ones leave the list while it is walked.
    for connection in timed {
      guard let at = links.index(forKey: connection),
        let action = links.values[at].tickIfDue(now: now)
      else { continue }
      carryOut(action, connection, now: now, &outputs)
    }
  }

  /// There are as many connections as there may be, and one more wants in: closes the oldest that
  /// has said no HELLO. One that has just come is given time, since where many come at once their
  /// HELLOs are not read yet. True where there is room now.
  mutating func makeRoom(now: Instant, _ outputs: inout NodeOutputs) -> Bool {
    guard let oldest = timed.first(where: { links[$0]?.party == .unknown }),
      let since = links[oldest]?.since, now - since >= Limits.helloTimeoutWhenFull
    else { return false }
    let action = links[oldest]?.link.hangUp(now: now) ?? .none
    carryOut(action, oldest, now: now, &outputs)
    return true
  }

  private mutating func carryOut(
    _ action: LinkAction, _ connection: ConnectionID, now: Instant, _ outputs: inout NodeOutputs
  ) {
    switch action {
    case .end(let end): self.end(connection, end, &outputs)
    case .sendPing: outputs.sendPing(on: connection)
    case .drain:
      // What was asked and has no answer yet is not waited for: the other side is leaving.
      let action = links[connection]?.link.drained(now: now) ?? .none
      carryOut(action, connection, now: now, &outputs)
    case .none, .open, .sendHello, .judge, .deliver, .sendPong, .sendGoaway: break
    }
  }

  private mutating func end(
    _ connection: ConnectionID, _ end: LinkEnd, _ outputs: inout NodeOutputs
  ) {
    guard let ended = links.removeValue(forKey: connection) else { return }
    if ended.party == .client {
      clientCount -= 1
      endedClients.append(connection)
    } else {
      timed.removeAll { $0 == connection }
    }
    switch end.transport {
    case .gone: break
    case .close: outputs.connections.append(.close(connection))
    case .closeAfter(let goaway):
      outputs.close(connection, saying: goaway)
      outputs.events.append(.connectionRefused(remote: ended.remote, goaway.message))
    }
  }
}
