internal import KVBase

// How bytes move.
extension Switchboard {
  func serve(_ connection: ProxyConnection, _ end: Socket, _ events: UInt32, now: UInt64) {
    guard end.isOpen else { return }
    switch connection.phase {
    case .identifying, .held:
      // The opener gives up.
      if events & (Readiness.peerEnded | Readiness.failed) != 0 {
        return drop(connection, resets: false)
      }
      if let pipe = connection.forward { receive(connection, pipe, now: now) }
    case .connecting:
      if end === connection.onward {
        connected(connection, now: now)
      } else if events & Readiness.failed != 0 {
        drop(connection, resets: true)
      }
    case .open:
      serveOpen(connection, end, events, now: now)
    }
  }

  private func connected(_ connection: ProxyConnection, now: UInt64) {
    guard Descriptor.error(of: connection.onward.descriptor) == 0 else {
      return drop(connection, resets: true)
    }
    connection.phase = .open
    // What arrived while it was held goes first.
    if let pipe = connection.forward { pump(connection, pipe, now: now) }
    if isLive(connection) { watch(connection) }
  }

  func isLive(_ connection: ProxyConnection) -> Bool {
    connections[connection.id.slot] === connection
  }

  private func serveOpen(
    _ connection: ProxyConnection, _ end: Socket, _ events: UInt32, now: UInt64
  ) {
    guard let incoming = connection.pipe(from: end), let outgoing = connection.pipe(to: end) else {
      return
    }
    if events & Readiness.writable != 0 {
      end.isFull = false
      pump(connection, outgoing, now: now)
      guard isLive(connection) else { return }
    }
    if mustRead(connection, incoming) {
      if events & (Readiness.readable | Readiness.failed) != 0 {
        receive(connection, incoming, now: now)
      }
    } else if events & Readiness.failed != 0 {
      if Descriptor.error(of: end.descriptor) != 0 { return lost(connection, end) }
      // Both directions have ended, and bytes still wait: nothing to watch until they have gone.
      stopWatching(end)
    }
  }

  private func mustRead(_ connection: ProxyConnection, _ pipe: Pipe) -> Bool {
    // Bytes for an end that is gone are read to be lost.
    !pipe.hasEnded && (pipe.room > 0 || (connection.phase == .open && !pipe.sink.isOpen))
  }

