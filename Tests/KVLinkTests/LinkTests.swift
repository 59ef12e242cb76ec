import KVBase
import KVWire
import Testing

@testable import KVLink

/// The rules of a link, each by a short story.
@Suite struct LinkTests {
  var now = Instant(nanoseconds: 1_000_000_000)

  func dialed(_ settings: LinkSettings = .toNode, _ side: Link.Side = .dialsAsNode) -> Link {
    Link(dialing: side, settings: settings, random: SeededRandom(seed: 9))
  }

  func ready(_ settings: LinkSettings = .toNode, _ side: Link.Side = .dialsAsNode) -> Link {
    var link = dialed(settings, side)
    _ = link.dial(now: now)
    _ = link.opened(now: now)
    _ = link.receive(.hello, Samples.hello(), now: now)
    _ = link.accept(isWatched: settings.staysConnected, now: now)
    return link
  }

  func end(_ action: LinkAction) -> LinkEnd? {
    if case .end(let end) = action { end } else { nil }
  }

  @Test func aFrameOnAReadyLinkIsTheOwners() {
    var client = ready(.toServer, .dialsAsClient)
    #expect(client.receive(.response, "x", now: now) == .deliver)
    #expect(client.receive(.window, "x", now: now) == .none)
    var server = Link(acceptedAt: now)
    _ = server.receive(.hello, Samples.hello(role: .client), now: now)
    #expect(server.accept(isWatched: false, now: now) == .sendHello)
    #expect(server.receive(.request, "x", now: now) == .deliver)
    #expect(server.receive(.cancel, "x", now: now) == .deliver)
    #expect(end(server.receive(.peer, "x", now: now))?.cause == .unexpected(.peer))
  }

  @Test func theOtherSidesHelloIsHandedOutAsItIs() throws {
    var link = dialed()
    #expect(link.dial(now: now) == .open)
    #expect(link.opened(now: now) == .sendHello)
    let payload = Samples.hello { $0.node = NodeID(42) }
    let hello = try Hello(decoding: payload)
    #expect(link.receive(.hello, payload, now: now) == .judge(hello))
    #expect(!link.isReady)
    #expect(link.accept(isWatched: true, now: now) == .none)
    #expect(link.isReady)
  }

  @Test func anotherVersionIsToldSo() {
    var link = Link(acceptedAt: now)
    let payload = Samples.hello {
      $0.lowestVersion = 5
      $0.highestVersion = 7
    }
    let end = end(link.receive(.hello, payload, now: now))
    #expect(end?.cause == .version(lowest: 5, highest: 7))
    guard case .closeAfter(let goaway) = end?.transport else {
      Issue.record("\(String(describing: end))")
      return
    }
    #expect(goaway.reason == .version && goaway.code == .unimplemented)
    let own = "version \(Hello.protocolVersion)"
    #expect(goaway.message.contains(own) && goaway.message.contains("5 to 7"))
  }

  @Test mutating func anAcceptedConnectionThatSaysNothingIsClosed() {
    var link = Link(acceptedAt: now)
    #expect(link.nextDeadline == now + .seconds(10))
    now = now + .milliseconds(9_999)
    #expect(link.tick(now: now) == .none)
    now = now + .milliseconds(1)
    let end = end(link.tick(now: now))
    #expect(end?.cause == .helloTimeout && end?.wasReady == false)
    #expect(end?.transport == .closeAfter(Goaway(.noHello, "no HELLO within 10 s")))
  }

  @Test mutating func aTransportThatDoesNotOpenIsGivenUp() {
    var link = dialed()
    _ = link.dial(now: now)
    now = now + .seconds(1)
    #expect(end(link.tick(now: now))?.cause == .connectTimeout)
    #expect(link.isBackingOff(now))
  }

  /// Any frame is a sign of life, and PING asks for one.
  @Test mutating func silenceIsAskedAboutAndThenEndsTheLink() {
    var link = ready()
    now = now + .milliseconds(400)
    #expect(link.tick(now: now) == .none)
    _ = link.receive(.pong, Bytes(), now: now)
    for _ in 0..<5 {
      now = now + .milliseconds(500)
      #expect(link.nextDeadline == now)
      #expect(link.tick(now: now) == .sendPing)
      #expect(link.tick(now: now) == .none)
    }
    now = now + .milliseconds(500)
    let end = end(link.tick(now: now))
    #expect(end?.cause == .silence && end?.transport == .close && end?.wasReady == true)
    #expect(end?.reopens == true)
  }

