internal import KVBase
internal import KVLoop
internal import KVNodeCore
internal import KVWire

/// A TCP connection of a node, in either direction: it turns bytes into frames for the core and the
/// core's frames into bytes. What is said on it, and when it ends, is decided by the core's links.
///
/// Used on the loop's thread only, which is what makes it safe to hand around.
final class Transport: ConnectionHandler, @unchecked Sendable {
  let id: ConnectionID
  private var connection: Connection?
  private var decoder: FrameDecoder
  private let worker: Worker

  /// One that somebody opened to this node. Before HELLO its frames are small.
  init(accepted connection: Connection, worker: Worker) {
    id = ConnectionID(connection.id)
    self.connection = connection
    self.worker = worker
    decoder = FrameDecoder(limit: Limits.helloFrameBytes)
  }

  /// One that this node opens to another one.
  init(dialing id: ConnectionID, _ target: HostPort, worker: Worker) {
    self.id = id
    self.worker = worker
    decoder = FrameDecoder(requiresChecksums: true)
    // The core gives up earlier.
    let connection = Connection.connect(
      loop: worker.loop, to: target, timeout: .seconds(10), handler: self)
    connection.outputLimit = Limits.peerOutputBytes
    self.connection = connection
  }

  // MARK: What the core asks for

  func send(_ type: FrameType, stream: UInt32, _ payload: Bytes) {
    guard let connection, connection.isOpen else { return }
    // Who is greeted may send more than HELLO.
    if type == .hello { decoder.limit = Limits.frameBytes }
    FrameEncoder.append(
      Frame(type: type, stream: stream, payload: payload), into: &connection.output)
    connection.setNeedsFlush()
  }

  func send(_ type: FrameType, stream: UInt32, _ writer: ByteWriter, _ range: Range<Int>) {
    guard let connection, connection.isOpen else { return }
    guard range.count <= Frame.payloadLimit else {
      // Every answer is bounded; one that is not is a fault here, and must not stop the node.
      return connection.close()
    }
    let position = FrameEncoder.begin(type, stream: stream, into: &connection.output)
    connection.output.append(from: writer, range)
    FrameEncoder.end(position, into: &connection.output)
    connection.setNeedsFlush()
  }

  /// Closes it; the core is told nothing more of it.
  func close() {
    let closed = connection
    connection = nil
    closed?.close()
  }

  /// Closes it when what was sent has left, or soon after.
  func closeWhenSent() {
    let closed = connection
    connection = nil
    closed?.closeAfterFlush(within: .milliseconds(500))
  }

  // MARK: What happens to it

  func connectionDidOpen(_ connection: Connection) {
    worker.assumeIsolated { $0.give(.opened(id)) }
  }

  func connection(_ connection: Connection, didRead bytes: Bytes) {
    guard self.connection != nil else { return }
    // One entry for everything that one read brought.
    worker.assumeIsolated { worker in
      decoder.feed(bytes)
      do throws(WireError) {
        while let frame = try decoder.next() { worker.give(.frame(id, frame)) }
      } catch {
        worker.give(.unreadable(id, error))
      }
    }
  }

  func connection(_ connection: Connection, didClose reason: CloseReason) {
    guard self.connection != nil else { return }
    self.connection = nil
    var isRefused = false
    var because: String?
    if case .failed(let error) = reason {
      isRefused = error.kind == .refused
      if error.kind == .nameNotFound || error.kind == .unreachable { because = error.description }
    }
    worker.assumeIsolated { $0.transportClosed(id, isRefused: isRefused, because: because) }
  }
}

/// Takes new connections.
final class Acceptor: ListenerHandler {
  private let worker: Worker

  init(worker: Worker) { self.worker = worker }

  func listener(_ listener: Listener, didAccept connection: Connection) {
    worker.assumeIsolated { $0.accepted(connection) }
  }

  func listenerMadeRoom(_ listener: Listener) -> Bool {
    worker.assumeIsolated { $0.makeRoom(limit: listener.connectionLimit) }
  }

  func listener(_ listener: Listener, didRefuse error: LoopError) {
    worker.assumeIsolated {
      $0.reportRefusal(
        "refusing connections: there are as many as there may be (\(listener.connectionLimit))")
    }
  }
}

/// The transports of a node, between its core and the loop.
extension Worker {
  func accepted(_ connection: Connection) {
    let transport = Transport(accepted: connection, worker: self)
    connection.handler = transport
    transports[transport.id] = transport
    give(.accepted(transport.id, from: connection.remoteAddress ?? "a peer that is gone"))
  }

  func transportClosed(_ id: ConnectionID, isRefused: Bool, because: String?) {
    transports[id] = nil
    give(.closed(id, isRefused: isRefused, because: because))
  }

  func makeRoom(limit: Int) -> Bool {
    let before = outputs.connections.count
    guard core.makeRoom(now: SystemClock.now(), into: &outputs) else { return false }
    reportRefusal(
      "there are as many connections as there may be (\(limit)): closing those that say no HELLO")
    // The new one takes the place now, and not at the turn's end; what was asked for before keeps
    // its order after the frames of the turn.
    carryOut(Array(outputs.connections[before...]))
    outputs.connections.removeSubrange(before...)
    return true
  }

  func sendFrames(_ asked: inout NodeOutputs) {
    for frame in asked.frames {
      transports[frame.connection]?.send(frame.type, stream: frame.stream, frame.payload)
    }
    asked.peerFrames.forEach { connection, writer, range in
      transports[connection]?.send(.peer, stream: 0, writer, range)
    }
    for reply in asked.replies {
      transports[reply.connection]?.send(
        .response, stream: reply.stream, asked.replyBytes, reply.start..<reply.end)
    }
  }

  func carryOut(_ orders: [NodeOutputs.ConnectionOrder]) {
    for order in orders {
      switch order {
      case .open(let id, let address):
        if let target = HostPort(parsing: address) {
          transports[id] = Transport(dialing: id, target, worker: self)
        } else {
          report("warning: '\(address)' is not host:port")
          give(.closed(id, isRefused: false))
        }
      case .close(let id): transports.removeValue(forKey: id)?.close()
      case .closeWhenSent(let id): transports.removeValue(forKey: id)?.closeWhenSent()
      }
    }
  }

  func reportRefusal(_ text: String, from remote: String? = nil) {
    guard let leftOut = refusedReports.take(text, SystemClock.instant()) else { return }
    report(
      (remote.map { "closing the connection from \($0): " } ?? "") + text
        + (leftOut > 0 ? " (\(leftOut) more like it were not logged)" : ""))
  }
}

/// Which refusals of connections are logged: those of another reason at most once a second, and
/// those of the same reason, such as a node that tries again and again, once in a minute.
struct RefusalReports {
  private var ofAll = RateLimit(every: .seconds(1))
  private var ofOne: [(text: String, limit: RateLimit)] = []
  /// The reasons that are remembered; with more, the oldest is forgotten.
  private static let kept = 16

  /// How many like it were left out since the last one; `nil`: this one is too.
  mutating func take(_ text: String, _ now: Instant) -> Int? {
    if let at = ofOne.firstIndex(where: { $0.text == text }) { return ofOne[at].limit.take(now) }
    guard let leftOut = ofAll.take(now) else { return nil }
    if ofOne.count == Self.kept { ofOne.removeFirst() }
    var limit = RateLimit(every: .seconds(60))
    _ = limit.take(now)
    ofOne.append((text, limit))
    return leftOut
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
