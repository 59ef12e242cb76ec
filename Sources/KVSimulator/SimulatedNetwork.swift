import KVBase

/// What travels on a connection: the payloads of frames, without their heads.
enum SimulatedFrame: Sendable {
  case hello(Bytes)
  case helloReply(Bytes)
  case goaway(Bytes)
  case peer(Bytes)
  case request(stream: UInt32, Bytes)
  case response(stream: UInt32, Bytes)

  var payload: Bytes {
    switch self {
    case .hello(let bytes), .helloReply(let bytes), .goaway(let bytes), .peer(let bytes): bytes
    case .request(_, let bytes), .response(_, let bytes): bytes
    }
  }

  var name: String {
    switch self {
    case .hello: "HELLO"
    case .helloReply: "HELLO back"
    case .goaway: "GOAWAY"
    case .peer: "PEER"
    case .request(let stream, _): "REQUEST \(stream)"
    case .response(let stream, _): "RESPONSE \(stream)"
    }
  }
}

/// What the network did, so that a run can prove that its faults bit.
package struct NetworkCounts: Sendable, Hashable {
  package var sent: UInt64 = 0
  package var delivered: UInt64 = 0
  package var lost: UInt64 = 0
  package var duplicated: UInt64 = 0
  package var reordered: UInt64 = 0
  package var held: UInt64 = 0
  package var lostWithConnection: UInt64 = 0
  package var delayed: UInt64 = 0
  package var connectionsBroken: UInt64 = 0
}

/// Connections between endpoints (nodes first, then clients) over directed links that can be
/// blocked, slow, or unruly.
///
/// A connection is like TCP: in order, and whole until it breaks. A blocked direction holds what is
/// sent; it is delivered in a burst when the block ends, unless the connection broke before. On an
/// unruly link frames between nodes are lost, doubled and reordered one by one, which is more than
/// a connection does, and no more than the cores must bear.
struct SimulatedNetwork {
  struct Link {
    var blocks = 0
    var slowness = 0
    /// Of a thousand frames.
    var lossPerMille: UInt64 = 0
    var duplicatePerMille: UInt64 = 0
    var reorderPerMille: UInt64 = 0
    var isUnruly: Bool { lossPerMille + duplicatePerMille + reorderPerMille > 0 }
  }

  enum Event: Sendable {
    case arrive(connection: Int, toOpener: Bool, SimulatedFrame)
    /// One side learns that the connection is gone.
    case gone(connection: Int, toOpener: Bool, refused: Bool)
    /// What was held has waited too long.
    case stalled(connection: Int)
    case openTimeout(connection: Int)
  }

  enum Purpose: Sendable { case peer, client }

  struct Connection {
    var opener: Int
    var acceptor: Int
    var purpose: Purpose
    var isOpen = true
    /// HELLO was answered.
    var isEstablished = false
    var isStallScheduled = false
    /// Whether a block holds frames; they stand in `held`.
    var holds = false
    /// A client's connection, or a node that said HELLO; as the acceptor sees it.
    var acceptedNode: NodeID?
    var isAccepted = false
  }

  static let openTimeout: UInt64 = 1_000_000_000

  let endpoints: Int
  private(set) var links: [Link]
  private(set) var connections: [Connection] = []
  /// By connection and direction (2 × id, + 1 towards the opener): when the last frame arrives, and
  /// what a block holds back.
  private var lastArrival: [UInt64] = []
  private var held: [[SimulatedFrame]] = []
  /// Open ones, in order of opening: what a fault walks through.
  private var open: [Int] = []
  var random: SeededRandom
  /// What the caller must schedule.
  var scheduled: [(time: UInt64, event: Event)] = []
  private(set) var counts = NetworkCounts()

  init(endpoints: Int, random: SeededRandom) {
    self.endpoints = endpoints
    self.random = random
    links = Array(repeating: Link(), count: endpoints * endpoints)
  }

  // MARK: Links

  private func at(_ from: Int, _ to: Int) -> Int { from * endpoints + to }

  func isBlocked(from: Int, to: Int) -> Bool { links[at(from, to)].blocks > 0 }

