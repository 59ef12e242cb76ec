import KVBase
import KVNodeCore
import KVWire

/// Transports between endpoints: opening them, what arrives, what ends. What is to be said on them,
/// and when they are opened again, is decided by the cores' links.
extension Simulation {
  /// Puts what the network has decided into the schedule.
  func drainNetwork() {
    for (due, event) in network.scheduled { queue.schedule(.network(event), at: due) }
    network.scheduled.removeAll(keepingCapacity: true)
  }

  func handle(_ event: SimulatedNetwork.Event) {
    switch event {
    case .arrive(let id, let toOpener, let item):
      guard network.delivers(id, toOpener: toOpener) else { return }
      arrive(id, toOpener: toOpener, item)
    case .gone(let id, let toOpener, let refused):
      gone(id, toOpener: toOpener, refused: refused)
    case .stalled(let id):
      network.stalled(id, time: time)
      drainNetwork()
    }
  }

  /// Begins to open a connection; counts it, since a link that fails backs off.
  func dial(from opener: Int, to acceptor: Int) -> Int {
    if let what = dialChecks.dialed(from: opener, to: acceptor, time: time) {
      violate(.backoff, "\(endpointName(opener)) dials \(endpointName(acceptor)) \(what)")
    }
    return network.open(from: opener, to: acceptor, time: time)
  }

  // MARK: Orders of nodes

  func send(_ frame: Frame, on connection: ConnectionID, of node: SimulatedNode) {
    if let dialed = node.dialed.first(where: { $0.core == connection }) {
      network.send(dialed.network, toOpener: false, .frame(frame), time: time)
    } else if connection.rawValue < UInt64(network.connections.count) {
      network.send(Int(connection.rawValue), toOpener: true, .frame(frame), time: time)
    } else {
      counts.framesWithoutConnection += 1
    }
  }

  func carryOut(_ order: NodeOutputs.ConnectionOrder, _ node: SimulatedNode) {
    switch order {
    case .open(let connection, let address):
      guard let peer = nodes.firstIndex(where: { Self.address(of: $0.index) == address }) else {
        return violate(.peerProtocol, "\(node.id) dials \(address), where nobody is")
      }
      let id = dial(from: node.index, to: peer)
      node.dialed.append((connection, id))
    case .close(let connection):
      guard let (id, isOpener) = release(connection, of: node) else { return }
      network.close(id, tellOpener: !isOpener, tellAcceptor: isOpener, time: time)
    case .closeWhenSent(let connection):
      guard let (id, isOpener) = release(connection, of: node) else { return }
      network.closeWhenSent(id, byOpener: isOpener, time: time)
    }
  }

  /// The node's core hears no more of a transport.
  private func release(
    _ connection: ConnectionID, of node: SimulatedNode
  ) -> (network: Int, isOpener: Bool)? {
    if let at = node.dialed.firstIndex(where: { $0.core == connection }) {
      return (node.dialed.remove(at: at).network, true)
    }
    guard connection.rawValue < UInt64(network.connections.count) else { return nil }
    return (Int(connection.rawValue), false)
  }

  // MARK: What arrives

  private func arrive(_ id: Int, toOpener: Bool, _ item: SimulatedItem) {
    let connection = network.connections[id]
    let to = toOpener ? connection.opener : connection.acceptor
    let from = toOpener ? connection.acceptor : connection.opener
    trace.record(
      time, 1, UInt64(id) << 1 | (toOpener ? 1 : 0), XXH3.hash(item.payload),
      "\(endpointName(to)) gets from \(endpointName(from)): \(item.text)")
    if case .end = item {
      network.close(id, tellOpener: false, tellAcceptor: false, time: time)
      return gone(id, toOpener: toOpener, refused: false)
    }
    guard to < nodes.count else {
      switch item {
      case .accepted: clientOpened(to - nodes.count, connection: id)
      case .frame(let frame): clientReceives(to - nodes.count, connection: id, frame)
      case .dial, .end: break
      }
      return
    }
    let node = nodes[to]
    guard node.isRunning else {
      // A machine without power does not answer; one whose process ended refuses.
      if node.hasPower {
        network.close(id, tellOpener: true, tellAcceptor: false, refused: true, time: time)
        drainNetwork()
      }
      return
    }
    guard let name = coreName(of: id, toOpener: toOpener, at: node) else { return }
    switch item {
    case .dial:
      network.send(id, toOpener: true, .accepted, time: time)
      drainNetwork()
      arrives(.core(.accepted(name, from: endpointName(from))), at: node)
    case .accepted: arrives(.core(.opened(name)), at: node)
    case .frame(let frame): arrives(.core(.frame(name, frame)), at: node)
    case .end: break
    }
  }

  /// What the node's core calls a connection; `nil` where it has given it up.
  private func coreName(of id: Int, toOpener: Bool, at node: SimulatedNode) -> ConnectionID? {
    guard toOpener else { return ConnectionID(UInt64(id)) }
    return node.dialed.first { $0.network == id }?.core
  }

  private func gone(_ id: Int, toOpener: Bool, refused: Bool) {
    let connection = network.connections[id]
    let to = toOpener ? connection.opener : connection.acceptor
    trace.record(
      time, 2, UInt64(id) << 1 | (toOpener ? 1 : 0), refused ? 1 : 0,
      "\(endpointName(to)) loses connection \(id)\(refused ? " (refused)" : "")")
    guard to < nodes.count else {
      clientLoses(to - nodes.count, connection: id, refused: refused)
      return
    }
    let node = nodes[to]
    guard let name = coreName(of: id, toOpener: toOpener, at: node) else { return }
    node.dialed.removeAll { $0.core == name }
    give(.core(.closed(name, isRefused: refused)), to: node)
  }

  func endpointName(_ endpoint: Int) -> String {
    endpoint < nodes.count ? "n\(endpoint + 1)" : "c\(endpoint - nodes.count + 1)"
  }
}
