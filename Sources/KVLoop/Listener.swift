internal import CLibUV
internal import Glibc
internal import KVBase

/// What is told of a listener's connections, on its loop's thread.
package protocol ListenerHandler: AnyObject {
  /// A new connection. It gets its `handler` here, else it is closed; reading begins afterwards.
  func listener(_ listener: Listener, didAccept connection: Connection)
  /// There are as many connections as there may be, and one more waits. True: one was closed for
  /// it.
  func listenerMadeRoom(_ listener: Listener) -> Bool
  /// A connection was refused, since there are as many as there may be: to be logged, not often.
  func listener(_ listener: Listener, didRefuse error: LoopError)
}

extension ListenerHandler {
  package func listenerMadeRoom(_ listener: Listener) -> Bool { false }
}

/// Accepts TCP connections, up to a limit that leaves file descriptors for everything else.
///
/// One beyond the limit, for which the handler makes no room, is accepted and closed at once, so
/// that its client tries another node, and at most one in `Limits.refusalPauseMilliseconds`: the
/// others wait in the kernel, at no cost, and are served as soon as there is room. Where
/// descriptors run out all the same, libuv has one in reserve to turn connections away with.
@safe
package final class Listener: LoopHandle, @unchecked Sendable {
  private var handler: (any ListenerHandler)?
  /// At most this many of its connections at one time.
  package let connectionLimit: Int
  package private(set) var connections = 0
  package private(set) var refused: UInt64 = 0
  private var pause: LoopTimer?
  private var isPaused = false
  /// A connection came during the pause, and libuv has it.
  private var holdsOne = false

  /// Listens on a numeric address, or on `localhost`; port 0 chooses one.
  package init(
    loop: EventLoop, on address: HostPort, connectionLimit: Int = Listener.defaultConnectionLimit,
    handler: any ListenerHandler
  ) throws(LoopError) {
    let attempt = "listen on \(address)"
    guard !loop.isStopping else { throw LoopError(.loopStopped, attempt: attempt) }
    let host = address.host == "localhost" ? "127.0.0.1" : address.host
    guard let socketAddress = SocketAddress(numeric: host, port: address.port) else {
      throw LoopError(.invalidAddress, attempt: attempt)
    }
    self.handler = handler
    self.connectionLimit = connectionLimit
    super.init(loop: loop)
    var status = unsafe adopt(uv_tcp_t.self) { unsafe uv_tcp_init(loop.raw, $0) }
    guard status == 0 else { throw LoopError(code: status, attempt: attempt) }
    status = unsafe socketAddress.withSockaddr {
      unsafe uv_tcp_bind(rawAs(uv_tcp_t.self), $0, 0)
    }
    if status == 0 {
      status = unsafe uv_listen(
        rawAs(uv_stream_t.self), Int32(Limits.listenBacklog),
        { unsafe Listener.connectionWaits($0, $1) })
    }
    guard status == 0 else {
      self.handler = nil
      releaseRaw()
      throw LoopError(code: status, attempt: attempt)
    }
    pause = LoopTimer(loop: loop) { [weak self] in self?.pauseEnded() }
  }

  /// The file descriptors that the process may have, less those that others need.
  package static var defaultConnectionLimit: Int {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(7), &limit) == 0 else { return 1024 }
    return max(16, Int(clamping: limit.rlim_cur) - Limits.reservedFileDescriptors)
  }

  /// The port that it listens on.
  package var port: UInt16 {
    loop.checkCurrent()
    guard let tcp = unsafe rawAs(uv_tcp_t.self) else { return 0 }
    return unsafe SocketAddress(asking: { unsafe uv_tcp_getsockname(tcp, $0, $1) })?.port ?? 0
  }

  /// Accepts no more; connections that it accepted stay.
  package func close() {
    loop.checkCurrent()
    pause?.close()
    pause = nil
    releaseRaw()
  }

  override func loopIsStopping() { close() }
  override func didRelease() { handler = nil }

  func connectionDidClose() { connections -= 1 }

  private static func connectionWaits(
    _ stream: UnsafeMutablePointer<uv_stream_t>?, _ status: Int32
  ) {
    guard let data = unsafe stream?.pointee.data else { return }
    let listener = unsafe Unmanaged<Listener>.fromOpaque(data).takeUnretainedValue()
    listener.loop.noteWork()
    if status < 0 { return listener.refuse(LoopError(code: status, attempt: "accept")) }
    if listener.isPaused {
      // Not accepted now: libuv stops listening until it is.
      listener.holdsOne = true
    } else {
      listener.accept()
    }
  }

  private func accept() {
    guard connections < connectionLimit || handler?.listenerMadeRoom(self) == true else {
      Connection(acceptedBy: self)?.close()
      return refuse(
        LoopError(.tooManyFiles, attempt: "accept more than \(connectionLimit) connections"))
    }
    guard let connection = Connection(acceptedBy: self) else { return }
    connections += 1
    connection.listener = self
    handler?.listener(self, didAccept: connection)
    guard connection.handler != nil else { return connection.close() }
    connection.updateReading()
  }

  private func refuse(_ error: LoopError) {
    refused += 1
    isPaused = true
    pause?.start(after: .milliseconds(Limits.refusalPauseMilliseconds))
    handler?.listener(self, didRefuse: error)
  }

  private func pauseEnded() {
    isPaused = false
    guard unsafe raw != nil, holdsOne else { return }
    holdsOne = false
    accept()
  }
}