  /// Reads once, and forwards what the rule lets through.
  private func receive(_ connection: ProxyConnection, _ pipe: Pipe, now: UInt64) {
    let isLost = connection.phase == .open && !pipe.sink.isOpen
    let room = isLost ? scratch.count : min(scratch.count, pipe.room)
    guard room > 0 else { return watch(connection) }
    // The buffer is taken out while it is used, so that nothing else can touch it.
    var buffer: [UInt8] = []
    swap(&buffer, &scratch)
    defer { swap(&buffer, &scratch) }
    unsafe buffer.withUnsafeMutableBytes { bytes in
      let space = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[..<room])
      switch unsafe Descriptor.receive(pipe.source.descriptor, into: space) {
      case .wait: break
      case .failed: lost(connection, pipe.source)
      case .ended: ended(connection, pipe, now: now)
      case .moved(let count):
        if isLost {
          pipe.link.counters.blockedBytes += UInt64(count)
          break
        }
        let arrived = unsafe UnsafeMutableRawBufferPointer(rebasing: space[..<count])
        unsafe receive(connection, pipe, arrived, now: now)
      }
    }
  }

  private func receive(
    _ connection: ProxyConnection, _ pipe: Pipe, _ bytes: UnsafeMutableRawBufferPointer,
    now: UInt64
  ) {
    let isFirst = isFramed && pipe.shuffler.tracker.completed == 0
    let rule = pipe.link.rule
    if connection.phase == .open, pipe.link.isPlain, pipe.isIdle, !pipe.sink.isFull {
      if isFramed { unsafe pipe.shuffler.pass(UnsafeRawBufferPointer(bytes)) }
      return unsafe forward(connection, pipe, UnsafeRawBufferPointer(bytes), now: now)
    }
    var goesOn: [UInt8]
    if isFramed, rule.movesFrames || !pipe.shuffler.isEmpty {
      goesOn = unsafe pipe.shuffler.shuffle(
        UnsafeRawBufferPointer(bytes), pipe.link, now: now, &random)
    } else {
      if isFramed { unsafe pipe.shuffler.pass(UnsafeRawBufferPointer(bytes)) }
      goesOn = unsafe Array(bytes)
    }
    if !isFirst, !goesOn.isEmpty, rule.flipPerThousand > 0,
      random.chance(UInt64(rule.flipPerThousand), in: 1000)
    {
      goesOn[Int(random.below(UInt64(goesOn.count)))] ^= 1 << UInt8(random.below(8))
      pipe.link.counters.flippedBits += 1
    }
    pipe.append(goesOn, now: now, &random)
    pump(connection, pipe, now: now)
  }

  /// Sends bytes straight on; what the socket does not take waits.
  private func forward(
    _ connection: ProxyConnection, _ pipe: Pipe, _ bytes: UnsafeRawBufferPointer, now: UInt64
  ) {
    var sent = 0
    switch unsafe Descriptor.send(pipe.sink.descriptor, bytes) {
    case .failed:
      pipe.link.counters.blockedBytes += UInt64(bytes.count)
      return broke(connection, pipe)
    case .moved(let count): sent = count
    case .wait, .ended: break
    }
    pipe.link.counters.forwardedBytes += UInt64(sent)
    guard sent < bytes.count else { return }
    pipe.sink.isFull = true
    pipe.append(unsafe Array(bytes[sent...]), now: now, &random)
    watch(connection)
  }

  private func ended(_ connection: ProxyConnection, _ pipe: Pipe, now: UInt64) {
    pipe.hasEnded = true
    // Where both sides have ended, or one is gone, nobody is left to whom held bytes matter.
    let opposite = connection.pipe(to: pipe.source)
    if !pipe.sink.isOpen || (connection.isCut && opposite?.hasEnded == true) {
      return drop(connection, resets: false)
    }
    var remaining: [UInt8] = []
    pipe.shuffler.surrender(into: &remaining)
    pipe.append(remaining, now: now, &random)
    pipe.append([], isEnd: true, now: now, &random)
    pump(connection, pipe, now: now)
  }

  /// Forwards what waits, as far as rule and socket let it.
  func pump(_ connection: ProxyConnection, _ pipe: Pipe, now: UInt64) {
    guard connection.phase == .open else { return }
    guard pipe.sink.isOpen, pipe.source.isOpen else { return resume(connection, pipe) }
    if !pipe.shuffler.isEmpty { unshuffle(connection, pipe, now: now) }
    while let front = pipe.pieces.first, !pipe.link.rule.isCut, !pipe.sink.isFull {
      guard front.release <= now else {
        pipe.delayFront()
        schedule(connection, pipe, at: front.release)
        break
      }
      if front.isEnd {
        _ = pipe.pieces.popFirst()
        Descriptor.endSending(pipe.sink.descriptor)
        pipe.isFinished = true
        break
      }
      let allowed = pipe.link.bucket.allowance(of: front.left, now: now)
      guard allowed > 0 else {
        pipe.delayFront()
        schedule(connection, pipe, at: pipe.link.bucket.nextTime(for: front.left))
        break
      }
      guard sendFront(connection, pipe, front, allowed) else { return }
    }
    if connection.forward?.isFinished == true, connection.backward?.isFinished == true {
      return drop(connection, resets: false)
    }
    watch(connection)
  }

  /// - Returns: whether the connection still lives.
  private func sendFront(
    _ connection: ProxyConnection, _ pipe: Pipe, _ front: Piece, _ count: Int
  ) -> Bool {
    let answer = unsafe front.bytes.withUnsafeBytes { bytes in
      let part = unsafe UnsafeRawBufferPointer(rebasing: bytes[front.sent..<front.sent + count])
      return unsafe Descriptor.send(pipe.sink.descriptor, part)
    }
    switch answer {
    case .failed:
      broke(connection, pipe)
      return false
    case .wait, .ended: pipe.sink.isFull = true
    case .moved(let sent):
      pipe.link.bucket.consume(sent)
      pipe.sent(sent)
      if sent < count { pipe.sink.isFull = true }
    }
    return true
  }

  /// The sink takes no more: it has closed, without a word or with. What it said before may still
  /// lie there, and is forwarded first.
  private func broke(_ connection: ProxyConnection, _ pipe: Pipe) {
    pipe.lose()
    pipe.hasEnded = true
    pipe.isFinished = true
    pipe.sink.isFull = false
    if connection.pipe(from: pipe.sink)?.isFinished != false {
      drop(connection, resets: true)
    } else {
      watch(connection)
    }
  }

  /// What the shuffler need not keep back any longer.
  private func unshuffle(_ connection: ProxyConnection, _ pipe: Pipe, now: UInt64) {
    var out = pipe.shuffler.overdue(now: now)
    if !pipe.link.rule.movesFrames { pipe.shuffler.surrender(into: &out) }
    pipe.append(out, now: now, &random)
    if let end = pipe.shuffler.reorderDeadline { schedule(connection, pipe, at: end) }
  }

  /// One end is gone; the other is told once the link lets it know.
  private func resume(_ connection: ProxyConnection, _ pipe: Pipe) {
    if !pipe.source.isOpen, !pipe.link.rule.isCut {
      drop(connection, resets: true)
    } else {
      watch(connection)
    }
  }

  /// Has the poller watch both ends for the events that matter now.
  func watch(_ connection: ProxyConnection) {
    for end in [connection.opener, connection.onward] where end.isOpen {
      watch(end, for: wishes(connection, end))
    }
  }

  private func wishes(_ connection: ProxyConnection, _ end: Socket) -> UInt32 {
    switch connection.phase {
    case .identifying: return Readiness.peerEnded
    case .held:
      let reads = connection.forward.map { mustRead(connection, $0) } ?? false
      return Readiness.peerEnded | (reads ? Readiness.readable : 0)
    case .connecting: return end === connection.onward ? Readiness.writable : 0
    case .open:
      var events: UInt32 = 0
      if let pipe = connection.pipe(from: end), mustRead(connection, pipe) {
        events |= Readiness.readable
      }
      if end.isFull { events |= Readiness.writable }
      return events
    }
  }

  private func watch(_ end: Socket, for events: UInt32) {
    guard events != end.watched else { return }
    if events == 0 { return stopWatching(end) }
    let isWatched =
      end.watched == 0
      ? poller.add(end.descriptor, end.token, events)
      : poller.change(end.descriptor, end.token, events)
    precondition(isWatched, "can't watch descriptor \(end.descriptor) for \(events)")
    end.watched = events
  }

  private func stopWatching(_ end: Socket) {
    guard end.watched != 0 else { return }
    poller.remove(end.descriptor)
    end.watched = 0
  }
}
