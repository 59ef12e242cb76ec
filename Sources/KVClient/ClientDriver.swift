internal import KVBase
package import KVClientCore
package import KVLoop
package import KVWire

/// Carries out what a `ClientCore` asks for, on one event loop: the real interpreter of the client.
///
/// Everything but `init` is for the loop's thread only. The hook is called on that thread and may
/// begin new calls; a program that needs no task per call (such as a load generator) uses this
/// instead of `Client`.
package final class ClientDriver: @unchecked Sendable {
  package typealias CompletionHook = (CallID, Outcome) -> Void

  package let loop: EventLoop
  private var core: ClientCore
  private var outputs = ClientOutputs()
  private var draining = ClientOutputs()
  private var isDraining = false
  private var timer: LoopTimer?
  private var timerDue = Instant.distantFuture
  /// By peer.
  private var connections: [PeerConnection?] = []
  private var isShutDown = false
  /// What `close` is to call.
  private var whenLeft: (() -> Void)?
  /// The call of `close`: no caller has this id.
  private static let leaving = CallID(.max)
  /// Called with each call's outcome, once.
  package var onCompletion: CompletionHook

  /// On the loop's thread, where the loop runs.
  package init(
    loop: EventLoop, settings: ClientSettings, seed: UInt64,
    onCompletion: @escaping CompletionHook
  ) {
    self.loop = loop
    core = ClientCore(
      settings: settings, random: SeededRandom(seed: seed), now: SystemClock.now())
    self.onCompletion = onCompletion
  }

  /// The newest map that was seen.
  package var map: ClusterView? { core.map }

  // MARK: Calls

  package func call(_ id: CallID, _ operation: ClientOperation, options: CallOptions) {
    guard !isShutDown, whenLeft == nil else {
      let failure = Failure(.cancelled, .shuttingDown, notStarted: true, "the client was closed")
      onCompletion(id, .rejected(failure))
      return
    }
    core.call(id, operation, options: options, now: SystemClock.now(), into: &outputs)
    carryOut()
  }

  package func cancel(_ id: CallID) {
    core.cancel(id, now: SystemClock.now(), into: &outputs)
    carryOut()
  }

  /// Completes all calls as cancelled, and tells the partitions that this client has left: for
  /// `Limits.sessionEndTimeout` at most. Then closes everything, and calls `done`.
  package func close(_ done: @escaping () -> Void) {
    guard !isShutDown, whenLeft == nil else { return done() }
    core.cancelAll(now: SystemClock.now(), into: &outputs)
    whenLeft = done
    core.call(
      Self.leaving, .endSessions, options: CallOptions(timeout: Limits.sessionEndTimeout),
      now: SystemClock.now(), into: &outputs)
    carryOut()
  }

  private func hasLeft() {
    shutDown()
    whenLeft?()
    whenLeft = nil
  }

  /// Completes all calls and closes everything. The driver is of no use afterwards.
  package func shutDown() {
    guard !isShutDown else { return }
    isShutDown = true
    core.shutDown(now: SystemClock.now(), into: &outputs)
    carryOut()
    timer?.close()
    timer = nil
  }

  // MARK: Outputs

  /// Calls that a hook begins are carried out in the same go.
  private func carryOut() {
    guard !isDraining else { return }
    isDraining = true
    while !outputs.isEmpty {
      swap(&outputs, &draining)
      for step in draining.steps { carryOut(step) }
      for completion in draining.completions {
        if completion.call == Self.leaving {
          hasLeft()
        } else {
          onCompletion(completion.call, completion.outcome)
        }
      }
      draining.removeAll()
    }
    isDraining = false
    armTimer()
  }

  private func carryOut(_ step: ClientOutputs.Step) {
    switch step {
    case .connect(let peer): open(peer)
    case .send(let send):
      connections[Int(send.peer.rawValue)]?.send(
        send.type, stream: send.stream, bytes: draining.sendBytes.bytes, from: send.start,
        to: send.end)
    case .close(let peer): release(peer)?.close()
    case .closeAfterSending(let peer): release(peer)?.closeAfterSending()
    }
  }

  private func open(_ peer: PeerID) {
    let index = Int(peer.rawValue)
    while connections.count <= index { connections.append(nil) }
    let address = core.address(of: peer)
    guard let target = HostPort(parsing: address) else {
      core.closed(
        peer, refused: false, because: "'\(address)' is not host:port", now: SystemClock.now(),
        into: &outputs)
      return
    }
    connections[index] = PeerConnection(driver: self, peer: peer, target: target)
  }

  /// The peer's connection, which is its present one no more.
  private func release(_ peer: PeerID) -> PeerConnection? {
    let index = Int(peer.rawValue)
    guard index < connections.count, let connection = connections[index] else { return nil }
    connections[index] = nil
    return connection
  }

  /// The timer is moved forward only: one that fires too early costs little.
  private func armTimer() {
    guard !isShutDown, let next = core.nextDeadline, next < timerDue else { return }
    let timer = self.timer ?? LoopTimer(loop: loop) { [weak self] in self?.timerFired() }
    self.timer = timer
    timerDue = next
    // Timers count whole milliseconds: rounded up, so as not to fire just before it is due.
    timer.start(after: (next - SystemClock.instant()) + .milliseconds(1))
  }

  private func timerFired() {
    timerDue = .distantFuture
    core.tick(now: SystemClock.now(), into: &outputs)
    carryOut()
    armTimer()
  }

  // MARK: Inputs

  /// Whether this is the peer's present connection: what an earlier one still brings is ignored.
  private func isCurrent(_ connection: PeerConnection) -> Bool {
    connections[Int(connection.peer.rawValue)] === connection
  }

  func didOpen(_ connection: PeerConnection) {
    guard isCurrent(connection) else { return }
    core.opened(connection.peer, now: SystemClock.now(), into: &outputs)
    carryOut()
  }

  func didReceive(_ frames: inout FrameDecoder, from connection: PeerConnection) {
    guard isCurrent(connection) else { return }
    let now = SystemClock.now()
    do throws(WireError) {
      while let frame = try frames.next() {
        core.received(
          frame.type, stream: frame.stream, frame.payload, from: connection.peer, now: now,
          into: &outputs)
      }
    } catch {
      core.receivedGarbage(error, from: connection.peer, now: now, into: &outputs)
    }
    carryOut()
  }

  func didClose(_ connection: PeerConnection, refused: Bool, because: String?) {
    guard isCurrent(connection) else { return }
    connections[Int(connection.peer.rawValue)] = nil
    core.closed(
      connection.peer, refused: refused, because: because, now: SystemClock.now(),
      into: &outputs)
    carryOut()
  }
}
