import KVBase
import KVWire
import Testing

@testable import KVLink

/// What a link is given.
enum LinkEvent: String, CaseIterable {
  case dial, appeared, opened, refused, lost, accept, refuse
  case hello, otherVersion, badHello, peer, request, response, ping, longPing, pong, goaway
  case badGoaway, garbage, drained, leave, hangUp, watch, unwatch, tick

  func apply(to link: inout Link, at now: Instant) -> LinkAction {
    func frame(_ type: FrameType, _ payload: Bytes = Bytes()) -> LinkAction {
      link.receive(type, payload, now: now)
    }
    switch self {
    case .dial: return link.dial(now: now)
    case .appeared: return link.otherSideAppeared(now: now)
    case .opened: return link.opened(now: now)
    case .refused: return link.closed(isRefused: true, now: now)
    case .lost: return link.closed(isRefused: false, now: now)
    case .accept: return link.accept(isWatched: true, now: now)
    case .refuse: return link.refuse(Goaway(.wrongCluster, "another cluster"), now: now)
    case .hello: return frame(.hello, Samples.hello())
    case .otherVersion: return frame(.hello, Samples.hello { $0.lowestVersion = 7 })
    case .badHello: return frame(.hello, "no HELLO")
    case .peer: return frame(.peer)
    case .request: return frame(.request)
    case .response: return frame(.response)
    case .ping: return frame(.ping, "are you there")
    case .longPing: return frame(.ping, Bytes([UInt8](repeating: 0, count: 65)))
    case .pong: return frame(.pong)
    case .goaway: return frame(.goaway, Samples.goaway)
    case .badGoaway: return frame(.goaway, "x")
    case .garbage: return link.protocolViolation(.invalid("bytes"), now: now)
    case .drained: return link.drained(now: now)
    case .leave: return link.leave(Goaway(.shuttingDown, "bye"), now: now)
    case .hangUp: return link.hangUp(now: now)
    case .watch:
      link.watch(now: now)
      return .none
    case .unwatch:
      link.unwatch()
      return .none
    case .tick: return link.tick(now: now)
    }
  }
}

enum Samples {
  static func hello(
    role: Hello.Role = .node, _ change: (inout Hello) -> Void = { _ in }
  ) -> Bytes {
    var hello = Hello(
      role: role, clusterID: 1, creationDigest: 2, node: NodeID(3), incarnation: 4, isBlank: false,
      software: "test")
    hello.highestVersion = 9
    change(&hello)
    var writer = ByteWriter()
    hello.encode(into: &writer)
    return writer.take()
  }

  static var goaway: Bytes {
    var writer = ByteWriter()
    Goaway(.shuttingDown, "it ends").encode(into: &writer)
    return writer.take()
  }
}

/// Every event in every state: the table that `Link` promises to follow.
@Suite struct LinkTableTests {
  static let start = Instant(nanoseconds: 5_000_000_000)

  /// A cell is the action and the state after it; `.` is no action and the same state. `after`,
  /// `close` and `gone` are ends, by what is to be done with the transport; `+` opens another.
  static let dialed = """
    event         idle       connecting  greeting    judging     ready       draining    backingOff
    dial          open>conn  .           .           .           .           .           .
    appeared      .          .           .           .           .           .           open>conn
    opened        .          hello>greet .           .           .           .           .
    refused       .          gone>back   gone>back   gone>back   gone>back   gone>back   .
    lost          .          gone>back   gone>back   gone>back   gone>back   gone>back   .
    accept        .          .           .           ->ready     .           .           .
    refuse        .          .           .           after>back  .           .           .
    hello         .          .           judge>judge after>back  after>back  after>back  .
    otherVersion  .          .           after>back  after>back  after>back  after>back  .
    badHello      .          .           after>back  after>back  after>back  after>back  .
    peer          .          .           after>back  after>back  after>back  after>back  .
    request       .          .           after>back  after>back  after>back  after>back  .
    response      .          .           after>back  after>back  after>back  after>back  .
    ping          .          .           after>back  after>back  pong>ready  pong>drain  .
    longPing      .          .           after>back  after>back  after>back  after>back  .
    pong          .          .           after>back  after>back  .           .           .
    goaway        .          .           close>back  close>back  drain>drain .           .
    badGoaway     .          .           after>back  after>back  after>back  after>back  .
    garbage       .          .           after>back  after>back  after>back  after>back  .
    drained       .          .           .           .           .           close>back  .
    leave         .          close>idle  after>idle  after>idle  away>drain  .           ->idle
    hangUp        .          close>idle  close>idle  close>idle  close>idle  close>idle  ->idle
    watch         .          .           .           .           .           .           .
    unwatch       .          .           .           .           .           .           .
    tick          .          .           .           .           .           .           .
    """

  /// A long time after the state was reached.
  static let late = """
    event         idle       connecting  greeting    judging     ready       draining    backingOff
    dial          open>conn  .           .           .           .           .           open>conn
    refused       .          gone>back   gone>back   gone>back   gone>back   gone>back   .
    lost          .          gone>back   gone>back   gone>back   gone+>conn  gone>back   .
    peer          .          .           after>back  after>back  after>back  after>back  .
    goaway        .          .           close>back  close>back  drain>drain .           .
    tick          .          close>back  close>back  close>back  close+>conn close>back  open>conn
    """

