internal import CLibUV
package import KVBase

extension Connection {
  /// Has `output` sent at the end of the turn, or now where there is much of it.
  package func setNeedsFlush() {
    loop.checkCurrent()
    if output.count >= Limits.flushBytes {
      // Whoever answers many requests in one turn sees in the middle of it that the peer lags.
      writing == 0 ? flush() : updateCongestion()
    }
    guard !flushScheduled else { return }
    flushScheduled = true
    loop.flushLater(self)
  }

  /// Appends `bytes` to what the turn sends.
  package func write(_ bytes: Bytes) {
    output.append(raw: bytes)
    setNeedsFlush()
  }

  /// Sends what is left, then closes: for a last word such as GOAWAY. What the peer still sends is
  /// thrown away. After `limit` it is closed in any case.
  package func closeAfterFlush(within limit: TimeAmount = Limits.closeFlushTimeout) {
    loop.checkCurrent()
    guard case .open = state else { return close() }
    let timer = LoopTimer(loop: loop) { [weak self] in self?.close() }
    timer.start(after: limit)
    state = .finishing(timer)
    updateReading()
    flush()
  }

  func flushNow() {
    flushScheduled = false
    flush()
  }

  /// Gives the socket what it takes at once; the rest goes to libuv as one write, and what comes up
  /// meanwhile waits for that one's end.
  func flush() {
    switch state {
    case .open, .finishing: break
    case .connecting:
      updateCongestion()
      return
    case .closing, .closed:
      output.removeAll()
      return
    }
    if writing == 0 && output.count > 0 { writeOutput() }
    updateCongestion()
    if pendingBytes == 0, case .finishing = state { shutDownSending() }
  }

  private func writeOutput() {
    guard let stream = unsafe rawAs(uv_stream_t.self) else { return }
    let sent = unsafe output.bytes.withUnsafeMutableBytes { bytes in
      var buffer = unsafe uv_buf_t(
        base: bytes.baseAddress?.assumingMemoryBound(to: CChar.self), len: bytes.count)
      return unsafe uv_try_write(stream, &buffer, 1)
    }
    guard sent >= 0 || sent == UV_EAGAIN.rawValue else { return fail(sent, "write") }
    let taken = max(0, Int(sent))
    bytesWritten += UInt64(taken)
    if taken < output.count { unsafe queueRemaining(from: taken, stream: stream) }
    // Memory that one large answer needed is not kept by every connection.
    if output.bytes.capacity > Limits.flushBytes * 2 {
      output = ByteWriter()
    } else {
      output.removeAll()
    }
  }

  private func queueRemaining(from start: Int, stream: UnsafeMutablePointer<uv_stream_t>) {
    let remaining = output.count - start
    // The request, followed by the bytes that it sends.
    let header = unsafe MemoryLayout<uv_write_t>.stride
    let block = unsafe UnsafeMutableRawPointer.allocate(
      byteCount: header + remaining, alignment: MemoryLayout<uv_write_t>.alignment)
    let request = unsafe block.bindMemory(to: uv_write_t.self, capacity: 1)
    let target = unsafe block + header
    unsafe output.bytes.withUnsafeBytes {
      unsafe UnsafeMutableRawBufferPointer(start: target, count: remaining).copyMemory(
        from: UnsafeRawBufferPointer(rebasing: $0[start...]))
    }
    unsafe request.pointee.data = Unmanaged.passRetained(self).toOpaque()
    var buffer = unsafe uv_buf_t(
      base: target.bindMemory(to: CChar.self, capacity: remaining), len: remaining)
    let status = unsafe uv_write(
      request, stream, &buffer, 1, { unsafe Connection.didWrite($0, $1) })
    guard status == 0 else {
      unsafe Self.free(request)
      return fail(status, "write")
    }
    writing = remaining
  }

  private static func didWrite(_ request: UnsafeMutablePointer<uv_write_t>?, _ status: Int32) {
    guard let request = unsafe request else { return }
    let connection = unsafe free(request)
    connection.loop.noteWork()
    connection.bytesWritten += UInt64(connection.writing)
    connection.writing = 0
    if status < 0 { return connection.fail(status, "write") }
    connection.flush()
  }

  @discardableResult
  private static func free(_ request: UnsafeMutablePointer<uv_write_t>) -> Connection {
    let owner = unsafe Unmanaged<Connection>.fromOpaque(request.pointee.data).takeRetainedValue()
    unsafe UnsafeMutableRawPointer(request).deallocate()
    return owner
  }

  private func shutDownSending() {
    guard !sendingShutDown, let stream = unsafe rawAs(uv_stream_t.self) else { return }
    sendingShutDown = true
    let request = UnsafeMutablePointer<uv_shutdown_t>.allocate(capacity: 1)
    let status = unsafe uv_shutdown(request, stream) { request, _ in
      // The peer's end of stream, or the timer, closes the connection.
      unsafe request?.deallocate()
    }
    if status != 0 {
      unsafe request.deallocate()
      close(reason: .requested)
    }
  }
}
