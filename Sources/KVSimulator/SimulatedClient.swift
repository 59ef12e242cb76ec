import KVBase
import KVClientCore
import KVWire

/// One client process: the client's core and its connections, as the real client's interpreter runs
/// them, and lanes that each do one operation after the other.
final class SimulatedClient {
  /// An operation that a lane waits for.
  struct Pending {
    var call: CallID
    var operation: PlannedOperation
    var start: UInt64
    /// What was acknowledged to anyone when it began, by group.
    var floors: [UInt64]
    /// What this client had seen of the key's group when it began.
    var after: LogIndex
    /// Of a stale read: how old what it is answered may be.
    var maximumAge: TimeAmount?
  }

  struct Lane {
    var pending: Pending?
    /// The value last seen of each register, for a cas that has a chance.
    var lastSeen: [String: String?] = [:]
  }

  let index: Int
  private let endpoint: Int
  private var core: ClientCore
  private var outputs = ClientOutputs()
  /// Emptied ones, to be used again.
  private var spareOutputs: [ClientOutputs] = []
  var random: SeededRandom
  var lanes: [Lane]
  /// By peer of the core.
  private var connections: [Int?] = []
  private var lastCall: UInt64 = 0
  /// Of its machine: milliseconds.
  private let clockAhead: Int64
  /// Calls that end its sessions: no lane waits for them.
  private var leaving: [CallID] = []
  /// The wake-up that is scheduled.
  private var wakeAt: UInt64 = .max
  var seen: SeenByClient

  init(
    index: Int, endpoint: Int, lanes: Int, groups: Int, settings: ClientSettings,
    clockAhead: Int64, random: SeededRandom
  ) {
    self.index = index
    self.endpoint = endpoint
    self.random = random
    self.clockAhead = clockAhead
    core = ClientCore(
      settings: settings, random: self.random.fork(), now: Self.now(0, clockAhead: clockAhead))
    self.lanes = Array(repeating: Lane(), count: lanes)
    seen = SeenByClient(groups: groups)
  }

  /// The clocks of clients' machines have an exact rate.
  private static func now(_ time: UInt64, clockAhead: Int64) -> Now {
    Now(
      instant: Instant(nanoseconds: time + 1_000_000_000),
      wallMilliseconds: UInt64(
        Int64(SimulatedClock.wallStart + time / 1_000_000) + clockAhead))
  }

  private func now(_ time: UInt64) -> Now { Self.now(time, clockAhead: clockAhead) }

  /// The number of a lane in histories.
  func process(lane: Int) -> Int { index * lanes.count + lane }

  // MARK: Inputs

  func begin(
    _ operation: PlannedOperation, lane: Int, timeout: TimeAmount, _ world: inout World
  ) {
    lastCall += 1
    let call = CallID(lastCall)
    var options = CallOptions(timeout: timeout)
    var after = LogIndex.zero
    var maximumAge: TimeAmount?
    if case .read(let level) = operation.kind {
      options.consistency = level
      if level == .stale {
        maximumAge = Self.maximumAge(of: lastCall)
        options.maximumAge = maximumAge
      }
      if level == .session, let index = seen.index(of: operation.key) {
        after = index
        options.after = after
      }
    }
    lanes[lane].pending = Pending(
      call: call, operation: operation, start: world.time, floors: world.observer.effects.floors,
      after: after, maximumAge: maximumAge)
    world.observer.counts.operations += 1
    world.record(
      10, UInt64(process(lane: lane)), call.rawValue,
      "c\(index + 1).\(lane) asks \(call.rawValue): \(operation.kind) \(operation.key)")
    core.call(
      call, operation.call, options: options, now: now(world.time), into: &outputs)
  }

  /// Ends the sessions of the groups where nothing is in flight; the client goes on.
  func endSessions(_ world: inout World) {
    lastCall += 1
    leaving.append(CallID(lastCall))
    core.call(
      CallID(lastCall), .endSessions, options: CallOptions(timeout: Limits.sessionEndTimeout),
      now: now(world.time), into: &outputs)
  }

  /// Whether the call was one of `endSessions`, which has ended.
  func hasLeft(_ call: CallID) -> Bool {
    guard let position = leaving.firstIndex(of: call) else { return false }
    leaving.remove(at: position)
    return true
  }

  private static func maximumAge(of call: UInt64) -> TimeAmount? {
    switch call % 4 {
    case 0: nil
    case 1: .milliseconds(150)
    case 2: .milliseconds(400)
    default: .seconds(1)
    }
  }

  /// A wake-up is due. False where another one has taken its place.
  func wake(_ world: inout World) -> Bool {
    guard wakeAt == world.time else { return false }
    wakeAt = .max
    let now = now(world.time)
    core.tick(now: now, into: &outputs)
    if world.options.plant == nil,
      let broken = core.brokenLinkInvariant(now: now, isAfterTick: true)
    {
      world.violate(.linkInvariant, "c\(index + 1): \(broken)")
    }
    return true
  }