  static let accepted = """
    event         idle       greeting    judging     ready       draining
    opened        .          .           .           .           .
    appeared      .          .           .           .           .
    refused       .          gone>idle   gone>idle   gone>idle   gone>idle
    lost          .          gone>idle   gone>idle   gone>idle   gone>idle
    accept        .          .           hello>ready .           .
    refuse        .          .           after>idle  .           .
    hello         .          judge>judge after>idle  after>idle  after>idle
    otherVersion  .          after>idle  after>idle  after>idle  after>idle
    badHello      .          after>idle  after>idle  after>idle  after>idle
    peer          .          after>idle  after>idle  deliv>ready deliv>drain
    request       .          after>idle  after>idle  after>idle  after>idle
    response      .          after>idle  after>idle  after>idle  after>idle
    ping          .          after>idle  after>idle  pong>ready  pong>drain
    longPing      .          after>idle  after>idle  after>idle  after>idle
    pong          .          after>idle  after>idle  .           .
    goaway        .          close>idle  close>idle  drain>drain .
    badGoaway     .          after>idle  after>idle  after>idle  after>idle
    garbage       .          after>idle  after>idle  after>idle  after>idle
    drained       .          .           .           .           close>idle
    leave         .          after>idle  after>idle  away>drain  .
    hangUp        .          close>idle  close>idle  close>idle  close>idle
    watch         .          .           .           .           .
    unwatch       .          .           .           .           .
    tick          .          .           .           .           .
    """

  static let acceptedLate = """
    event         idle       greeting    judging     ready       draining
    tick          .          after>idle  after>idle  close>idle  close>idle
    lost          .          gone>idle   gone>idle   gone>idle   gone>idle
    """

  struct Row: CustomTestStringConvertible {
    var table: String
    var event: LinkEvent
    var cells: [(state: String, expected: String)]
    var testDescription: String { "\(table): \(event)" }
  }

  static func rows(_ name: String, _ table: String) -> [Row] {
    let lines = table.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    return lines.dropFirst().map { words in
      guard let event = LinkEvent(rawValue: words[0]), words.count == lines[0].count else {
        preconditionFailure("the row \(words)")
      }
      return Row(
        table: name, event: event,
        cells: zip(lines[0].dropFirst(), words.dropFirst()).map { ($0, $1) })
    }
  }

  static let allRows =
    rows("dialed", dialed) + rows("late", late) + rows("accepted", accepted)
    + rows("acceptedLate", acceptedLate)

  @Test func theTablesAreComplete() {
    #expect(Self.rows("dialed", Self.dialed).map(\.event) == LinkEvent.allCases)
    let accepted = Set(Self.rows("accepted", Self.accepted).map(\.event))
    // An accepted link is never dialed.
    #expect(Set(LinkEvent.allCases).subtracting(accepted) == [.dial])
  }

  @Test(arguments: allRows) func anEventDoesWhatTheTableSays(row: Row) {
    for (state, expected) in row.cells {
      var link = Self.link(
        in: state, side: row.table.hasPrefix("accepted") ? .accepted : .dialsAsNode)
      let before = Self.name(link.state)
      let now = Self.start + (row.table.lowercased().hasSuffix("late") ? .seconds(60) : .zero)
      let action = row.event.apply(to: &link, at: now)
      let after = Self.name(link.state)
      let found = action == .none && before == after ? "." : "\(Self.name(action))>\(after)"
      #expect(found == expected, "\(row.event) in \(state): \(action), \(link.state)")
      if let broken = link.brokenInvariant(now: now) {
        Issue.record("\(row.event) in \(state): \(broken)")
      }
    }
  }

  static func link(in state: String, side: Link.Side) -> Link {
    var link =
      side == .accepted
      ? Link(acceptedAt: start)
      : Link(dialing: side, settings: .toNode, random: SeededRandom(seed: 3))
    var events: [LinkEvent] = side == .accepted ? [] : [.dial, .opened]
    switch state {
    case "idle": events = side == .accepted ? [.lost] : []
    case "connecting": events = [.dial]
    case "greeting": break
    case "judging": events += [.hello]
    case "ready": events += [.hello, .accept]
    case "draining": events += [.hello, .accept, .goaway]
    case "backingOff": events = [.dial, .refused]
    default: preconditionFailure("the state \(state)")
    }
    for event in events { _ = event.apply(to: &link, at: start) }
    return link
  }

  static func name(_ state: Link.State) -> String {
    switch state {
    case .idle: "idle"
    case .connecting: "conn"
    case .greeting(let greeting): greeting.judged == nil ? "greet" : "judge"
    case .ready: "ready"
    case .draining: "drain"
    case .backingOff: "back"
    }
  }

  static func name(_ action: LinkAction) -> String {
    switch action {
    case .none: return "-"
    case .open: return "open"
    case .sendHello: return "hello"
    case .judge: return "judge"
    case .deliver: return "deliv"
    case .sendPing: return "ping"
    case .sendPong: return "pong"
    case .sendGoaway: return "away"
    case .drain: return "drain"
    case .end(let end):
      let plus = end.reopens ? "+" : ""
      switch end.transport {
      case .gone: return "gone" + plus
      case .close: return "close" + plus
      case .closeAfter: return "after" + plus
      }
    }
  }
}