  mutating func block(from: Int, to: Int) { links[at(from, to)].blocks += 1 }

  mutating func unblock(from: Int, to: Int, time: UInt64) {
    links[at(from, to)].blocks -= 1
    precondition(links[at(from, to)].blocks >= 0, "link \(from) to \(to) was not blocked")
    guard !isBlocked(from: from, to: to) else { return }
    for id in open {
      let connection = connections[id]
      guard connection.holds else { continue }
      for toOpener in [false, true] {
        let direction = 2 * id + (toOpener ? 1 : 0)
        guard Self.ends(connection, toOpener: toOpener) == (from, to), !held[direction].isEmpty
        else { continue }
        let frames = held[direction]
        held[direction] = []
        connections[id].holds = !held[direction ^ 1].isEmpty
        for frame in frames { transmit(id, toOpener: toOpener, frame, time: time) }
      }
    }
  }

  mutating func slow(from: Int, to: Int, by milliseconds: Int) {
    links[at(from, to)].slowness += milliseconds
  }

  mutating func makeUnruly(
    from: Int, to: Int, lossPerMille: UInt64, duplicatePerMille: UInt64, reorderPerMille: UInt64
  ) {
    links[at(from, to)].lossPerMille = lossPerMille
    links[at(from, to)].duplicatePerMille = duplicatePerMille
    links[at(from, to)].reorderPerMille = reorderPerMille
  }

  private static func ends(_ connection: Connection, toOpener: Bool) -> (Int, Int) {
    toOpener
      ? (connection.acceptor, connection.opener) : (connection.opener, connection.acceptor)
  }

  // MARK: Connections

  /// Opens a connection and sends HELLO on it, where it is given.
  mutating func open(
    from opener: Int, to acceptor: Int, purpose: Purpose, hello: Bytes? = nil, time: UInt64
  ) -> Int {
    let id = connections.count
    connections.append(Connection(opener: opener, acceptor: acceptor, purpose: purpose))
    lastArrival += [0, 0]
    held += [[], []]
    open.append(id)
    scheduled.append((time + Self.openTimeout, .openTimeout(connection: id)))
    if let hello { send(id, toOpener: false, .hello(hello), time: time) }
    return id
  }

  /// The acceptor answered HELLO.
  mutating func accept(_ id: Int, node: NodeID?) {
    connections[id].isAccepted = true
    connections[id].acceptedNode = node
  }

  mutating func establish(_ id: Int) { connections[id].isEstablished = true }

  mutating func send(_ id: Int, toOpener: Bool, _ frame: SimulatedFrame, time: UInt64) {
    counts.sent += 1
    guard connections[id].isOpen else {
      counts.lostWithConnection += 1
      return
    }
    let (from, to) = Self.ends(connections[id], toOpener: toOpener)
    let link = links[at(from, to)]
    guard link.blocks == 0 else {
      hold(id, toOpener: toOpener, frame, time: time)
      return
    }
    if link.isUnruly, case .peer = frame {
      transmitUnruly(id, link, toOpener: toOpener, frame, time: time)
    } else {
      transmit(id, toOpener: toOpener, frame, time: time)
    }
  }

  private mutating func hold(
    _ id: Int, toOpener: Bool, _ frame: SimulatedFrame, time: UInt64
  ) {
    counts.held += 1
    held[2 * id + (toOpener ? 1 : 0)].append(frame)
    connections[id].holds = true
    guard !connections[id].isStallScheduled else { return }
    connections[id].isStallScheduled = true
    let patience = 400_000_000 + random.below(2_000_000_000)
    scheduled.append((time + patience, .stalled(connection: id)))
  }

  private mutating func delay(_ link: Link) -> UInt64 {
    let draw = random.next()
    var delay = 40_000 + draw & 0x3_FFFF
    // One frame of 256 is late.
    if (draw >> 32) & 0xFF == 0 { delay += 1_000_000 + (draw >> 40) & 0x7F_FFFF }
    if link.slowness > 0 {
      counts.delayed += 1
      delay += UInt64(link.slowness) * (500_000 + (draw >> 20) & 0x7_FFFF)
    }
    return delay
  }

