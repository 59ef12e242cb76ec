package import KVBase
package import KVWire

/// One connection, as a value: who speaks first, whether the other side is alive, when to try
/// again, and how to part. Both directions between two nodes, a node's clients, and the client
/// library use it; an interpreter opens and closes transports, moves bytes, and keeps one timer.
///
/// A link *dials* (this side opens the transport, HELLO goes out first) or is *accepted* (the other
/// side opened it, and speaks first). It goes through these states:
///
/// | state | transport | what it waits for | ends by itself after |
/// | --- | --- | --- | --- |
/// | `idle` | none | `dial`; an accepted link is finished | – |
/// | `connecting` | asked for | `opened` or `closed` | `connectTimeout` |
/// | `greeting` | open | HELLO, then the owner's `accept` or `refuse` | `helloTimeout` |
/// | `ready` | open | frames, which are the owner's | `silenceLimit`, where watched |
/// | `draining` | open | `drained`: one of the sides has said GOAWAY | `drainLimit` |
/// | `backingOff` | none | the end of the wait, or `otherSideAppeared` | the wait |
///
/// The owner gives an event with the time and carries out the one action that comes back. It calls
/// `tick` at `nextDeadline` or soon after. From a transport that an action has told it to close it
/// gives no further event.
///
/// **HELLO.** A dialer sends it as soon as the transport is open, an accepted link after it has
/// accepted the other side's. The link checks what is the same for everybody (the frame, its
/// payload, the versions); whether that node or client may be talked with is the owner's decision
/// (`judge`), and a refusal goes out as GOAWAY.
///
/// **Liveness.** While a link is *watched* (always between nodes, and in a client while a request
/// has no answer) it sends PING after `pingInterval` of silence and closes after `silenceLimit`,
/// since the time-outs of TCP are long. Any frame ends the silence.
///
/// **Reconnecting.** A dialer that `staysConnected` opens the next transport by itself; another one
/// when it is dialed. A link that was stable and broke does so at once: whether that is refused
/// tells a process that is gone from a hiccup of the network. After every other end it backs off,
/// longer with each failure, unless the other side shows itself. GOAWAY and refusals are failures:
/// the other side has just said that it does not want the connection.
///
/// **Frames without a place.** What a state has no use for is a protocol violation: the sender is
/// told by GOAWAY, and the connection is closed. No frame is looked at that comes before HELLO.
package struct Link: Sendable {
  package enum Side: Hashable, Sendable {
    case dialsAsClient
    case dialsAsNode
    case accepted
  }

  package enum State: Hashable, Sendable {
    case idle
    case connecting(giveUpAt: Instant)
    case greeting(Greeting)
    case ready(Ready)
    indirect case draining(Draining)
    case backingOff(until: Instant)
  }

  package let side: Side
  package let settings: LinkSettings
  package private(set) var state: State
  /// The owner wants it connected.
  private var isWanted: Bool
  private(set) var backoff: Backoff
  #if PlantedFaults
    package var plantedFault: PlantedFault?
  #endif

  /// A link that this side dials. It does nothing before `dial`.
  package init(dialing side: Side, settings: LinkSettings, random: SeededRandom) {
    precondition(side != .accepted, "a link that dials as \(side)")
    self.init(side, settings, .idle, random)
  }

  /// A link on a transport that the other side has opened.
  package init(acceptedAt now: Instant, settings: LinkSettings = .accepted) {
    let greeting = Greeting(giveUpAt: now + settings.helloTimeout)
    // It never backs off.
    self.init(.accepted, settings, .greeting(greeting), SeededRandom(seed: 0))
  }

  private init(_ side: Side, _ settings: LinkSettings, _ state: State, _ random: SeededRandom) {
    self.side = side
    self.settings = settings
    self.state = state
    isWanted = false
    backoff = Backoff(
      shortest: settings.shortestBackoff, longest: settings.longestBackoff, random: random)
  }

  // MARK: Questions

  /// Frames may be sent.
  package var isReady: Bool {
    if case .ready = state { true } else { false }
  }

  /// There is a transport, or one was asked for.
  package var hasTransport: Bool {
    switch state {
    case .idle, .backingOff: false
    case .connecting, .greeting, .ready, .draining: true
    }
  }

  /// It failed, and the wait before the next try is not over.
  package func isBackingOff(_ now: Instant) -> Bool {
    if case .backingOff(let until) = state { now < until } else { false }
  }

  /// When `tick` is to be called next; `nil` where nothing is due.
  package var nextDeadline: Instant? {
    switch state {
    case .idle: return nil
    case .connecting(let giveUpAt): return giveUpAt
    case .greeting(let greeting): return greeting.giveUpAt
    case .ready(let ready):
      guard ready.isWatched else { return nil }
      let end = noticesSilence ? ready.silentSince + settings.silenceLimit : .distantFuture
      return pingDeadline(ready).map { min($0, end) } ?? end
    case .draining(let draining): return draining.giveUpAt
    case .backingOff(let until): return settings.staysConnected ? until : nil
    }
  }

  private func pingDeadline(_ ready: Ready) -> Instant? {
    guard settings.pingInterval > .zero else { return nil }
    return max(ready.silentSince, ready.pingedAt) + settings.pingInterval
  }

  // MARK: Dialing

  /// The owner wants a connection. Nothing where there is one, or while the link backs off.
  package mutating func dial(now: Instant) -> LinkAction {
    precondition(side != .accepted, "an accepted link was dialed in the state \(state)")
    isWanted = true
    switch state {
    case .idle: return open(now)
    case .backingOff(let until): return now >= until ? open(now) : .none
    case .connecting, .greeting, .ready, .draining: return .none
    }
  }

  /// The other side has shown itself on another connection: waiting longer is of no use.
  package mutating func otherSideAppeared(now: Instant) -> LinkAction {
    switch state {
    case .backingOff where settings.staysConnected && reconnects:
      backoff.reset()
      return open(now)
    case .idle, .connecting, .greeting, .ready, .draining, .backingOff: return .none
    }
  }

  private mutating func open(_ now: Instant) -> LinkAction {
    state = .connecting(giveUpAt: now + settings.connectTimeout)
    return .open
  }

  // MARK: The transport

  /// The transport that was asked for is open.
  package mutating func opened(now: Instant) -> LinkAction {
    switch state {
    case .connecting:
      state = .greeting(Greeting(giveUpAt: now + settings.helloTimeout))
      return .sendHello
    case .idle, .greeting, .ready, .draining, .backingOff: return .none
    }
  }

  /// The transport has ended, or could not be opened. `isRefused`: nobody listens there.
  package mutating func closed(isRefused: Bool, now: Instant) -> LinkAction {
    switch state {
    case .connecting, .greeting, .ready: return end(isRefused ? .refused : .lost, .gone, now)
    case .draining(let draining): return end(draining.cause, .gone, now)
    case .idle, .backingOff: return .none
    }
  }

  // MARK: HELLO

  /// The owner's decision on `judge`: it will talk with the other side. `isWatched`: its silence
  /// ends the link.
  package mutating func accept(isWatched: Bool, now: Instant) -> LinkAction {
    guard case .greeting(let greeting) = state, let role = greeting.judged else { return .none }
    let traffic: Traffic =
      switch side {
      case .dialsAsClient: .client
      case .dialsAsNode: .peerSender
      case .accepted: role == .client ? .server : .peerReceiver
      }
    state = .ready(
      Ready(
        since: now, traffic: traffic, isWatched: isWatched, silentSince: now, pingedAt: .zero))
    return side == .accepted ? .sendHello : .none
  }

  /// The owner's decision on `judge`: it will not.
  package mutating func refuse(_ goaway: Goaway, now: Instant) -> LinkAction {
    guard case .greeting(let greeting) = state, greeting.judged != nil else { return .none }
    return end(.rejected(goaway), .closeAfter(goaway), now)
  }

  // MARK: Frames

  /// A frame has come. What is in it is looked at only where it is HELLO, PING or GOAWAY.
  package mutating func receive(
    _ type: FrameType, _ payload: Bytes, now: Instant
  ) -> LinkAction {
    switch state {
    case .ready(var ready):
      ready.silentSince = now
      state = .ready(ready)
      if ready.traffic.delivers(type) { return .deliver }
      return act(on: Reception(type, payload, on: ready.traffic), now)
    case .draining(let draining):
      if draining.traffic.delivers(type) { return .deliver }
      return act(on: Reception(type, payload, on: draining.traffic), now)
    case .greeting(let greeting):
      let reception = Reception(greeting: type, payload, isFirst: greeting.judged == nil)
      return act(on: reception, now)
    // Of a transport that was closed.
    case .idle, .connecting, .backingOff: return .none
    }
  }

  private mutating func act(on reception: Reception, _ now: Instant) -> LinkAction {
    switch reception {
    case .ignore: return .none
    case .ping: return .sendPong
    case .hello(let hello):
      guard case .greeting(var greeting) = state else {
        preconditionFailure("HELLO was let through in the state \(state)")
      }
      greeting.judged = hello.role
      state = .greeting(greeting)
      return .judge(hello)
    case .goaway(let goaway): return receive(goaway, now)
    case .violation(let cause): return violation(cause, now)
    }
  }

  private mutating func receive(_ goaway: Goaway, _ now: Instant) -> LinkAction {
    switch state {
    case .ready(let ready):
      beginDraining(ready, .goaway(goaway), now)
      return .drain(goaway)
    case .greeting: return end(.goaway(goaway), .close, now)
    case .draining, .idle, .connecting, .backingOff: return .none
    }
  }

  /// The transport brought bytes that are no frame, or a frame whose payload the owner can't
  /// decode.
  package mutating func protocolViolation(_ error: WireError, now: Instant) -> LinkAction {
    switch state {
    case .greeting, .ready, .draining: return violation(.unreadable(error), now)
    case .idle, .connecting, .backingOff: return .none
    }
  }

  private mutating func violation(_ cause: LinkEnd.Cause, _ now: Instant) -> LinkAction {
    var isFirst = false
    if case .greeting(let greeting) = state { isFirst = greeting.judged == nil }
    return end(cause, .closeAfter(Goaway(violation: cause, isFirst: isFirst)), now)
  }

  // MARK: Liveness

  /// From now on somebody waits for the other side: its silence ends the link.
  package mutating func watch(now: Instant) {
    guard case .ready(var ready) = state, !ready.isWatched else { return }
    ready.isWatched = true
    ready.silentSince = now
    state = .ready(ready)
  }

  /// Nobody waits for the other side.
  package mutating func unwatch() {
    guard case .ready(var ready) = state else { return }
    ready.isWatched = false
    state = .ready(ready)
  }

  // MARK: Time

  package mutating func tick(now: Instant) -> LinkAction {
    switch state {
    case .idle: return .none
    case .connecting(let giveUpAt):
      return now >= giveUpAt ? end(.connectTimeout, .close, now) : .none
    case .greeting(let greeting):
      return now >= greeting.giveUpAt ? endGreeting(now) : .none
    case .ready(var ready):
      guard ready.isWatched else { return .none }
      if noticesSilence, now >= ready.silentSince + settings.silenceLimit {
        return end(.silence, .close, now)
      }
      guard let due = pingDeadline(ready), now >= due else { return .none }
      ready.pingedAt = now
      state = .ready(ready)
      return .sendPing
    case .draining(let draining):
      return now >= draining.giveUpAt ? end(draining.cause, .close, now) : .none
    case .backingOff(let until):
      return settings.staysConnected && now >= until ? open(now) : .none
    }
  }

  private mutating func endGreeting(_ now: Instant) -> LinkAction {
    guard side == .accepted else { return end(.helloTimeout, .close, now) }
    let goaway = Goaway(.noHello, "no HELLO within \(settings.helloTimeout)")
    return end(.helloTimeout, .closeAfter(goaway), now)
  }

  // MARK: Parting

  /// The owner parts in good order: what is in flight may still be answered.
  package mutating func leave(_ goaway: Goaway, now: Instant) -> LinkAction {
    isWanted = false
    switch state {
    case .idle: return .none
    case .backingOff:
      state = .idle
      return .none
    case .connecting: return end(.requested, .close, now)
    case .greeting: return end(.requested, .closeAfter(goaway), now)
    case .ready(let ready):
      beginDraining(ready, .requested, now)
      return .sendGoaway(goaway)
    case .draining: return .none
    }
  }

  private mutating func beginDraining(_ ready: Ready, _ cause: LinkEnd.Cause, _ now: Instant) {
    state = .draining(
      Draining(
        since: ready.since, giveUpAt: now + settings.drainLimit, traffic: ready.traffic,
        cause: cause))
  }

  /// The owner closes the connection at once, and wants no other.
  package mutating func hangUp(now: Instant) -> LinkAction {
    isWanted = false
    switch state {
    case .idle: return .none
    case .backingOff:
      state = .idle
      return .none
    case .connecting, .greeting, .ready, .draining: return end(.requested, .close, now)
    }
  }

  /// Nothing is in flight any more on a link that drains.
  package mutating func drained(now: Instant) -> LinkAction {
    guard case .draining(let draining) = state else { return .none }
    return end(draining.cause, .close, now)
  }

  // MARK: Ends

  /// Ends the connection, or the attempt, and decides what comes next.
  private mutating func end(
    _ cause: LinkEnd.Cause, _ transport: LinkEnd.Transport, _ now: Instant
  ) -> LinkAction {
    var wasReady = false
    var isStable = false
    switch state {
    case .ready(let ready):
      wasReady = true
      isStable = now - ready.since >= settings.stableAfter
    case .draining(let draining):
      wasReady = true
      isStable = now - draining.since >= settings.stableAfter
    case .idle, .connecting, .greeting, .backingOff: break
    }
    if isStable { backoff.reset() }
    var end = LinkEnd(cause: cause, transport: transport, wasReady: wasReady, reopens: false)
    guard side != .accepted, isWanted else {
      state = .idle
      return .end(end)
    }
    if !reconnects {
      state = .backingOff(until: .distantFuture)
    } else if (isStable && cause.isOfTheNetwork) || !backsOff {
      state = .idle
      if settings.staysConnected {
        end.reopens = true
        state = .connecting(giveUpAt: now + settings.connectTimeout)
      }
    } else {
      state = .backingOff(until: now + backoff.next())
    }
    return .end(end)
  }
}
