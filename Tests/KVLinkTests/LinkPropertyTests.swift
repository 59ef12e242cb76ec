import KVBase
import KVWire
import Testing

@testable import KVLink

/// A link on a transport that does anything, from a seed.
@Suite struct LinkPropertyTests {
  enum Transport: Equatable { case none, opening, open, greeted }

  /// The other side, the transport, and the owner.
  struct World {
    var link: Link
    var random: SeededRandom
    var now = Instant(nanoseconds: 1_000_000_000)
    var transport = Transport.none
    var isHealthy = false
    /// When the other side was last heard from on a link that is ready and watched.
    var silentSince = Instant.zero
    var opens: [Instant] = []
    var problems: [String] = []

    init(seed: UInt64) {
      random = SeededRandom(seed: seed)
      var settings = LinkSettings.toNode
      settings.stableAfter = .milliseconds(random.below(3_000))
      link = Link(dialing: .dialsAsNode, settings: settings, random: random.fork())
      if random.chance(1, in: 2) {
        settings.staysConnected = false
        link = Link(dialing: .dialsAsClient, settings: settings, random: random.fork())
      }
    }

    mutating func give(_ event: LinkEvent) {
      let wasReady = link.isReady
      let action = event.apply(to: &link, at: now)
      if let broken = link.brokenInvariant(now: now) { problems.append("\(event): \(broken)") }
      if link.isReady, !wasReady { silentSince = now }
      carryOut(action, after: event)
      if link.hasTransport != (transport != .none) {
        problems.append("\(event): the link is \(link.state), its transport \(transport)")
      }
    }

    private mutating func carryOut(_ action: LinkAction, after event: LinkEvent) {
      switch action {
      case .none, .deliver, .sendPong: break
      case .open: open()
      case .sendHello: if transport != .open { problems.append("HELLO on \(transport)") }
      case .judge: give(isHealthy || random.chance(3, in: 4) ? .accept : .refuse)
      case .sendPing: if isHealthy { hear(.pong) }
      case .sendGoaway, .drain: if isHealthy || random.chance(1, in: 2) { give(.drained) }
      case .end(let end):
        if end.transport == .gone, event != .lost, event != .refused {
          problems.append("\(event): the transport is gone by itself")
        }
        transport = .none
        if end.reopens { open() }
      }
    }

    private mutating func open() {
      if transport != .none { problems.append("a second transport at \(now)") }
      transport = .opening
      opens.append(now)
    }

    mutating func hear(_ event: LinkEvent) {
      silentSince = now
      give(event)
    }

    /// Time passes up to `end`; ticks come when they are due, or a little later.
    mutating func advance(to end: Instant) {
      var steps = 0
      while let due = link.nextDeadline, due <= end {
        steps += 1
        if steps > 10_000 { return problems.append("\(link.state) is due again and again") }
        now = max(now, due)
        give(.tick)
        checkSilence()
      }
      now = max(now, end)
    }

    private mutating func checkSilence() {
      guard case .ready(let ready) = link.state, ready.isWatched else { return }
      if now > silentSince + link.settings.silenceLimit {
        problems.append("ready at \(now), and silent since \(silentSince)")
      }
    }

    mutating func stepOfChaos() {
      switch random.below(10) {
      case 0: advance(to: now + .milliseconds(random.below(4_000)))
      case 1: advance(to: now + .milliseconds(random.below(40)))
      case 2: give(.dial)
      case 3: give([.leave, .hangUp, .appeared, .watch, .unwatch][Int(random.below(5))])
      default: transportDoesSomething()
      }
    }

    private mutating func transportDoesSomething() {
      switch transport {
      case .none: break
      case .opening:
        if random.chance(1, in: 2) {
          transport = .open
          give(.opened)
        } else {
          give(random.chance(1, in: 2) ? .refused : .lost)
        }
      case .open, .greeted:
        if transport == .open, random.chance(1, in: 2) {
          transport = .greeted
          return hear(.hello)
        }
        let events: [LinkEvent] = [
          .lost, .pong, .ping, .pong, .ping, .goaway, .garbage, .response, .peer, .hello, .drained,
        ]
        let event = events[Int(random.below(UInt64(events.count)))]
        if event == .drained { give(event) } else { hear(event) }
      }
    }

    /// All is well from now on: what was asked for is done within 50 ms.
    mutating func heal(for length: TimeAmount) {
      isHealthy = true
      give(.dial)
      let end = now + length
      while now < end {
        advance(to: now + .milliseconds(random.below(50)))
        switch transport {
        case .none: if !link.settings.staysConnected { give(.dial) }
        case .opening:
          transport = .open
          give(.opened)
        case .open:
          transport = .greeted
          hear(.hello)
        case .greeted: if case .draining = link.state { give(.drained) }
        }
      }
    }
  }

  @Test(arguments: 0..<300) func aLinkIsNeverStuck(seed: Int) {
    var world = World(seed: UInt64(seed))
    world.give(.dial)
    for _ in 0..<300 { world.stepOfChaos() }
    // A greeting or a draining of before may have to run into its time-out first.
    world.heal(for: .seconds(5))
    #expect(world.link.isReady, "seed \(seed): \(world.link.state)")
    #expect(world.problems.isEmpty, "seed \(seed): \(world.problems.prefix(3))")
  }

  @Test(arguments: 0..<50) func healthyLinksStayReady(seed: Int) {
    var world = World(seed: UInt64(seed))
    world.heal(for: .seconds(60))
    #expect(world.link.isReady && world.opens.count == 1)
    #expect(world.problems.isEmpty, "seed \(seed): \(world.problems.prefix(3))")
  }

  /// Whatever the transport does, a link does not dial more often than its back-off allows.
  @Test(arguments: 0..<50) func dialingIsBounded(seed: Int) {
    var settings = LinkSettings.toNode
    settings.stableAfter = .seconds(1)
    var world = World(seed: UInt64(seed))
    world.link = Link(dialing: .dialsAsNode, settings: settings, random: world.random.fork())
    world.give(.dial)
    let end = world.now + .seconds(60)
    while world.now < end {
      if world.transport == .opening {
        // Half of the attempts fail at once; others are ready for a moment.
        if world.random.chance(1, in: 2) {
          world.give(.refused)
        } else {
          world.transport = .open
          world.give(.opened)
          world.isHealthy = true
          world.hear(.hello)
          world.give(.lost)
        }
      }
      world.advance(to: world.link.nextDeadline ?? world.now)
    }
    // At least a quarter of a second apart in the end.
    #expect(world.opens.count < 60 * 4 + 10, "\(world.opens.count)")
    for (a, b) in zip(world.opens.dropFirst(8), world.opens.dropFirst(9)) {
      #expect(b - a >= .milliseconds(250))
    }
  }

  @Test func backOffGrowsToItsBoundAndStartsAnew() {
    var backoff = Backoff(
      shortest: .milliseconds(10), longest: .milliseconds(300), random: SeededRandom(seed: 1))
    for round in 0..<3 {
      #expect(backoff.isReset)
      var bounds: [UInt64] = []
      for failure in 0..<8 {
        let wait = backoff.next()
        let length = TimeAmount.milliseconds(min(300, 10 << UInt64(failure)))
        #expect(wait <= length && wait * 2 >= length, "round \(round), failure \(failure)")
        bounds.append(wait.milliseconds)
      }
      #expect(Set(bounds).count > 3)
      backoff.reset()
    }
  }
}
