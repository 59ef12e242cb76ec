import KVBase
import KVNodeCore

/// What the parts of a run share: time, the network, and what watches. Nodes, clients and faults
/// act on it; it calls none of them.
struct World {
  let options: SimulationOptions
  private var scheduler = Scheduler()
  var observer: Observer
  var transports: Transports
  var muting: LeaderMuting

  init(_ options: SimulationOptions, transports: Transports, muting: LeaderMuting) {
    self.options = options
    self.transports = transports
    self.muting = muting
    observer = Observer(options)
  }

  // MARK: Time

  var time: UInt64 { scheduler.time }
  /// When the load and the faults end.
  var loadEnds: UInt64 { options.seconds * 1_000_000_000 }
  /// The first violation ends a run, where it was asked to.
  var isOver: Bool { options.stopsAtViolation && !observer.violations.isEmpty }

  mutating func schedule(_ event: SimulationEvent, at time: UInt64) {
    scheduler.schedule(event, at: time)
  }

  mutating func nextEvent(until end: UInt64) -> SimulationEvent? {
    guard let event = scheduler.next(until: end) else { return nil }
    observer.counts.events += 1
    return event
  }

  mutating func advance(to end: UInt64) { scheduler.advance(to: end) }

  // MARK: What is observed

  mutating func record(
    _ a: UInt64, _ b: UInt64, _ c: UInt64, _ text: @autoclosure () -> String
  ) {
    observer.record(scheduler.time, a, b, c, text())
  }

  mutating func violate(_ check: Check, _ what: String) {
    observer.violate(check, what, at: scheduler.time)
  }

  mutating func collectFindings() { observer.collectFindings(at: scheduler.time) }

  /// Who leads a group, and in which term; of several the one in the highest.
  func leader(of group: Int) -> (node: Int, term: UInt64)? {
    let replicas = observer.raft.groups[group].replicas
    var best: Int?
    for node in replicas.indices where replicas[node].isLeader && transports.isRunning(node) {
      if best.map({ replicas[node].term > replicas[$0].term }) ?? true { best = node }
    }
    return best.map { ($0, replicas[$0].term) }
  }

  // MARK: The network

  /// Puts what the network has decided into the schedule.
  mutating func drainNetwork() {
    for (due, event) in transports.network.scheduled {
      scheduler.schedule(.network(event), at: due)
    }
    transports.network.scheduled.removeAll(keepingCapacity: true)
  }

  /// Begins to open a connection; a dial too many is a violation, since a link that fails backs
  /// off.
  mutating func dial(from opener: Int, to acceptor: Int) -> Int {
    if let what = transports.countDial(from: opener, to: acceptor, time: time) {
      violate(.backoff, what)
    }
    return transports.network.open(from: opener, to: acceptor, time: time)
  }

  /// Carries out what a node's core asks for.
  mutating func carryOut(_ order: NodeOutputs.ConnectionOrder, of node: Int) {
    switch order {
    case .open(let connection, let address):
      guard let peer = transports.node(at: address) else {
        return violate(.peerProtocol, "n\(node + 1) dials \(address), where nobody is")
      }
      let id = dial(from: node, to: peer)
      transports.dialed(connection, as: id, by: node)
    case .close(let connection): transports.close(connection, of: node, time: time)
    case .closeWhenSent(let connection):
      transports.closeWhenSent(connection, of: node, time: time)
    }
  }

  /// What an event of the network brings, and to whom; `nil` where nobody learns of it.
  mutating func arrival(of event: SimulatedNetwork.Event) -> Arrival? {
    let arrival = transports.arrival(of: event, time: scheduler.time, &observer)
    drainNetwork()
    return arrival
  }
}
