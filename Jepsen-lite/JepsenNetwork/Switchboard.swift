internal import KVBase

/// All links, listeners and connections. Whoever calls holds the lock on it: the proxies' thread
/// for a turn, others to change a rule, which then holds for every byte not yet forwarded.
final class Switchboard {
  let poller: Poller
  let isFramed: Bool
  var random: SeededRandom
  private(set) var isClosed = false
  private var links: [LinkName: Link] = [:]
  var listeners: [Listener] = []
  var connections: [ProxyConnection?] = []
  var freeSlots: [Int] = []
  var uses: [UInt32] = []
  var openConnections = 0
  /// Connections whose source is to be found out.
  var unidentified: [UnidentifiedConnection] = []
  /// Kept for the case that the system has no descriptor left, to refuse with.
  var spare: Int32
  var alarms = AlarmQueue()
  var scratch: [UInt8]

  init(poller: Poller, isFramed: Bool, seed: UInt64) {
    self.poller = poller
    self.isFramed = isFramed
    random = SeededRandom(seed: seed)
    scratch = [UInt8](repeating: 0, count: NetworkLimits.readBytes)
    spare = Descriptor.spare()
  }

  func link(_ name: LinkName) -> Link {
    if let known = links[name] { return known }
    let made = Link(name: name)
    links[name] = made
    return made
  }

  // What other threads ask for.

  func listen(_ listener: Listener) throws(NetworkError) {
    guard !isClosed else {
      Descriptor.close(listener.descriptor)
      throw NetworkError("the network is closed")
    }
    let id = ConnectionID(slot: listeners.count, use: 0)
    guard poller.add(listener.descriptor, id.token(of: .listener), Readiness.readable) else {
      Descriptor.close(listener.descriptor)
      throw NetworkError("can't wait for connections")
    }
    listeners.append(listener)
  }

  func set(_ rule: LinkRule, for name: LinkName, now: UInt64) {
    guard !isClosed else { return }
    let link = link(name)
    link.set(rule, now: now)
    for case let connection? in connections {
      for pipe in [connection.forward, connection.backward] {
        if let pipe, pipe.link === link { pipe.ruleChanged(&random) }
      }
      if connection.forward?.link === link || connection.backward?.link === link {
        ruleChanged(connection, now: now)
      }
    }
    rearm()
  }

  func close() {
    isClosed = true
    for case let connection? in connections { drop(connection, resets: true) }
    for listener in listeners { Descriptor.close(listener.descriptor) }
    listeners = []
    unidentified = []
    if spare >= 0 { Descriptor.close(spare) }
    spare = -1
  }

  // The proxies' thread.

  /// Serves what is ready and what is due.
  func turn(_ ready: [Readiness], now: UInt64) {
    for readiness in ready where !isClosed {
      let id = ConnectionID(token: readiness.token)
      switch ConnectionID.End(rawValue: readiness.token & 3) {
      case .listener: acceptAll(id.slot, now: now)
      case .opener: serve(id, readiness.events, now: now) { $0.opener }
      case .onward: serve(id, readiness.events, now: now) { $0.onward }
      case nil: break
      }
    }
    while let alarm = alarms.popFirst(dueAt: now) { ring(alarm, now: now) }
    rearm()
  }

  private func serve(
    _ id: ConnectionID, _ events: UInt32, now: UInt64, _ end: (ProxyConnection) -> Socket
  ) {
    guard let connection = connection(id) else { return }
    serve(connection, end(connection), events, now: now)
  }

  func connection(_ id: ConnectionID) -> ProxyConnection? {
    guard connections.indices.contains(id.slot), let connection = connections[id.slot],
      connection.id == id
    else { return nil }
    return connection
  }

  private func ring(_ alarm: Alarm, now: UInt64) {
    guard let connection = connection(alarm.connection),
      let pipe = alarm.isForward ? connection.forward : connection.backward,
      pipe.alarm == alarm.time
    else { return }
    pipe.alarm = .max
    pump(connection, pipe, now: now)
  }

  /// Looks at a pipe again at that time.
  func schedule(_ connection: ProxyConnection, _ pipe: Pipe, at time: UInt64) {
    guard time < pipe.alarm else { return }
    pipe.alarm = time
    alarms.insert(
      Alarm(time: time, connection: connection.id, isForward: pipe === connection.forward))
  }

  private func rearm() {
    if let time = alarms.newFirst() { poller.wakeUp(at: time) }
  }
}
