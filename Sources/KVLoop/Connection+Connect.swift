internal import CLibUV
package import KVBase

/// A connection in the making: the addresses of its name, tried one after the other.
@safe
final class ConnectAttempt {
  let target: HostPort
  var candidates: [SocketAddress] = []
  var nextCandidate = 0
  /// Of the candidate that failed last.
  var failure: LoopError
  var timer: LoopTimer?
  var lookup: UnsafeMutablePointer<uv_getaddrinfo_t>?

  init(target: HostPort) {
    self.target = target
    failure = LoopError(.nameNotFound, attempt: "connect to \(target)")
    unsafe lookup = nil
  }

  func cancel() {
    timer?.close()
    timer = nil
    // Its callback comes in any case, and frees it.
    if let lookup = unsafe lookup {
      unsafe uv_cancel(
        UnsafeMutableRawPointer(lookup).assumingMemoryBound(to: uv_req_t.self))
    }
  }
}

extension Connection {
  /// Connects to `target`, a name or a numeric address. The handler is told by `connectionDidOpen`,
  /// or by `didClose` with `failed`: `refused`, `timedOut`, `unreachable`, `nameNotFound`.
  package static func connect(
    loop: EventLoop, to target: HostPort, timeout: TimeAmount = Limits.connectTimeout,
    handler: any ConnectionHandler
  ) -> Connection {
    let attempt = ConnectAttempt(target: target)
    let connection = Connection(connecting: attempt, loop: loop, handler: handler)
    guard !loop.isStopping else {
      connection.close(reason: .loopStopped)
      return connection
    }
    let timer = LoopTimer(loop: loop) { [weak connection] in
      connection?.close(
        reason: .failed(LoopError(.timedOut, attempt: "connect to \(target)")))
    }
    timer.start(after: timeout)
    attempt.timer = timer
    if let address = SocketAddress(numeric: target.host, port: target.port) {
      attempt.candidates = [address]
      connection.tryNextCandidate(attempt)
    } else {
      connection.lookUp(attempt)
    }
    return connection
  }

  private func connectFailed(_ attempt: ConnectAttempt, _ status: Int32) {
    attempt.failure = LoopError(code: status, attempt: "connect to \(attempt.target)")
    tryNextCandidate(attempt)
  }

  private func tryNextCandidate(_ attempt: ConnectAttempt) {
    releaseRaw()
    guard attempt.nextCandidate < attempt.candidates.count else {
      return close(reason: .failed(attempt.failure))
    }
    let address = attempt.candidates[attempt.nextCandidate]
    attempt.nextCandidate += 1
    var status = unsafe adopt(uv_tcp_t.self) { unsafe uv_tcp_init(loop.raw, $0) }
    guard status == 0 else { return connectFailed(attempt, status) }
    let request = UnsafeMutablePointer<uv_connect_t>.allocate(capacity: 1)
    unsafe request.pointee.data = Unmanaged.passRetained(self).toOpaque()
    status = unsafe address.withSockaddr {
      unsafe uv_tcp_connect(
        request, rawAs(uv_tcp_t.self), $0, { unsafe Connection.didConnect($0, $1) })
    }
    if status != 0 {
      unsafe Unmanaged<Connection>.fromOpaque(request.pointee.data).release()
      unsafe request.deallocate()
      connectFailed(attempt, status)
    }
  }

  private static func didConnect(_ request: UnsafeMutablePointer<uv_connect_t>?, _ status: Int32) {
    guard let request = unsafe request else { return }
    let connection = unsafe Unmanaged<Connection>.fromOpaque(request.pointee.data)
      .takeRetainedValue()
    let handle = unsafe UnsafeMutableRawPointer(request.pointee.handle)
    unsafe request.deallocate()
    connection.loop.noteWork()
    // One that was given up answers too: with `UV_ECANCELED`, for a handle that is no longer ours.
    guard case .connecting(let attempt) = connection.state, unsafe handle == connection.raw else {
      return
    }
    guard status == 0 else { return connection.connectFailed(attempt, status) }
    attempt.cancel()
    connection.state = .open
    connection.setSocketOptions()
    connection.updateReading()
    connection.handler?.connectionDidOpen(connection)
    if connection.output.count > 0 { connection.setNeedsFlush() }
  }

  // MARK: Names

  private func lookUp(_ attempt: ConnectAttempt) {
    let request = UnsafeMutablePointer<uv_getaddrinfo_t>.allocate(capacity: 1)
    unsafe request.pointee.data = Unmanaged.passRetained(self).toOpaque()
    var hints = unsafe addrinfo()
    unsafe hints.ai_family = AF_UNSPEC
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    let status = unsafe uv_getaddrinfo(
      loop.raw, request, { unsafe Connection.didLookUp($0, $1, $2) }, attempt.target.host,
      String(attempt.target.port),
      &hints)
    guard status == 0 else {
      unsafe Unmanaged<Connection>.fromOpaque(request.pointee.data).release()
      unsafe request.deallocate()
      return connectFailed(attempt, status)
    }
    loop.pendingLookups += 1
    unsafe attempt.lookup = request
  }

  private static func didLookUp(
    _ request: UnsafeMutablePointer<uv_getaddrinfo_t>?, _ status: Int32,
    _ found: UnsafeMutablePointer<addrinfo>?
  ) {
    guard let request = unsafe request else { return }
    let connection = unsafe Unmanaged<Connection>.fromOpaque(request.pointee.data)
      .takeRetainedValue()
    unsafe request.deallocate()
    defer { unsafe uv_freeaddrinfo(found) }
    connection.loop.pendingLookups -= 1
    connection.loop.noteWork()
    guard case .connecting(let attempt) = connection.state else { return }
    unsafe attempt.lookup = nil
    guard status == 0 else { return connection.connectFailed(attempt, status) }
    var next = unsafe found
    while let info = unsafe next, attempt.candidates.count < Limits.addressesPerName {
      if let raw = unsafe info.pointee.ai_addr, let address = unsafe SocketAddress(copying: raw) {
        attempt.candidates.append(address)
      }
      unsafe next = info.pointee.ai_next
    }
    connection.tryNextCandidate(attempt)
  }
}
