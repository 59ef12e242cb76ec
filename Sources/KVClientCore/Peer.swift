internal import KVBase
internal import KVLink
internal import KVWire

/// Where a peer can be reached.
struct PeerAddresses: Sendable {
  /// Tried in turn. More than one where the map and the given endpoint differ.
  private var all: [String]
  private var index = 0
  /// The id was given with the address, which therefore overrides the map.
  let isOverride: Bool
  /// It was an endpoint from the start, so that its address worked for the user.
  let isGiven: Bool

  init(_ address: String, isGiven: Bool, isOverride: Bool) {
    all = [address]
    self.isGiven = isGiven
    self.isOverride = isOverride
  }

  var current: String { all[index % all.count] }

  mutating func advance() { index += 1 }

  /// The map says that the node is at `address`.
  mutating func adopt(fromMap address: String) {
    guard !isOverride, !all.contains(address) else { return }
    all = isGiven ? [all[0], address] : [address]
  }

  /// Those of another peer that turned out to be the same node.
  mutating func merge(_ other: PeerAddresses) {
    for address in other.all where !all.contains(address) && all.count < 4 { all.append(address) }
  }
}

/// Why a peer can't be used at present, and since when.
struct PeerProblem: Sendable {
  enum Kind: Hashable, Sendable {
    case refused
    case disconnected
    case timedOut
    case other(String)
  }

  var kind: Kind
  var since: Instant
}

/// Something that can be connected to: a node, or an endpoint of which the node is not known yet.
struct Peer: Sendable {
  var node: NodeID?
  var addresses: PeerAddresses
  /// Another peer stands for the same node: never used.
  var isAlias = false
  var link: Link
  /// The requests on the present connection.
  var streams = StreamTable()
  /// Calls that wait for the connection.
  var waiting: [CallRef] = []
  var problem: PeerProblem?
  /// Until then it is suspected: it leaves requests unanswered, and others are asked first.
  var suspectedUntil: Instant = .zero
  var suspicion: Backoff
  /// When it last answered a request or HELLO.
  var answeredAt: Instant = .zero

  var name: String { node.map { "\($0)" } ?? addresses.current }

  mutating func note(_ kind: PeerProblem.Kind, _ now: Instant) {
    problem = PeerProblem(kind: kind, since: problem?.since ?? now)
  }

  mutating func clearProblem() {
    problem = nil
    suspectedUntil = .zero
    suspicion.reset()
  }

  /// For sentences: `n2 down for 12 s`.
  func describe(_ now: Instant) -> String {
    guard let problem else {
      return link.hasTransport ? "\(name) does not answer" : "\(name) not tried"
    }
    let age = now - problem.since
    let lasting = age >= .seconds(2) ? " for \(age.milliseconds / 1000) s" : ""
    return switch problem.kind {
    case .refused: "\(name) down\(lasting)"
    case .disconnected: "\(name) closed the connection"
    case .timedOut: "\(name) timed out\(lasting)"
    case .other(let text): "\(name): \(text)"
    }
  }
}

extension PeerProblem.Kind {
  init(_ cause: LinkEnd.Cause) {
    switch cause {
    case .refused: self = .refused
    case .lost, .requested: self = .disconnected
    case .connectTimeout, .helloTimeout, .silence: self = .timedOut
    case .goaway(let goaway), .rejected(let goaway): self = .other(goaway.message)
    case .version(let lowest, let highest):
      self = .other(
        "it speaks protocol versions \(lowest) to \(highest), this client "
          + "\(Hello.protocolVersion): use a client of the same release")
    case .unreadable(let error): self = .other("what it sent can't be read: \(error)")
    case .unexpected(let type):
      self = .other("what it sent can't be read: an unexpected \(type) frame")
    }
  }
}
