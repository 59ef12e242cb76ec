internal import CLibUV
package import KVBase

/// A TCP connection of a loop.
///
/// Out: append frames to `output` and call `setNeedsFlush`; all that a turn appended leaves in one
/// write at its end. What the socket does not take stays here: above `Limits.congestedBytes` the
/// connection is congested, and above `outputLimit` it is closed.
@safe
package final class Connection: LoopHandle, @unchecked Sendable {
  enum State {
    case connecting(ConnectAttempt)
    case open
    /// What is left is being sent; then the sending half is closed, then all.
    case finishing(LoopTimer)
    /// Waits for libuv to be done with it.
    case closing(CloseReason)
    case closed
  }

  /// Unique on its loop.
  package let id: UInt64
  /// Held until the connection is closed.
  package var handler: (any ConnectionHandler)?
  /// For what the owner keeps with the connection.
  package var context: AnyObject?
  /// What is to be sent.
  package var output = ByteWriter()
  /// Whether reading stops while the peer does not take what it is sent: on for accepted
  /// connections. At most one side may do so, else two that are both congested wait for ever.
  package var pausesWhenCongested: Bool
  package var outputLimit = Limits.connectionOutputBytes

  package private(set) var isCongested = false
  package internal(set) var bytesRead: UInt64 = 0
  package internal(set) var bytesWritten: UInt64 = 0

  var state: State
  /// Bytes of the one write that libuv has in hand.
  var writing = 0
  var flushScheduled = false
  /// No more is sent after what was.
  var sendingShutDown = false
  private var pausedByOwner = false
  private var reading = false
  /// Where it counts against the limit.
  weak var listener: Listener?

  /// For an outgoing connection, which has no handle yet.
  init(connecting attempt: ConnectAttempt, loop: EventLoop, handler: any ConnectionHandler) {
    loop.connectionsMade += 1
    id = loop.connectionsMade
    self.handler = handler
    pausesWhenCongested = false
    state = .connecting(attempt)
    super.init(loop: loop)
  }

  /// Takes the connection that waits at `listener`; `nil` where it has gone.
  init?(acceptedBy listener: Listener) {
    let loop = listener.loop
    loop.connectionsMade += 1
    id = loop.connectionsMade
    pausesWhenCongested = true
    state = .open
    super.init(loop: loop)
    guard unsafe adopt(uv_tcp_t.self, start: { unsafe uv_tcp_init(loop.raw, $0) }) == 0 else {
      return nil
    }
    let status = unsafe uv_accept(listener.rawAs(uv_stream_t.self), rawAs(uv_stream_t.self))
    guard status == 0 else {
      state = .closing(.failed(LoopError(code: status, attempt: "accept a connection")))
      releaseRaw()
      return nil
    }
    setSocketOptions()
  }

  /// Numeric `host:port` of the peer; `nil` where there is none.
  package var remoteAddress: String? { unsafe address(uv_tcp_getpeername) }

  private func address(
    _ ask: (UnsafePointer<uv_tcp_t>?, UnsafeMutablePointer<sockaddr>?, UnsafeMutablePointer<Int32>?)
      -> Int32
  ) -> String? {
    loop.checkCurrent()
    guard let tcp = unsafe rawAs(uv_tcp_t.self) else { return nil }
    return unsafe SocketAddress(asking: { unsafe ask(tcp, $0, $1) })?.description
  }

  package var isOpen: Bool {
    if case .open = state { return true }
    return false
  }

  // MARK: Reading

  /// Stops reading until `resumeReading`; the peer's writes then fill the socket. For tests: a peer
  /// that does not read.
  package func pauseReading() {
    loop.checkCurrent()
    pausedByOwner = true
    updateReading()
  }

  /// For tests: ends `pauseReading`.
  package func resumeReading() {
    loop.checkCurrent()
    pausedByOwner = false
    updateReading()
  }

  /// Starts or stops reading, as the state says.
  func updateReading() {
    guard let stream = unsafe rawAs(uv_stream_t.self) else { return }
    let mustRead =
      switch state {
      case .open: !pausedByOwner && !(isCongested && pausesWhenCongested)
      // Read and thrown away: closing a socket with unread bytes resets the connection, and the
      // peer could lose the last answers.
      case .finishing: true
      case .connecting, .closing, .closed: false
      }
    guard mustRead != reading else { return }
    reading = mustRead
    guard mustRead else {
      unsafe uv_read_stop(stream)
      return
    }
    let status = unsafe uv_read_start(
      stream, { unsafe Connection.allocate($0, $1, $2) }, { unsafe Connection.didRead($0, $1, $2) })
    if status < 0 { fail(status, "read") }
  }

  private static func allocate(
    _ handle: UnsafeMutablePointer<uv_handle_t>?, _: Int,
    _ buffer: UnsafeMutablePointer<uv_buf_t>?
  ) {
    guard let data = unsafe handle?.pointee.data else { return }
    let connection = unsafe Unmanaged<Connection>.fromOpaque(data).takeUnretainedValue()
    let shared = unsafe connection.loop.readBuffer
    unsafe buffer?.pointee.base = shared.baseAddress?.assumingMemoryBound(to: CChar.self)
    unsafe buffer?.pointee.len = shared.count
  }

  private static func didRead(
    _ stream: UnsafeMutablePointer<uv_stream_t>?, _ count: Int, _: UnsafePointer<uv_buf_t>?
  ) {
    guard count != 0, let data = unsafe stream?.pointee.data else { return }
    let connection = unsafe Unmanaged<Connection>.fromOpaque(data).takeUnretainedValue()
    connection.loop.noteWork()
    if count > 0 {
      connection.received(count)
    } else if count == Int(UV_EOF.rawValue) {
      connection.receivedEnd()
    } else {
      connection.fail(Int32(count), "read")
    }
  }

  private func received(_ count: Int) {
    bytesRead += UInt64(count)
    guard case .open = state, let handler else { return }
    let source = unsafe UnsafeRawBufferPointer(rebasing: loop.readBuffer[0..<count])
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { target, initialized in
      unsafe UnsafeMutableRawBufferPointer(target).copyMemory(from: source)
      initialized = count
    }
    handler.connection(self, didRead: Bytes(bytes))
  }

  private func receivedEnd() {
    if case .finishing = state { return close(reason: .requested) }
    close(reason: .endOfStream)
  }

  // MARK: Congestion

  /// Bytes that were given to this connection and not yet to the socket.
  package var pendingBytes: Int { writing + output.count }

  /// Holds what is pending against the limits.
  func updateCongestion() {
    let pending = pendingBytes
    if pending > outputLimit { return close(reason: .outputLimit(bytes: pending)) }
    if !isCongested && pending > Limits.congestedBytes {
      isCongested = true
      updateReading()
    } else if isCongested && pending <= Limits.congestedBytes / 2 {
      isCongested = false
      updateReading()
      if case .open = state { handler?.connectionDidDrain(self) }
    }
  }

  // MARK: Closing

  /// Closes at once; what is pending is lost. The handler is told in a later callback.
  package func close() {
    loop.checkCurrent()
    close(reason: .requested)
  }

  func close(reason: CloseReason) {
    switch state {
    case .closing, .closed: return
    case .connecting(let attempt): attempt.cancel()
    case .finishing(let timer): timer.close()
    case .open: break
    }
    state = .closing(reason)
    reading = false
    output = ByteWriter()
    if unsafe raw != nil {
      releaseRaw()
    } else if !loop.post({ self.didRelease() }) {
      didRelease()
    }
  }

  func fail(_ status: Int32, _ attempt: String) {
    let peer = remoteAddress ?? "a peer that is gone"
    close(reason: .failed(LoopError(code: status, attempt: "\(attempt) (\(peer))")))
  }

  override func loopIsStopping() { close(reason: .loopStopped) }

  override func didRelease() {
    guard case .closing(let reason) = state else { return }
    state = .closed
    listener?.connectionDidClose()
    listener = nil
    let told = handler
    handler = nil
    told?.connection(self, didClose: reason)
    context = nil
  }
}
