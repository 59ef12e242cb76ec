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

  func has(_ address: String) -> Bool { all.contains(address) }

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

  /// Why it can't be used: what ended the last connection, or what the present one waits for.
  var obstacle: PeerProblem.Kind? {
    if let problem { return problem.kind }
    return switch link.state {
    case .connecting: .unreachable
    case .greeting: .noHello(isClosed: false)
    case .ready: .timedOut
    case .idle, .draining, .backingOff: nil
    }
  }

  /// For sentences: `n2 down for 12 s`.
  func describe(_ now: Instant) -> String {
    if let problem { return problem.describe(name, now) }
    switch link.state {
    case .greeting: return PeerProblem.Kind.noHello(isClosed: false).describe(name)
    case .connecting, .ready, .draining: return "\(name) does not answer"
    case .idle, .backingOff: return "\(name) not tried"
    }
  }
}
