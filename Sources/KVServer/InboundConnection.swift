internal import KVBase
internal import KVLoop
internal import KVNodeCore
internal import KVWire

/// A connection that somebody opened to this node: a client's, or another node's. It speaks frames;
/// what they mean is the core's.
///
/// Used on the loop's thread only, which is what makes it safe to hand around.
final class InboundConnection: ConnectionHandler, @unchecked Sendable {
  enum Role {
    case unknown
    case client
    case node(NodeID)
  }

  let connection: Connection
  let since: Instant
  private(set) var role = Role.unknown
  private var decoder = FrameDecoder(limit: Limits.helloFrameBytes)
  private let worker: Worker

  init(_ connection: Connection, worker: Worker, since: Instant) {
    self.connection = connection
    self.worker = worker
    self.since = since
  }

  var id: ConnectionID { ConnectionID(connection.id) }

  func connection(_ connection: Connection, didRead bytes: Bytes) {
    // One entry for everything that one read brought.
    worker.assumeIsolated { worker in
      decoder.feed(bytes)
      do throws(WireError) {
        while connection.isOpen, let frame = try decoder.next() {
          try take(frame, worker)
        }
      } catch {
        refuse(Goaway(.invalidArgument, "these bytes make no sense: \(error)"), worker)
      }
      worker.needsTurn = true
    }
  }

  func connection(_ connection: Connection, didClose reason: CloseReason) {
    worker.assumeIsolated { $0.closed(self) }
  }

  private func take(_ frame: Frame, _ worker: isolated Worker) throws(WireError) {
    switch (frame.type, role) {
    case (.hello, .unknown): greet(frame.payload, worker)
    case (.request, .client):
      worker.core.receiveRequest(
        frame.payload, connection: id, stream: frame.stream, now: SystemClock.now(),
        into: &worker.outputs)
    case (.peer, .node(let peer)):
      try worker.core.receivePeer(
        from: peer, frame.payload, now: SystemClock.now(), into: &worker.outputs)
    case (.ping, .client), (.ping, .node):
      guard frame.payload.count <= Limits.pingBytes else {
        throw .tooLong(what: "ping", length: frame.payload.count, limit: Limits.pingBytes)
      }
      FrameEncoder.append(
        Frame(type: .pong, stream: frame.stream, payload: frame.payload), into: &connection.output)
      connection.setNeedsFlush()
    case (.cancel, .client), (.goaway, _), (.pong, _): break
    case (_, .unknown):
      refuse(Goaway(.failedPrecondition, "the first frame must be HELLO"), worker)
    default:
      refuse(Goaway(.invalidArgument, "a \(frame.type) frame has no place here"), worker)
    }
  }

  private func greet(_ payload: Bytes, _ worker: isolated Worker) {
    switch worker.core.receiveHello(payload, now: SystemClock.now(), into: &worker.outputs) {
    case .refuse(let goaway): refuse(goaway, worker)
    case .client:
      guard worker.clients.count < worker.clientLimit else {
        return refuse(
          Goaway(
            .resourceExhausted,
            "node \(worker.configuration.node.node.rawValue) serves \(worker.clientLimit) clients "
              + "and has files for no more: raise its limit of open files, or use fewer connections"
          ),
          worker, within: .milliseconds(100))
      }
      role = .client
      begin(worker)
      worker.clients[id] = self
    case .node(let peer):
      role = .node(peer)
      begin(worker)
      // It is there, so the way back is worth a try now.
      worker.links.first { $0.peer == peer }?.connectSoon()
    }
  }

  private func begin(_ worker: isolated Worker) {
    worker.silent[connection.id] = nil
    decoder.limit = Limits.frameBytes
    let position = FrameEncoder.begin(.hello, stream: 0, into: &connection.output)
    worker.core.hello.encode(into: &connection.output)
    FrameEncoder.end(position, into: &connection.output)
    connection.setNeedsFlush()
  }

  /// Says why, and closes; after `limit` in any case.
  func refuse(
    _ goaway: Goaway, _ worker: isolated Worker, within limit: TimeAmount = .seconds(2)
  ) {
    worker.reportRefusal(
      "closing the connection from \(connection.remoteAddress ?? "a peer that is gone"): "
        + goaway.message)
    let position = FrameEncoder.begin(.goaway, stream: 0, into: &connection.output)
    goaway.encode(into: &connection.output)
    FrameEncoder.end(position, into: &connection.output)
    connection.closeAfterFlush(within: limit)
  }

  func send(_ type: FrameType, stream: UInt32, _ writer: ByteWriter, _ range: Range<Int>) {
    guard connection.isOpen else { return }
    guard range.count <= Frame.payloadLimit else {
      // Every answer is bounded; one that is not is a fault here, and must not stop the node.
      return connection.close()
    }
    let position = FrameEncoder.begin(type, stream: stream, into: &connection.output)
    connection.output.append(from: writer, range)
    FrameEncoder.end(position, into: &connection.output)
    connection.setNeedsFlush()
  }
}

/// Takes new connections.
final class Acceptor: ListenerHandler {
  private let worker: Worker

  init(worker: Worker) { self.worker = worker }

  func listener(_ listener: Listener, didAccept connection: Connection) {
    worker.assumeIsolated { worker in
      let inbound = InboundConnection(connection, worker: worker, since: SystemClock.instant())
      connection.handler = inbound
      worker.silent[connection.id] = inbound
    }
  }

  /// A connection that says nothing makes room for one that may; who has just come is given time,
  /// since where many come at once their HELLOs are not read yet.
  func listenerMadeRoom(_ listener: Listener) -> Bool {
    worker.assumeIsolated { worker in
      guard let oldest = worker.silent.keys.min(), let inbound = worker.silent[oldest],
        SystemClock.instant() - inbound.since >= Limits.helloPatienceWhenFull
      else { return false }
      worker.reportRefusal(
        "there are as many connections as there may be (\(listener.connectionLimit)): closing "
          + "those that say no HELLO, \(worker.silent.count) now")
      worker.silent[oldest] = nil
      inbound.connection.close()
      return true
    }
  }

  func listener(_ listener: Listener, didRefuse error: LoopError) {
    worker.assumeIsolated { worker in
      worker.reportRefusal(
        "refusing connections: there are as many as there may be (\(listener.connectionLimit))")
    }
  }
}

extension Worker {
  func closed(_ inbound: InboundConnection) {
    silent[inbound.connection.id] = nil
    if clients.removeValue(forKey: inbound.id) != nil { core.clientDisconnected(inbound.id) }
  }

  func reportRefusal(_ text: @autoclosure () -> String) {
    guard let leftOut = refusedReports.take(SystemClock.instant()) else { return }
    report(text() + (leftOut > 0 ? " (\(leftOut) more like it were not logged)" : ""))
  }

  /// Connections that never say HELLO are not kept.
  func expireSilent(now: Instant) {
    guard !silent.isEmpty else { return }
    for inbound in silent.values where now - inbound.since > Limits.helloPatience {
      inbound.refuse(
        Goaway(.deadlineExceeded, "no HELLO within \(Limits.helloPatience)"), self)
      silent[inbound.connection.id] = nil
    }
  }
}

/// At most one report in a while, so that a flood does not fill the log.
struct RateLimit {
  let interval: TimeAmount
  private var last: Instant?
  private var leftOut = 0

  init(every interval: TimeAmount) { self.interval = interval }

  /// How many were left out since the last one; `nil`: this one is too.
  mutating func take(_ now: Instant) -> Int? {
    if let last, now - last < interval {
      leftOut += 1
      return nil
    }
    last = now
    defer { leftOut = 0 }
    return leftOut
  }
}