  /// Something arrived. False where the core was given nothing.
  func receive(_ arrival: ClientArrival, _ world: inout World) -> Bool {
    let now = now(world.time)
    switch arrival {
    case .opened(let connection):
      guard let peer = peer(of: connection) else { return false }
      core.opened(peer, now: now, into: &outputs)
    case .frame(let connection, let frame):
      guard let peer = peer(of: connection), check(frame, &world) else { return false }
      core.received(
        frame.type, stream: frame.stream, frame.payload, from: peer, now: now, into: &outputs)
    case .closed(let connection, let isRefused):
      guard let peer = peer(of: connection) else { return false }
      connections[Int(peer.rawValue)] = nil
      core.closed(peer, refused: isRefused, now: now, into: &outputs)
    }
    return true
  }

  private func peer(of connection: Int) -> PeerID? {
    connections.firstIndex(of: connection).map { PeerID(UInt32($0)) }
  }

  /// Whether the core is to see it: nodes send what can be read.
  private func check(_ frame: Frame, _ world: inout World) -> Bool {
    switch frame.type {
    case .hello where (try? Hello(decoding: frame.payload)) == nil:
      world.violate(.peerProtocol, "a client can't read a node's HELLO")
      return false
    case .response:
      do throws(WireError) {
        _ = try Reply(decoding: frame.payload)
      } catch {
        world.violate(.peerProtocol, "a client can't read a reply: \(error)")
      }
    default: break
    }
    return true
  }

  // MARK: Outputs

  /// Carries out the next steps that the core asks for. The completions with them are to be looked
  /// at, and the outputs given back; `nil`: there are none.
  func carryOutSteps(_ world: inout World) -> ClientOutputs? {
    guard !outputs.isEmpty else { return nil }
    var carried = spareOutputs.popLast() ?? ClientOutputs()
    swap(&carried, &outputs)
    for step in carried.steps { carryOut(step, carried.sendBytes, &world) }
    world.drainNetwork()
    return carried
  }

  func reuse(_ carried: consuming ClientOutputs) {
    carried.removeAll()
    spareOutputs.append(carried)
  }

  private func carryOut(
    _ step: ClientOutputs.Step, _ bytes: ByteWriter, _ world: inout World
  ) {
    switch step {
    case .connect(let peer): connect(peer, &world)
    case .send(let send):
      guard let connection = connection(of: send.peer) else { return }
      let payload = Bytes(Array(bytes.bytes[send.start..<send.end]))
      let frame = Frame(type: send.type, stream: send.stream, payload: payload)
      world.transports.network.send(
        connection, toOpener: false, .frame(frame), time: world.time)
      if world.options.profile.clientsMisuse, send.type == .request {
        misuse(frame, connection, &world)
      }
    case .close(let peer):
      guard let connection = connection(of: peer) else { return }
      connections[Int(peer.rawValue)] = nil
      world.transports.network.close(
        connection, tellOpener: false, tellAcceptor: true, time: world.time)
    case .closeAfterSending(let peer):
      guard let connection = connection(of: peer) else { return }
      connections[Int(peer.rawValue)] = nil
      world.transports.network.closeWhenSent(connection, byOpener: true, time: world.time)
    }
  }

  /// Now and then another command goes out under the number of one.
  private func misuse(_ frame: Frame, _ connection: Int, _ world: inout World) {
    guard random.chance(1, in: 32), let payload = Misuse.request(beside: frame.payload) else {
      return
    }
    world.transports.network.send(
      connection, toOpener: false,
      .frame(
        Frame(type: .request, stream: Misuse.streams | frame.stream, payload: payload)),
      time: world.time)
  }

  private func connection(of peer: PeerID) -> Int? {
    Int(peer.rawValue) < connections.count ? connections[Int(peer.rawValue)] : nil
  }

  private func connect(_ peer: PeerID, _ world: inout World) {
    let at = Int(peer.rawValue)
    while connections.count <= at { connections.append(nil) }
    guard let node = world.transports.node(at: core.address(of: peer)) else { return }
    connections[at] = world.dial(from: endpoint, to: node)
  }

  func scheduleWake(_ world: inout World) {
    guard let deadline = core.nextDeadline else { return }
    let shown = now(world.time).instant.nanoseconds
    let due = world.time + (max(deadline.nanoseconds, shown) - shown)
    guard due < wakeAt, due < UInt64.max / 2 else { return }
    wakeAt = due
    world.schedule(.clientWake(client: index), at: due)
  }
}

/// What a client has learned from receipts.
struct SeenByClient {
  /// By key: the group that serves it.
  private var groups: [String: GroupID] = [:]
  /// By group: the newest index.
  private var indexes: [LogIndex]

  init(groups: Int) { indexes = Array(repeating: .zero, count: groups) }

  /// The newest index seen of the key's group; `nil` where the group is not known.
  func index(of key: String) -> LogIndex? { groups[key].map { indexes[Int($0.rawValue)] } }

  mutating func add(_ receipt: Receipt, of key: String) {
    groups[key] = receipt.group
    let at = Int(receipt.group.rawValue)
    indexes[at] = max(indexes[at], receipt.index)
  }
}
