import KVBase
import KVWire

/// What travels on a connection, in order.
enum SimulatedItem: Sendable {
  /// The transport is being opened.
  case dial
  /// It was accepted.
  case accepted
  case frame(Frame)
  /// The sender has closed it after everything else that it sent.
  case end

  var payload: Bytes {
    if case .frame(let frame) = self { frame.payload } else { Bytes() }
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
  /// Connections of whose end a side did not learn, and what was sent on them since.
  package var halfOpened: UInt64 = 0
  package var lostHalfOpen: UInt64 = 0
}

/// Connections between endpoints (nodes first, then clients) over directed links that can be
/// blocked, slow, or unruly.
///
/// A connection is like TCP: in order, and whole until it breaks. A blocked direction holds what is
/// sent; it is delivered in a burst when the block ends, unless the connection broke before. On an
/// unruly link frames between nodes are lost, doubled and reordered one by one, which is more than
/// a connection does, and no more than the cores must bear.
///
/// A connection is *half open* when it has ended and a side does not know: what that side sends is
/// lost, and no end ever arrives. Something on the way has forgotten it, or the other machine lost
/// its power; then whoever sends after it is back is told by a reset.
struct SimulatedNetwork {
  struct Link {
    var blocks = 0
    var slowness = 0
    /// What was held back on it, and what it was slow for.
    var held: UInt64 = 0
    var delayed: UInt64 = 0
    /// Of a thousand frames.
    var lossPerMille: UInt64 = 0
    var duplicatePerMille: UInt64 = 0
    var reorderPerMille: UInt64 = 0
    var isUnruly: Bool { lossPerMille + duplicatePerMille + reorderPerMille > 0 }
  }

  enum Event: Sendable {
    case arrive(connection: Int, toOpener: Bool, SimulatedItem)
    /// One side learns that the connection is gone.
    case gone(connection: Int, toOpener: Bool, refused: Bool)
    /// What was held has waited too long.
    case stalled(connection: Int)
  }

  struct Connection {
    var opener: Int
    var acceptor: Int
    var isOpen = true
    /// The other side has answered the attempt to open it.
    var isAccepted = false
    var isStallScheduled = false
    /// Whether a block holds frames; they stand in `held`.
    var holds = false
    /// A side that has closed it, and waits only for what it sent to arrive.
    var hasOpenerLeft = false
    var hasAcceptorLeft = false
    /// It has ended, and a side does not know.
    var isHalfOpen = false
    /// The machine that lost its power is back: it answers a frame of this connection by a reset.
    var isAnsweredByReset = false
  }

  let endpoints: Int
  private(set) var links: [Link]
  private(set) var connections: [Connection] = []
  /// By connection and direction (2 × id, + 1 towards the opener): when the last frame arrives, and
  /// what a block holds back.
  private var lastArrival: [UInt64] = []
  private var held: [[SimulatedItem]] = []
  /// Open ones, in order of opening: what a fault walks through.
  private var open: [Int] = []
  /// By endpoint: connections that are half open since it lost its power.
  private var forgotten: [[Int]]
  var random: SeededRandom
  /// What the caller must schedule.
  var scheduled: [(time: UInt64, event: Event)] = []
  private(set) var counts = NetworkCounts()

  init(endpoints: Int, random: SeededRandom) {
    self.endpoints = endpoints
    self.random = random
    links = Array(repeating: Link(), count: endpoints * endpoints)
    forgotten = Array(repeating: [], count: endpoints)
  }

  // MARK: Links

  private func at(_ from: Int, _ to: Int) -> Int { from * endpoints + to }

  /// What was held back on a link, and sent over it while it was slow, so far.
  func effects(from: Int, to: Int) -> (held: UInt64, delayed: UInt64) {
    (links[at(from, to)].held, links[at(from, to)].delayed)
  }

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

  /// Begins to open a connection.
  mutating func open(from opener: Int, to acceptor: Int, time: UInt64) -> Int {
    let id = connections.count
    connections.append(Connection(opener: opener, acceptor: acceptor))
    lastArrival += [0, 0]
    held += [[], []]
    open.append(id)
    send(id, toOpener: false, .dial, time: time)
    return id
  }

  /// One side closes it, after everything that it has sent; the other side learns of it then.
  mutating func closeWhenSent(_ id: Int, byOpener: Bool, time: UInt64) {
    guard connections[id].isOpen else { return }
    send(id, toOpener: !byOpener, .end, time: time)
    if byOpener {
      connections[id].hasOpenerLeft = true
    } else {
      connections[id].hasAcceptorLeft = true
    }
  }

  mutating func send(_ id: Int, toOpener: Bool, _ item: SimulatedItem, time: UInt64) {
    counts.sent += 1
    guard connections[id].isOpen else {
      sendAfterEnd(id, toOpener: toOpener, time: time)
      return
    }
    if case .accepted = item { connections[id].isAccepted = true }
    let (from, to) = Self.ends(connections[id], toOpener: toOpener)
    let link = links[at(from, to)]
    if link.slowness > 0 { links[at(from, to)].delayed += 1 }
    guard link.blocks == 0 else {
      hold(id, toOpener: toOpener, item, time: time)
      return
    }
    if link.isUnruly, case .frame(let frame) = item, frame.type == .peer {
      transmitUnruly(id, link, toOpener: toOpener, item, time: time)
    } else {
      transmit(id, toOpener: toOpener, item, time: time)
    }
  }