  /// A frame of the owner's is a sign of life as well.
  @Test mutating func aPeerThatSendsIsNotAsked() {
    var link = Link(acceptedAt: now)
    _ = link.receive(.hello, Samples.hello(), now: now)
    _ = link.accept(isWatched: true, now: now)
    for _ in 0..<50 {
      now = now + .milliseconds(100)
      #expect(link.receive(.peer, "x", now: now) == .deliver)
      #expect(link.tick(now: now) == .none)
    }
  }

  @Test mutating func aClientsLinkIsWatchedOnlyWhileItIsAskedFor() {
    var link = ready(.toServer, .dialsAsClient)
    #expect(link.nextDeadline == nil)
    now = now + .seconds(100)
    #expect(link.tick(now: now) == .none)
    link.watch(now: now)
    #expect(link.nextDeadline == now + .milliseconds(500))
    now = now + .milliseconds(1_900)
    #expect(link.tick(now: now) == .sendPing)
    link.unwatch()
    now = now + .seconds(100)
    #expect(link.tick(now: now) == .none)
    link.watch(now: now)
    now = now + .seconds(2)
    #expect(end(link.tick(now: now))?.cause == .silence)
    // It is dialed when it is needed, and at once.
    #expect(link.state == .idle && link.dial(now: now) == .open)
  }

  @Test mutating func aStableLinkThatBreaksIsDialedAtOnceAndThenWithBackoff() {
    var link = ready()
    now = now + .seconds(1)
    #expect(end(link.closed(isRefused: false, now: now))?.reopens == true)
    var last = TimeAmount.zero
    for failure in 0..<12 {
      #expect(end(link.closed(isRefused: true, now: now))?.reopens == false)
      guard case .backingOff(let until) = link.state else {
        Issue.record("\(link.state)")
        return
      }
      let wait = until - now
      let length = TimeAmount.milliseconds(min(500, 20 << UInt64(failure)))
      #expect(wait <= length && wait * 2 >= length)
      if length < .milliseconds(500) { #expect(wait >= last) }
      last = wait
      now = until
      #expect(link.tick(now: now) == .open)
    }
  }

  /// Else two sides that accept and break would dial each other without a pause.
  @Test mutating func aLinkThatBreaksAsSoonAsItIsReadyBacksOff() {
    var link = dialed()
    var opens = 0
    var action = link.dial(now: now)
    let finish = now + .seconds(10)
    while now < finish {
      if case .end(let end) = action { action = end.reopens ? .open : .none }
      if action == .open {
        opens += 1
        _ = link.opened(now: now)
        _ = link.receive(.hello, Samples.hello(), now: now)
        _ = link.accept(isWatched: true, now: now)
        action = link.closed(isRefused: false, now: now)
      } else {
        now = link.nextDeadline ?? finish
        action = link.tick(now: now)
      }
    }
    #expect(opens > 20 && opens < 60, "\(opens)")
  }

  @Test mutating func aLinkThatBacksOffIsDialedWhenTheOtherSideAppears() {
    var link = dialed()
    _ = link.dial(now: now)
    for _ in 0..<6 {
      _ = link.closed(isRefused: true, now: now)
      now = link.nextDeadline ?? now
      _ = link.tick(now: now)
    }
    _ = link.closed(isRefused: true, now: now)
    #expect(link.otherSideAppeared(now: now) == .open)
    #expect(link.otherSideAppeared(now: now) == .none)
    // The failures before it no longer count.
    _ = link.closed(isRefused: true, now: now)
    #expect(link.nextDeadline.map { $0 - now <= .milliseconds(20) } == true)
  }

  @Test mutating func goawayLetsWhatIsInFlightBeAnswered() {
    var link = ready(.toServer, .dialsAsClient)
    now = now + .seconds(5)
    let goaway = Goaway(.shuttingDown, "it ends")
    #expect(link.receive(.goaway, Samples.goaway, now: now) == .drain(goaway))
    #expect(!link.isReady && link.hasTransport)
    #expect(link.receive(.response, "x", now: now) == .deliver)
    let end = end(link.drained(now: now))
    #expect(
      end == LinkEnd(cause: .goaway(goaway), transport: .close, wasReady: true, reopens: false))
    // It was asked to go away: not back at once, however long the link had lasted.
    #expect(link.isBackingOff(now))
  }

