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
  case map
  case status(NodeID)
  case health(NodeID)

  var isMutation: Bool {
    switch self {
    case .mutate, .meta: true
    case .get, .gets, .page, .multiGet, .scan, .map, .status, .health: false
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
    case .map: "map"
    case .status: "status"
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
  /// In `ready`, to be looked at before the input ends.
  case ready
  case waitingForMap
  /// Its group has too many mutations in flight.
  case waitingForPlace
  case waitingForConnection(peer: Int, patienceUntil: Instant)
  case sent(peer: Int, stream: UInt32, answerBy: Instant)
  case backingOff(until: Instant)
  /// A multi-get or scan whose parts run.
  case gathering
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
  var route: Route = .unresolved
  /// The version of the routes that the masks below are of.
  var routesVersion: UInt32 = 0
  /// Candidates tried in this round, and those of them that were unreachable or without a quorum.
  var tried: UInt64 = 0
  var blocked: UInt64 = 0
  /// Candidates that said in this round that they have no quorum.
  var withoutQuorum: UInt64 = 0
  var round: UInt32 = 0
  var attempts: UInt32 = 0
  /// Attempts on connections that live, and attempts of which it is not known what they did.
  var outstanding: UInt32 = 0
  var unresolved: UInt32 = 0
  var client: ClientID = .none
  var sequence: UInt64 = 0
  /// Its place among the mutations in flight to its group.
  var place: SessionPlace?
  var sentAt: Instant = .zero
  /// Hints followed in this round to a candidate that was tried before.
  var hops: UInt8 = 0
  var renewals: UInt8 = 0
  var keyspaceMisses: UInt8 = 0
  /// The answer to the last attempt, where there was one.
  var lastFailure: Failure?
  /// What the parts of a multi-get or scan have answered so far.
  var composite: Int32 = -1

  var needsLeader: Bool {
    switch options.consistency {
    case .session, .stale: work.isMutation
    default: true
    }
  }
}

/// The calls in progress, in reused slots.
struct CallTable: Sendable {
  private var slots: [Call] = []
  private var free: [Int32] = []
  private(set) var count = 0

  subscript(slot: Int32) -> Call {
    _read { yield slots[Int(slot)] }
    _modify { yield &slots[Int(slot)] }
  }

  var capacity: Int { slots.count }

  mutating func insert(_ call: Call) -> CallRef {
    count += 1
    guard let slot = free.popLast() else {
      slots.append(call)
      return CallRef(slot: Int32(slots.count - 1), generation: call.generation)
    }
    let generation = slots[Int(slot)].generation
    slots[Int(slot)] = call
    slots[Int(slot)].generation = generation
    return CallRef(slot: slot, generation: generation)
  }

  func ref(_ slot: Int32) -> CallRef {
    CallRef(slot: slot, generation: slots[Int(slot)].generation)
  }

  func isLive(_ ref: CallRef) -> Bool {
    slots[Int(ref.slot)].generation == ref.generation && slots[Int(ref.slot)].state != .free
  }

  mutating func remove(_ slot: Int32) {
    let generation = slots[Int(slot)].generation
    slots[Int(slot)] = Call()
    slots[Int(slot)].generation = generation &+ 1
    free.append(slot)
    count -= 1
  }
}