  private mutating func sendAfterEnd(_ id: Int, toOpener: Bool, time: UInt64) {
    counts.lostWithConnection += 1
    guard connections[id].isHalfOpen else { return }
    counts.lostHalfOpen += 1
    let (from, to) = Self.ends(connections[id], toOpener: toOpener)
    guard connections[id].isAnsweredByReset, !isBlocked(from: from, to: to),
      !isBlocked(from: to, to: from)
    else { return }
    connections[id].isAnsweredByReset = false
    let delay = delay(links[at(from, to)]) + delay(links[at(to, from)])
    scheduled.append(
      (time + delay, .gone(connection: id, toOpener: !toOpener, refused: false)))
  }

  private mutating func hold(
    _ id: Int, toOpener: Bool, _ item: SimulatedItem, time: UInt64
  ) {
    counts.held += 1
    let (from, to) = Self.ends(connections[id], toOpener: toOpener)
    links[at(from, to)].held += 1
    held[2 * id + (toOpener ? 1 : 0)].append(item)
    connections[id].holds = true
    guard !connections[id].isStallScheduled else { return }
    connections[id].isStallScheduled = true
    let stallsAfter = 400_000_000 + random.below(2_000_000_000)
    scheduled.append((time + stallsAfter, .stalled(connection: id)))
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
    _ id: Int, toOpener: Bool, _ item: SimulatedItem, time: UInt64
  ) {
    let (from, to) = Self.ends(connections[id], toOpener: toOpener)
    let direction = 2 * id + (toOpener ? 1 : 0)
    let arrival = max(time + delay(links[at(from, to)]), lastArrival[direction] + 1)
    lastArrival[direction] = arrival
    scheduled.append((arrival, .arrive(connection: id, toOpener: toOpener, item)))
  }

  private mutating func transmitUnruly(
    _ id: Int, _ link: Link, toOpener: Bool, _ item: SimulatedItem, time: UInt64
  ) {
    if random.chance(link.lossPerMille, in: 1000) {
      counts.lost += 1
      return
    }
    if random.chance(link.duplicatePerMille, in: 1000) {
      counts.duplicated += 1
      let again = time + delay(link) + random.below(50_000_000)
      scheduled.append((again, .arrive(connection: id, toOpener: toOpener, item)))
    }
    if random.chance(link.reorderPerMille, in: 1000) {
      counts.reordered += 1
      let late = time + delay(link) + random.below(50_000_000)
      scheduled.append((late, .arrive(connection: id, toOpener: toOpener, item)))
      return
    }
    transmit(id, toOpener: toOpener, item, time: time)
  }

  /// Whether what arrives is still expected.
  mutating func delivers(_ id: Int, toOpener: Bool) -> Bool {
    guard connections[id].isOpen, !hasLeft(id, opener: toOpener) else {
      counts.lostWithConnection += 1
      return false
    }
    counts.delivered += 1
    return true
  }

  func hasLeft(_ id: Int, opener: Bool) -> Bool {
    opener ? connections[id].hasOpenerLeft : connections[id].hasAcceptorLeft
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
    if let at = open.firstIndex(of: id) { open.remove(at: at) }
    for toOpener in [true, false] where toOpener ? tellOpener : tellAcceptor {
      guard !hasLeft(id, opener: toOpener) else { continue }
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

  /// Ends every connection that `isChosen` in such a way that at most one side learns of it.
  mutating func halfOpenConnections(
    time: UInt64, where isChosen: (_ opener: Int, _ acceptor: Int) -> Bool
  ) -> Int {
    var count = 0
    for id in open where isChosen(connections[id].opener, connections[id].acceptor) {
      let told = random.below(3)
      halfOpen(id, tellOpener: told == 1, tellAcceptor: told == 2, time: time)
      count += 1
    }
    return count
  }

  private mutating func halfOpen(
    _ id: Int, tellOpener: Bool, tellAcceptor: Bool, time: UInt64
  ) {
    counts.halfOpened += 1
    connections[id].isHalfOpen = true
    close(id, tellOpener: tellOpener, tellAcceptor: tellAcceptor, time: time)
  }

  /// Whether a connection that `opener` has opened to `acceptor` is open.
  func isConnected(from opener: Int, to acceptor: Int) -> Bool {
    open.contains {
      connections[$0].opener == opener && connections[$0].acceptor == acceptor
        && connections[$0].isAccepted && !connections[$0].hasOpenerLeft
        && !connections[$0].hasAcceptorLeft
    }
  }

  /// Ends all connections of an endpoint whose process ended. With its power the machine falls
  /// silent: about half of its connections become half open, and the end of the others is noticed
  /// after a while.
  mutating func endpointDied(_ endpoint: Int, losesPower: Bool, time: UInt64) {
    let chosen = open.filter {
      connections[$0].opener == endpoint || connections[$0].acceptor == endpoint
    }
    for id in chosen {
      let isOpener = connections[id].opener == endpoint
      if losesPower, random.chance(1, in: 2) {
        halfOpen(id, tellOpener: false, tellAcceptor: false, time: time)
        forgotten[endpoint].append(id)
        continue
      }
      let told = time + (losesPower ? 200_000_000 + random.below(800_000_000) : 0)
      close(id, tellOpener: !isOpener, tellAcceptor: isOpener, time: told)
    }
  }

  /// The machine has its power again, and knows none of the connections that it had before.
  mutating func endpointIsBack(_ endpoint: Int) {
    for id in forgotten[endpoint] { connections[id].isAnsweredByReset = true }
    forgotten[endpoint] = []
  }
}
