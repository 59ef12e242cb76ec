internal import KVBase
internal import KVCommand
internal import KVPlacement
internal import KVWire

/// Where a client's request goes: decoded, checked against the map, and sent to the engine of its
/// partition. Checks against the map come before a command is proposed, since maps reach replicas
/// at different times.
struct RequestRouter: Sendable {
  enum Route: Sendable {
    case map
    case status
    case health
    case engine(GroupID, EngineRequest)
    case refused(Failure)
    /// There is no map yet: see `unformed`.
    case unformed
  }

  private let node: NodeID
  /// How long a read waits that names no deadline.
  private let readTimeout: TimeAmount
  private(set) var map: ClusterMap
  /// Of the map, for every request: by group, and how many.
  private var epochs: [Epoch] = []
  private var partitions = 0
  /// The node may take part.
  private(set) var isAdmitted = false
  /// What it waits for as long as it does not serve.
  private var waitsFor = "it has just been started"

  init(node: NodeID, readTimeout: TimeAmount, map: ClusterMap) {
    self.node = node
    self.readTimeout = readTimeout
    self.map = map
  }

  mutating func update(_ map: ClusterMap) {
    self.map = map
    epochs = map.replicaSets.map(\.epoch)
    partitions = map.partitions
  }
  mutating func admitted() { isAdmitted = true }
  mutating func waits(for reason: String) { waitsFor = reason }

  func group(of key: Bytes) -> GroupID {
    GroupID(partition: Ring.partition(of: key, partitions: partitions))
  }

  func route(_ request: Request, now: Instant) -> Route {
    switch request.body {
    case .status: return .status
    case .health: return .health
    case .map where map.isFormed: return .map
    case .read(let command) where map.isFormed: return route(command, request, now: now)
    case .mutate(let command, let encoded) where map.isFormed:
      return route(command, encoded, request)
    case .map, .read, .mutate: return .unformed
    }
  }

  // MARK: Mutations

  private func route(_ command: Command, _ encoded: Bytes, _ request: Request) -> Route {
    let level = request.consistency ?? .linearizable
    guard level == .linearizable || level == .quorum else {
      return .refused(
        Failure(
          .invalidArgument, .wrongMode, notStarted: true,
          "a cp keyspace has no writes at level \(level.name): use linearizable or quorum"))
    }
    if let (keyspace, key) = command.target {
      if let failure = problem(withKeyspace: keyspace) {
        return .refused(failure)
      }
      return .engine(group(of: key), .mutate(encoded))
    }
    switch command.body {
    case .meta(.createKeyspace(let name, let mode)):
      if let failure = Self.problem(withCreating: name, mode: mode) { return .refused(failure) }
    case .meta(.dropKeyspace): break
    case .endSession:
      guard let group = request.group else {
        return .refused(Self.malformed("the end of a session must name its group"))
      }
      return .engine(group, .mutate(encoded))
    default:
      return .refused(
        Failure(
          .permissionDenied, .malformed, notStarted: true,
          "only a node itself proposes a command of this kind"))
    }
    return .engine(.meta, .mutate(encoded))
  }

  private static func problem(withCreating name: String, mode: KeyspaceMode) -> Failure? {
    if let problem = KeyspaceDescriptor.problem(withName: name) {
      return Failure(.invalidArgument, .malformed, notStarted: true, problem)
    }
    guard mode == .cp else {
      return Failure(
        .unimplemented, .wrongMode, notStarted: true,
        "ap keyspaces are not there yet: create '\(name)' with mode cp")
    }
    return nil
  }

  private func problem(withKeyspace id: KeyspaceID) -> Failure? {
    guard let keyspace = map.keyspace(id) else {
      if map.dropped.contains(id) {
        return Failure(
          .notFound, .unknownKeyspace, notStarted: true, "keyspace \(id.rawValue) was dropped")
      }
      // Ids rise: one that is not given yet is of a newer map.
      if id >= map.nextKeyspace { return mapBehind }
      return Failure(
        .notFound, .unknownKeyspace, notStarted: true,
        "there is no keyspace with id \(id.rawValue): fetch the map again")
    }
    guard keyspace.mode == .cp else {
      return Failure(
        .unimplemented, .wrongMode, notStarted: true,
        "keyspace '\(keyspace.name)' is ap, and ap is not there yet")
    }
    return nil
  }

  // MARK: Reads

  private func route(_ command: ReadCommand, _ request: Request, now: Instant) -> Route {
    if let failure = problem(withKeyspace: command.keyspace) {
      return .refused(failure)
    }
    let group: GroupID
    switch command {
    case .get(_, let key): group = self.group(of: key)
    case .multiGet(_, let keys):
      guard let first = keys.first else { return .refused(Self.malformed("no keys were given")) }
      group = self.group(of: first)
      guard keys.allSatisfy({ self.group(of: $0) == group }) else {
        return .refused(Self.malformed("the keys of one request must be of one partition"))
      }
    case .scan:
      guard let named = request.group, named != .meta else {
        return .refused(Self.malformed("a scan must name its group"))
      }
      group = named
    }
    let terms = ReadTerms(
      level: request.consistency ?? .linearizable,
      deadline: now + (request.deadline ?? readTimeout), after: request.after,
      maximumAge: request.maximumAge)
    return .engine(group, .read(command, terms))
  }

  static func malformed(_ text: String) -> Failure {
    Failure(.invalidArgument, .malformed, notStarted: true, text)
  }

  // MARK: Refusals

  /// What stands against any work, on whatever group. `successor`: who leads it now, where this
  /// node shuts down.
  func refusal(
    of group: GroupID, _ request: Request, successor: NodeID?, _ context: borrowing ShardContext
  ) -> Failure? {
    if request.deadline == .zero {
      return Failure(
        .deadlineExceeded, .expired, notStarted: true, "the time was over before it was begun")
    }
    if context.isShuttingDown, request.consistency != .stale {
      return Refusals.shuttingDown(node, leader: successor == node ? nil : successor)
    }
    if !isAdmitted { return unformed }
    if let epoch = request.epoch, Int(group.rawValue) < epochs.count,
      epoch > epochs[Int(group.rawValue)]
    {
      return mapBehind
    }
    return nil
  }

  /// The node does not serve yet.
  var unformed: Failure {
    Failure(
      .unavailable, .starting, notStarted: true,
      "node \(node.rawValue) does not serve yet: \(waitsFor)",
      retryAfter: isAdmitted ? .milliseconds(20) : .milliseconds(100))
  }

  private var mapBehind: Failure {
    Failure(
      .unavailable, .mapBehind, notStarted: true,
      "node \(node.rawValue) has only seen map \(map.epoch), and the client a newer one: retry",
      retryAfter: .milliseconds(20))
  }

  /// The client was routed by another map, or by none: what it needs to turn right.
  func notReplica(of group: GroupID) -> Failure {
    guard let set = map.replicaSet(of: group) else {
      return Failure(
        .invalidArgument, .notReplica, notStarted: true, "there is no group \(group.rawValue)")
    }
    let replicas = set.nodes.map {
      GroupRoute.Node(id: $0, address: map.member($0)?.address ?? "")
    }
    return Failure(
      .unavailable, .notReplica, notStarted: true,
      "node \(node.rawValue) holds no replica of group \(group.rawValue)",
      leader: set.voters.first?.node,
      route: GroupRoute(group: group, epoch: set.epoch, replicas: replicas))
  }
}
