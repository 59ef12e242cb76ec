internal import KVBase
internal import KVCommand
internal import KVWire

/// Names a call in the table for as long as it lives: a reused slot has another generation.
struct CallRef: Hashable, Sendable {
  var slot: Int32
  var generation: UInt32
}

/// What a call sends. Keys only: the keyspace's id is resolved when a map is there.
enum Work: Sendable {
  case mutate(key: Bytes, KeyMutation)
  case meta(MetaCommand)
  case get(key: Bytes)
  /// Part of a multi-get: `positions` are those of its keys in the whole.
  case gets(keys: [Bytes], positions: [Int32])
  /// Part of a scan.
  case page(ScanCommand, partition: Int)
  /// Waits for its parts.
  case multiGet([Bytes])
  case scan(ScanQuery)
  case endSessions
  /// Part of the last.
  case endSession(ClientID, group: Int)
  case map
  case status(NodeID)
  case health(NodeID)
  case statusAt(endpoint: String)

  var isMutation: Bool {
    switch self {
    case .mutate, .meta: true
    case .get, .gets, .page, .multiGet, .scan, .endSessions, .endSession, .map, .status, .statusAt,
      .health:
      false
    }
  }

  /// It may take long for reasons other than a node in trouble.
  var isLong: Bool {
    switch self {
    case .gets, .page: true
    default: false
    }
  }

  /// For sentences.
  var name: String {
    switch self {
    case .mutate(_, let mutation): mutation.name
    case .meta(.createKeyspace): "create keyspace"
    case .meta(.dropKeyspace): "drop keyspace"
    case .meta: "change the map"
    case .get: "get"
    case .gets, .multiGet: "multi-get"
    case .page, .scan: "scan"
    case .endSessions, .endSession: "end of the session"
    case .map: "fetching the cluster map"
    case .status, .statusAt: "status"
    case .health: "health"
    }
  }
}

/// Whom a call may be sent to.
enum Route: Hashable, Sendable {
  /// Not known before the map is.
  case unresolved
  case group(Int)
  /// Every peer: for the map.
  case anyone
  case peer(Int)
}

/// Where a call stands.
enum CallState: Hashable, Sendable {
  case free
  /// In the queue of the table, to go on before the input ends.
  case ready
  case waitingForMap
  /// Its group has too many mutations in flight.
  case waitingForSession
  case waitingForConnection(peer: Int)
  case sent(peer: Int, stream: UInt32)
  case backingOff
  /// A call whose parts run.
  case waitingForParts
}

/// One round over the candidates of a call: whom it has tried. The masks have a bit for each
/// candidate, in the order of the route.
struct Round: Sendable {
  private(set) var number: UInt32 = 0
  /// The version of the routes that the masks are of.
  private(set) var routesVersion: UInt32 = 0
  private(set) var tried: UInt64 = 0
  /// Those tried that were unreachable or without a quorum.
  var blocked: UInt64 = 0
  /// Those that said that they have no quorum.
  var withoutQuorum: UInt64 = 0
  /// Hints followed to a candidate that was tried before.
  private var hops: UInt8 = 0

  /// Masks of other routes mean nothing.
  mutating func adopt(routesVersion version: UInt32) {
    guard routesVersion != version else { return }
    routesVersion = version
    tried = 0
    blocked = 0
    withoutQuorum = 0
  }

  mutating func begin() {
    number += 1
    tried = 0
    blocked = 0
    withoutQuorum = 0
    hops = 0
  }

  mutating func markTried(_ position: Int) { tried |= 1 << UInt64(position) }

  /// A candidate that answered earlier in this round is said to lead: it may be asked again, but
  /// not for ever, since two nodes may point at each other.
  mutating func retry(_ mask: UInt64) {
    guard tried & mask != 0, blocked & mask == 0, hops < 3 else { return }
    hops += 1
    tried &= ~mask
  }
}

/// The attempts of a call. The outcome is `unknown` as long as one of them is uncertain.
struct Attempts: Sendable {
  private(set) var count: UInt32 = 0
  /// Those on connections that live and have no answer.
  private(set) var outstanding: UInt32 = 0
  /// Those of which it is not known what they did.
  private(set) var uncertain: UInt32 = 0
  private(set) var lastSentAt: Instant = .zero

  mutating func begin(_ now: Instant) {
    count += 1
    outstanding += 1
    uncertain += 1
    lastSentAt = now
  }

  /// An answer came, or the connection of the attempt is gone.
  mutating func end(isCertain: Bool) {
    outstanding -= 1
    if isCertain { uncertain -= 1 }
  }

  /// The answer that made one certain can't be believed.
  mutating func doubtAnswer() { uncertain += 1 }
}

struct Call: Sendable {
  var generation: UInt32 = 0
  var state: CallState = .free
  /// `nil`: the core's own, or a part of another.
  var id: CallID?
  var parent: CallRef?
  var work: Work = .map
  var options = CallOptions()
  var began: Instant = .zero
  var deadline: Instant = .distantFuture
  var keyspace: KeyspaceID = .system
  var keyspaceMisses: UInt8 = 0
  var route: Route = .unresolved
  var round = Round()
  var attempts = Attempts()
  /// Of a mutation: its number in the session.
  var ticket: SessionTicket?
  var renewals: UInt8 = 0
  /// The answer to the last attempt, where there was one.
  var lastFailure: Failure?
  /// Of a call with parts: what they have answered so far.
  var composite: Int32 = -1

  var needsLeader: Bool {
    switch options.consistency {
    case .session, .stale: work.isMutation
    default: true
    }
  }
}