  @Test mutating func drainingHasAnEnd() {
    var link = Link(acceptedAt: now)
    _ = link.receive(.hello, Samples.hello(role: .client), now: now)
    _ = link.accept(isWatched: false, now: now)
    let goaway = Goaway(.shuttingDown, "bye")
    #expect(link.leave(goaway, now: now) == .sendGoaway(goaway))
    #expect(link.receive(.request, "x", now: now) == .deliver)
    now = now + .seconds(10)
    #expect(end(link.tick(now: now))?.cause == .requested)
    #expect(link.state == .idle)
  }

  @Test mutating func whoHangsUpIsNotConnectedAgain() {
    var link = ready()
    now = now + .seconds(5)
    #expect(end(link.hangUp(now: now))?.reopens == false)
    #expect(link.nextDeadline == nil)
    #expect(link.otherSideAppeared(now: now) == .none)
    #expect(link.dial(now: now) == .open)
  }

  /// Seen from an earlier time, a link waits for longer than its settings say.
  @Test func invariantsCanBeBroken() {
    let earlier = Instant(nanoseconds: now.nanoseconds - 1)
    var link = dialed()
    #expect(link.brokenInvariant(now: earlier) == nil)
    _ = link.dial(now: now)
    #expect(link.brokenInvariant(now: now) == nil)
    #expect(link.brokenInvariant(now: earlier)?.contains("connects") ?? false)
    _ = link.opened(now: now)
    #expect(link.brokenInvariant(now: now) == nil)
    #expect(link.brokenInvariant(now: earlier)?.contains("HELLO") ?? false)
    #expect(ready().brokenInvariant(now: now) == nil)
    #expect(ready().brokenInvariant(now: earlier)?.contains("future") ?? false)
  }

  /// An owner that forgets to tick a link leaves it in a state that it had to leave.
  @Test mutating func aDeadlineThatIsMissedBreaksAnInvariant() {
    func broken(_ link: Link, after amount: TimeAmount) -> String? {
      let later = now + amount
      #expect(link.brokenInvariant(now: later) == nil)
      return link.brokenInvariant(now: later, isAfterTick: true)
    }
    var link = dialed()
    _ = link.dial(now: now)
    #expect(broken(link, after: .zero) == nil)
    #expect(broken(link, after: .seconds(60))?.contains("connects") ?? false)
    _ = link.opened(now: now)
    #expect(broken(link, after: .seconds(60))?.contains("HELLO") ?? false)
    #expect(broken(ready(), after: .seconds(60))?.contains("silence") ?? false)
    _ = link.closed(isRefused: true, now: now)
    #expect(broken(link, after: .seconds(60))?.contains("dialed again") ?? false)
    _ = link.tick(now: now + .seconds(60))
    now = now + .seconds(60)
    #expect(broken(link, after: .zero) == nil)
  }

  #if PlantedFaults
    @Test func aLinkThatNeverReconnectsBreaksAnInvariant() {
      var link = ready()
      link.plantedFault = .linkNeverReconnects
      _ = link.closed(isRefused: false, now: now)
      #expect(link.brokenInvariant(now: now)?.contains("backs off") ?? false)
    }

    @Test mutating func plantedFaultsTakeTheirRuleAway() {
      var never = ready()
      never.plantedFault = .linkNeverReconnects
      _ = never.closed(isRefused: false, now: now)
      #expect(never.tick(now: now + .seconds(3600)) == .none)
      #expect(never.otherSideAppeared(now: now) == .none)
      var eager = dialed()
      eager.plantedFault = .linkWithoutBackoff
      _ = eager.dial(now: now)
      #expect(end(eager.closed(isRefused: true, now: now))?.reopens == true)
      var deaf = ready()
      deaf.plantedFault = .silentPeerUnnoticed
      now = now + .seconds(3600)
      #expect(deaf.tick(now: now) == .sendPing)
    }
  #endif
}
