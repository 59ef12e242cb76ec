import KVBase
import KVNodeCore
import KVWire

/// What the network brings to an endpoint.
enum Arrival {
  case node(Int, NodeInput)
  case client(Int, ClientArrival)
}

enum ClientArrival {
  case opened(connection: Int)
  case frame(connection: Int, Frame)
  case closed(connection: Int, isRefused: Bool)
}

/// Transports between endpoints: which machine answers, and what nodes and the network call a
/// connection. What is said on them, and when they are opened again, is decided by the cores'
/// links.
///
/// An accepted transport has the network's number as its name in a core; one that a node has opened
/// is named by its core.
struct Transports {
  private struct Machine {
    var isRunning = false
    /// Without it, nobody answers an attempt to connect.
    var hasPower = true
    /// The transports that the node has opened, as its core and as the network name them.
    var dialed: [(core: ConnectionID, network: Int)] = []
  }

  var network: SimulatedNetwork
  private var machines: [Machine]
  private var dials: DialChecks
  private(set) var framesWithoutConnection: UInt64 = 0

  init(nodes: Int, clients: Int, random: SeededRandom) {
    network = SimulatedNetwork(endpoints: nodes + clients, random: random)
    machines = Array(repeating: Machine(), count: nodes)
    dials = DialChecks(endpoints: nodes + clients)
  }

  static func address(of node: Int) -> String { "127.0.0.1:\(7401 + node)" }

  func node(at address: String) -> Int? {
    machines.indices.first { Self.address(of: $0) == address }
  }

  func isRunning(_ node: Int) -> Bool { machines[node].isRunning }

  private func name(_ endpoint: Int) -> String {
    endpoint < machines.count ? "n\(endpoint + 1)" : "c\(endpoint - machines.count + 1)"
  }

  // MARK: Machines

  mutating func powerOn(_ node: Int) {
    if !machines[node].hasPower { network.endpointIsBack(node) }
    machines[node].hasPower = true
    dials.restarted(node)
  }

  mutating func processStarted(_ node: Int) { machines[node].isRunning = true }

  mutating func processEnded(_ node: Int, losesPower: Bool, time: UInt64) {
    machines[node] = Machine(isRunning: false, hasPower: !losesPower)
    network.endpointDied(node, losesPower: losesPower, time: time)
  }

  // MARK: Orders

  /// What is wrong with one more dial; `nil` where nothing is.
  mutating func countDial(from opener: Int, to acceptor: Int, time: UInt64) -> String? {
    dials.dialed(from: opener, to: acceptor, time: time).map {
      "\(name(opener)) dials \(name(acceptor)) \($0)"
    }
  }

  mutating func dialed(_ connection: ConnectionID, as id: Int, by node: Int) {
    machines[node].dialed.append((connection, id))
  }

  mutating func send(
    _ frame: Frame, on connection: ConnectionID, of node: Int, time: UInt64
  ) {
    guard let (id, isOpener) = find(connection, of: node) else {
      framesWithoutConnection += 1
      return
    }
    network.send(id, toOpener: !isOpener, .frame(frame), time: time)
  }

  mutating func close(_ connection: ConnectionID, of node: Int, time: UInt64) {
    guard let (id, isOpener) = release(connection, of: node) else { return }
    network.close(id, tellOpener: !isOpener, tellAcceptor: isOpener, time: time)
  }

  mutating func closeWhenSent(_ connection: ConnectionID, of node: Int, time: UInt64) {
    guard let (id, isOpener) = release(connection, of: node) else { return }
    network.closeWhenSent(id, byOpener: isOpener, time: time)
  }

  private func find(
    _ connection: ConnectionID, of node: Int
  ) -> (network: Int, isOpener: Bool)? {
    if let dialed = machines[node].dialed.first(where: { $0.core == connection }) {
      return (dialed.network, true)
    }
    guard connection.rawValue < UInt64(network.connections.count) else { return nil }
    return (Int(connection.rawValue), false)
  }

  /// The node's core hears no more of a transport.
  private mutating func release(
    _ connection: ConnectionID, of node: Int
  ) -> (network: Int, isOpener: Bool)? {
    let found = find(connection, of: node)
    machines[node].dialed.removeAll { $0.core == connection }
    return found
  }

  // MARK: What arrives

  mutating func arrival(
    of event: SimulatedNetwork.Event, time: UInt64, _ observer: inout Observer
  ) -> Arrival? {
    switch event {
    case .arrive(let id, let toOpener, let item):
      guard network.delivers(id, toOpener: toOpener) else { return nil }
      return delivered(id, toOpener: toOpener, item, time: time, &observer)
    case .gone(let id, let toOpener, let isRefused):
      return ended(id, toOpener: toOpener, isRefused: isRefused, time: time, &observer)
    case .stalled(let id):
      network.stalled(id, time: time)
      return nil
    }
  }

  private mutating func delivered(
    _ id: Int, toOpener: Bool, _ item: SimulatedItem, time: UInt64, _ observer: inout Observer
  ) -> Arrival? {
    let connection = network.connections[id]
    let to = toOpener ? connection.opener : connection.acceptor
    let from = toOpener ? connection.acceptor : connection.opener
    observer.record(
      time, 1, UInt64(id) << 1 | (toOpener ? 1 : 0), XXH3.hash(item.payload),
      "\(name(to)) gets from \(name(from)): \(item.text)")
    if case .end = item {
      network.close(id, tellOpener: false, tellAcceptor: false, time: time)
      return ended(id, toOpener: toOpener, isRefused: false, time: time, &observer)
    }
    guard to < machines.count else {
      switch item {
      case .accepted: return .client(to - machines.count, .opened(connection: id))
      case .frame(let frame): return .client(to - machines.count, .frame(connection: id, frame))
      case .dial, .end: return nil
      }
    }
    guard machines[to].isRunning else {
      // A machine without power does not answer; one whose process ended refuses.
      if machines[to].hasPower {
        network.close(id, tellOpener: true, tellAcceptor: false, refused: true, time: time)
      }
      return nil
    }
    guard let name = coreName(of: id, toOpener: toOpener, at: to) else { return nil }
    switch item {
    case .dial:
      network.send(id, toOpener: true, .accepted, time: time)
      return .node(to, .accepted(name, from: self.name(from)))
    case .accepted: return .node(to, .opened(name))
    case .frame(let frame): return .node(to, .frame(name, frame))
    case .end: return nil
    }
  }

  /// What the node's core calls a connection; `nil` where it has given it up.
  private func coreName(of id: Int, toOpener: Bool, at node: Int) -> ConnectionID? {
    guard toOpener else { return ConnectionID(UInt64(id)) }
    return machines[node].dialed.first { $0.network == id }?.core
  }

  private mutating func ended(
    _ id: Int, toOpener: Bool, isRefused: Bool, time: UInt64, _ observer: inout Observer
  ) -> Arrival? {
    let connection = network.connections[id]
    let to = toOpener ? connection.opener : connection.acceptor
    observer.record(
      time, 2, UInt64(id) << 1 | (toOpener ? 1 : 0), isRefused ? 1 : 0,
      "\(name(to)) loses connection \(id)\(isRefused ? " (refused)" : "")")
    guard to < machines.count else {
      return .client(to - machines.count, .closed(connection: id, isRefused: isRefused))
    }
    guard let name = coreName(of: id, toOpener: toOpener, at: to) else { return nil }
    machines[to].dialed.removeAll { $0.core == name }
    return .node(to, .closed(name, isRefused: isRefused))
  }
}