  private mutating func transmit(
    _ id: Int, toOpener: Bool, _ frame: SimulatedFrame, time: UInt64
  ) {
    let (from, to) = Self.ends(connections[id], toOpener: toOpener)
    let direction = 2 * id + (toOpener ? 1 : 0)
    let arrival = max(time + delay(links[at(from, to)]), lastArrival[direction] + 1)
    lastArrival[direction] = arrival
    scheduled.append((arrival, .arrive(connection: id, toOpener: toOpener, frame)))
  }

  private mutating func transmitUnruly(
    _ id: Int, _ link: Link, toOpener: Bool, _ frame: SimulatedFrame, time: UInt64
  ) {
    if random.chance(link.lossPerMille, in: 1000) {
      counts.lost += 1
      return
    }
    if random.chance(link.duplicatePerMille, in: 1000) {
      counts.duplicated += 1
      let again = time + delay(link) + random.below(50_000_000)
      scheduled.append((again, .arrive(connection: id, toOpener: toOpener, frame)))
    }
    if random.chance(link.reorderPerMille, in: 1000) {
      counts.reordered += 1
      let late = time + delay(link) + random.below(50_000_000)
      scheduled.append((late, .arrive(connection: id, toOpener: toOpener, frame)))
      return
    }
    transmit(id, toOpener: toOpener, frame, time: time)
  }

  /// Whether an arriving frame is still wanted.
  mutating func takes(_ id: Int) -> Bool {
    guard connections[id].isOpen else {
      counts.lostWithConnection += 1
      return false
    }
    counts.delivered += 1
    return true
  }

  /// Ends a connection. Who closed it knows; `toOpener` and `toAcceptor` say who must be told, and
  /// whether by the network (which a block keeps back) or by its own time-outs.
  mutating func close(
    _ id: Int, tellOpener: Bool, tellAcceptor: Bool, refused: Bool = false, time: UInt64
  ) {
    guard connections[id].isOpen else { return }
    connections[id].isOpen = false
    if connections[id].holds {
      counts.lostWithConnection += UInt64(held[2 * id].count + held[2 * id + 1].count)
      held[2 * id] = []
      held[2 * id + 1] = []
      connections[id].holds = false
    }
    if let place = open.firstIndex(of: id) { open.remove(at: place) }
    for toOpener in [true, false] where toOpener ? tellOpener : tellAcceptor {
      let (from, to) = Self.ends(connections[id], toOpener: toOpener)
      var delay = delay(links[at(from, to)])
      // The end of a connection does not cross a block: keep-alive finds out.
      if isBlocked(from: from, to: to) { delay += 500_000_000 + random.below(1_000_000_000) }
      scheduled.append(
        (time + delay, .gone(connection: id, toOpener: toOpener, refused: refused)))
    }
  }

  /// What was held has waited long enough: the connection breaks, unless the block has ended.
  mutating func stalled(_ id: Int, time: UInt64) {
    connections[id].isStallScheduled = false
    guard connections[id].holds else { return }
    counts.connectionsBroken += 1
    close(id, tellOpener: true, tellAcceptor: true, time: time)
  }

  /// Breaks every connection that `isChosen`; both sides learn of it.
  mutating func breakConnections(
    time: UInt64, where isChosen: (_ opener: Int, _ acceptor: Int) -> Bool
  ) -> Int {
    let chosen = open.filter { isChosen(connections[$0].opener, connections[$0].acceptor) }
    for id in chosen {
      counts.connectionsBroken += 1
      close(id, tellOpener: true, tellAcceptor: true, time: time)
    }
    return chosen.count
  }

  /// Ends all connections of an endpoint whose process ended. With its power the machine falls
  /// silent, and the others notice only after a while.
  mutating func endpointDied(_ endpoint: Int, losesPower: Bool, time: UInt64) {
    let chosen = open.filter {
      connections[$0].opener == endpoint || connections[$0].acceptor == endpoint
    }
    for id in chosen {
      let told = time + (losesPower ? 200_000_000 + random.below(800_000_000) : 0)
      let isOpener = connections[id].opener == endpoint
      close(id, tellOpener: !isOpener, tellAcceptor: isOpener, time: told)
    }
  }
}
