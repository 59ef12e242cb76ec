import KVBase
import KVNodeCore
import KVWire

/// Connections of nodes: HELLO in both directions, what arrives, what ends, and trying again.
extension Simulation {
  /// Puts what the network has decided into the schedule.
  func drainNetwork() {
    for (due, event) in network.scheduled { queue.schedule(.network(event), at: due) }
    network.scheduled.removeAll(keepingCapacity: true)
  }

  func connect(_ node: SimulatedNode, to peer: Int) {
    guard let core = node.core, node.links[peer].connection == nil else { return }
    var writer = ByteWriter()
    core.hello.encode(into: &writer)
    node.links[peer].connection = network.open(
      from: node.index, to: peer, purpose: .peer, hello: writer.take(), time: time)
    drainNetwork()
  }

  func handle(_ event: SimulatedNetwork.Event) {
    switch event {
    case .arrive(let id, let toOpener, let frame):
      guard network.takes(id) else { return }
      arrive(id, toOpener: toOpener, frame)
    case .gone(let id, let toOpener, let refused):
      gone(id, toOpener: toOpener, refused: refused)
    case .stalled(let id):
      network.stalled(id, time: time)
      drainNetwork()
    case .openTimeout(let id):
      guard network.connections[id].isOpen, !network.connections[id].isEstablished else { return }
      network.close(id, tellOpener: true, tellAcceptor: true, time: time)
      drainNetwork()
    }
  }

  private func arrive(_ id: Int, toOpener: Bool, _ frame: SimulatedFrame) {
    let connection = network.connections[id]
    let to = toOpener ? connection.opener : connection.acceptor
    trace.record(
      time, 1, UInt64(id) << 1 | (toOpener ? 1 : 0), XXH3.hash(frame.payload),
      "\(endpointName(to)) gets from "
        + "\(endpointName(toOpener ? connection.acceptor : connection.opener)): \(frame.text)")
    guard to < nodes.count else {
      clientReceives(to - nodes.count, connection: id, frame)
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
    switch frame {
    case .hello(let payload): give(.hello(connection: id, payload), to: node)
    case .peer(let payload): give(.peerFrame(connection: id, payload), to: node)
    case .request(let stream, let payload):
      give(.request(connection: id, stream: stream, payload), to: node)
    case .helloReply(let payload):
      give(.peerHello(peer: connection.acceptor, connection: id, payload), to: node)
    case .goaway(let payload):
      give(.peerGoaway(peer: connection.acceptor, connection: id, payload), to: node)
    case .response: break
    }
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
    if toOpener {
      give(.peerLost(peer: connection.acceptor, connection: id, refused: refused), to: nodes[to])
    } else if connection.purpose == .client, connection.isAccepted {
      give(.clientLost(connection: id), to: nodes[to])
    }
  }

  // MARK: In a turn

  func receiveHello(_ payload: Bytes, _ id: Int, _ node: SimulatedNode, now: Now) {
    guard network.connections[id].isOpen,
      let decision = node.core?.receiveHello(payload, now: now, into: &node.outputs)
    else { return }
    switch decision {
    case .client:
      node.clientConnections += 1
      network.accept(id, node: nil)
    case .node(let peer): network.accept(id, node: peer)
    case .refuse(let goaway):
      var writer = ByteWriter()
      goaway.encode(into: &writer)
      network.send(id, toOpener: true, .goaway(writer.take()), time: time)
      drainNetwork()
      return
    }
    var writer = ByteWriter()
    node.core?.hello.encode(into: &writer)
    network.send(id, toOpener: true, .helloReply(writer.take()), time: time)
    drainNetwork()
  }

  func receivePeer(_ payload: Bytes, _ id: Int, _ node: SimulatedNode, now: Now) {
    guard let peer = network.connections[id].acceptedNode else { return }
    do throws(WireError) {
      try node.core?.receivePeer(from: peer, payload, now: now, into: &node.outputs)
    } catch {
      violate(.peerProtocol, "\(node.id) can't read what \(peer) sent: \(error)")
      network.close(id, tellOpener: true, tellAcceptor: false, time: time)
      drainNetwork()
    }
  }

  func receivePeerHello(
    _ payload: Bytes, _ peer: Int, _ id: Int, _ node: SimulatedNode, now: Now
  ) {
    guard node.links[peer].connection == id, network.connections[id].isOpen else { return }
    let goaway = node.core?.peerConnected(
      nodes[peer].id, hello: payload, now: now, into: &node.outputs)
    if let goaway {
      trace.record(
        time, 8, UInt64(id), 0, "\(node.id) refuses \(nodes[peer].id): \(goaway.message)")
      network.close(id, tellOpener: false, tellAcceptor: true, time: time)
      drainNetwork()
      losePeer(peer, node, refused: false, now: now)
      return
    }
    node.links[peer].isUp = true
    node.links[peer].failures = 0
    network.establish(id)
  }

  func receiveGoaway(
    _ payload: Bytes, _ peer: Int, _ id: Int, _ node: SimulatedNode, now: Now
  ) {
    guard node.links[peer].connection == id, let goaway = try? Goaway(decoding: payload) else {
      return
    }
    trace.record(time, 8, UInt64(id), 1, "\(nodes[peer].id) refuses \(node.id): \(goaway.message)")
    node.core?.peerRefused(nodes[peer].id, goaway, now: now, into: &node.outputs)
    network.close(id, tellOpener: false, tellAcceptor: true, time: time)
    drainNetwork()
    losePeer(peer, node, refused: false, now: now)
  }

  /// The link to a peer is down: tell the core, and try again with back-off.
  func losePeer(_ peer: Int, _ node: SimulatedNode, refused: Bool, now: Now) {
    node.links[peer].connection = nil
    node.links[peer].isUp = false
    node.core?.peerDisconnected(nodes[peer].id, refused: refused, now: now, into: &node.outputs)
    let shift = min(node.links[peer].failures, 4)
    node.links[peer].failures += 1
    let wait: UInt64 = 20_000_000 << shift
    queue.schedule(
      .reconnect(node: node.index, life: node.life, peer: peer),
      at: time + wait / 2 + node.random.below(wait))
  }

  func endpointName(_ endpoint: Int) -> String {
    endpoint < nodes.count ? "n\(endpoint + 1)" : "c\(endpoint - nodes.count + 1)"
  }
}
