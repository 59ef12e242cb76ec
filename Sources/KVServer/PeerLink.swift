internal import KVBase
internal import KVLoop
internal import KVNodeCore
internal import KVWire

/// The connection that this node keeps open to another one, and sends to it on.
///
/// Used on the loop's thread only, which is what makes it safe to hand around.
final class PeerLink: ConnectionHandler, @unchecked Sendable {
  let peer: NodeID
  private let address: String
  private let worker: Worker
  private var connection: Connection?
  private var decoder = FrameDecoder()
  /// Its HELLO was accepted.
  private var isReady = false
  private var backoff = PeerLink.shortestBackoff
  private var retryAt: Instant?
  /// When the connection was opened or the other side was last heard from, and last asked.
  private var heardAt = Instant.zero
  private var askedAt = Instant.zero

  private static let shortestBackoff = TimeAmount.milliseconds(20)
  private static let longestBackoff = TimeAmount.milliseconds(500)

  init(worker: Worker, peer: NodeID, address: String) {
    self.worker = worker
    self.peer = peer
    self.address = address
  }

  func connect() {
    guard connection == nil, let target = HostPort(parsing: address) else { return }
    retryAt = nil
    isReady = false
    decoder = FrameDecoder(requiresChecksums: true)
    let connection = Connection.connect(
      loop: worker.loop, to: target, timeout: .seconds(1), handler: self)
    connection.outputLimit = Limits.peerOutputBytes
    self.connection = connection
  }

  /// The other side has shown itself: no need to wait.
  func connectSoon() {
    guard connection == nil else { return }
    backoff = Self.shortestBackoff
    connect()
  }

  /// A connection that is open and silent is made anew: after a partition, TCP alone would wait for
  /// its own, long time-outs.
  func tick(now: Instant) {
    if let retryAt, now >= retryAt { connect() }
    guard let connection, connection.isOpen else { return }
    if now - heardAt > Limits.peerPatience { return connection.close() }
    guard isReady, now - askedAt > Limits.peerPingInterval else { return }
    askedAt = now
    FrameEncoder.append(Frame(type: .ping, stream: 0, payload: Bytes()), into: &connection.output)
    connection.setNeedsFlush()
  }

  func send(_ payload: Bytes) {
    guard isReady, let connection, connection.isOpen else { return }
    let position = FrameEncoder.begin(.peer, stream: 0, into: &connection.output)
    connection.output.append(raw: payload)
    FrameEncoder.end(position, into: &connection.output)
    connection.setNeedsFlush()
  }

  func connectionDidOpen(_ connection: Connection) {
    worker.assumeIsolated { worker in
      heardAt = SystemClock.instant()
      let position = FrameEncoder.begin(.hello, stream: 0, into: &connection.output)
      worker.core.hello.encode(into: &connection.output)
      FrameEncoder.end(position, into: &connection.output)
      connection.setNeedsFlush()
    }
  }

  func connection(_ connection: Connection, didRead bytes: Bytes) {
    worker.assumeIsolated { worker in
      heardAt = SystemClock.instant()
      decoder.feed(bytes)
      do throws(WireError) {
        while connection.isOpen, let frame = try decoder.next() {
          take(frame, connection, worker)
        }
      } catch {
        worker.report("node \(peer.rawValue) answers with bytes that make no sense: \(error)")
        connection.close()
      }
      worker.needsTurn = true
    }
  }

  private func take(_ frame: Frame, _ connection: Connection, _ worker: isolated Worker) {
    let now = SystemClock.now()
    switch frame.type {
    case .hello:
      let goaway = worker.core.peerConnected(
        peer, hello: frame.payload, now: now, into: &worker.outputs)
      guard let goaway else {
        isReady = true
        backoff = Self.shortestBackoff
        return
      }
      worker.report("closing the connection to node \(peer.rawValue): \(goaway.message)")
      connection.close()
    case .goaway:
      if let goaway = try? Goaway(decoding: frame.payload) {
        worker.core.peerRefused(peer, goaway, now: now, into: &worker.outputs)
      }
      connection.close()
    default: break
    }
  }

  func connection(_ connection: Connection, didClose reason: CloseReason) {
    worker.assumeIsolated { worker in
      self.connection = nil
      let wasReady = isReady
      isReady = false
      var isRefused = false
      if case .failed(let error) = reason { isRefused = error.kind == .refused }
      let now = SystemClock.now()
      worker.core.peerDisconnected(peer, refused: isRefused, now: now, into: &worker.outputs)
      worker.needsTurn = true
      // A connection that broke is tried again at once: whether that is refused tells a node that
      // is gone from a hiccup of the network.
      if wasReady {
        connect()
      } else {
        retryAt = now.instant + backoff
        backoff = min(backoff * 2, Self.longestBackoff)
      }
    }
  }
}
