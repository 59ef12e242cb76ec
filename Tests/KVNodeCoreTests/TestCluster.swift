import KVBase
import KVCommand
import KVLog
import KVPlacement
import KVRaft
import KVState
import KVWire

@testable import KVNodeCore

/// A node over the stores' twins: carries out outputs at once, and keeps what it sent.
final class TestNode {
  let configuration: NodeConfiguration
  let log: MemoryLog
  let machines: StateMachines<MemoryState>
  var core: NodeCore
  var outputs = NodeOutputs()
  /// Log writes are not done while this is set.
  var isDiskStuck = false
  var stuck: [UInt64] = []
  var frames: [(connection: ConnectionID, frame: Frame)] = []
  var connections: [NodeOutputs.ConnectionOrder] = []
  var replies: [(stream: UInt32, reply: Reply)] = []
  var fatal: String?
  /// What the identity file would say.
  var clusterID: UInt64
  /// Groups whose replica was begun in this life of the node.
  var begun: [GroupID] = []
  var readers: [TransferID: SnapshotReader<MemoryState.View>] = [:]

  init(_ configuration: NodeConfiguration, log: MemoryLog, state: MemoryState, now: Now) throws {
    self.configuration = configuration
    clusterID = configuration.clusterID
    self.log = log
    machines = StateMachines(store: state)
    var groups: [NodeRecovery.Group] = []
    for (group, log) in log.recovered {
      groups.append(
        NodeRecovery.Group(
          group: group, log: log,
          status: try machines.recover(
            group, generation: log.generation, log: (log.baseIndex, log.lastIndex),
            configuration: log.configurations.first?.configuration,
            map: group == .meta ? .unformed : nil)))
    }
    core = NodeCore(
      configuration: configuration, recovery: NodeRecovery(groups: groups),
      random: SeededRandom(seed: UInt64(configuration.node.rawValue)), now: now)
  }

  func give(_ input: NodeInput, _ now: Now) throws {
    core.step(input, now: now, into: &outputs)
    try endTurn(now)
  }

  func endTurn(_ now: Now) throws {
    while true {
      core.finishTurn(now: now, into: &outputs)
      if outputs.isEmpty { return }
      var asked = NodeOutputs()
      swap(&asked, &outputs)
      try carryOut(asked, now)
    }
  }

  private func carryOut(_ asked: NodeOutputs, _ now: Now) throws {
    for persist in asked.persists {
      for case .reset(let group, _, _, _, _) in persist.records { begun.append(group) }
      try log.append(persist.records)
      if isDiskStuck {
        stuck.append(persist.number)
      } else {
        try log.sync()
        core.step(.persisted(persist.number), now: now, into: &outputs)
      }
    }
    for frame in asked.frames {
      frames.append(
        (
          frame.connection,
          Frame(type: frame.type, stream: frame.stream, payload: frame.payload)
        ))
    }
    asked.peerFrames.forEach { connection, writer, range in
      let payload = Bytes(Array(writer.bytes[range]))
      frames.append((connection, Frame(type: .peer, stream: 0, payload: payload)))
    }
    let bytes = Bytes(asked.replyBytes.bytes)
    for reply in asked.replies {
      replies.append((reply.stream, try Reply(decoding: bytes[reply.start..<reply.end])))
    }
    connections += asked.connections
    for creation in asked.creations {
      _ = try machines.create(
        creation.group, generation: creation.generation, configuration: creation.configuration,
        meta: creation.map)
    }
    for group in asked.removals { try machines.remove(group) }
    for step in asked.snapshots { try snapshot(step, now) }
    if !asked.applies.isEmpty {
      core.step(.applied(try machines.apply(asked.applies)), now: now, into: &outputs)
    }
    for read in asked.reads {
      let result = try machines.read(read.group, read.command, tier: .all)
      core.step(.readDone(read.number, result), now: now, into: &outputs)
    }
    for read in asked.logReads {
      let entries = try? log.read(
        read.group, from: read.from, through: read.through, maxBytes: read.maxBytes)
      core.step(.logRead(read.number, entries), now: now, into: &outputs)
    }
    for (group, through) in asked.compactions { try log.compact(group, through: through) }
    if asked.flushState {
      core.step(.stateFlushed(try machines.flush()), now: now, into: &outputs)
    }
    if let id = asked.clusterID { clusterID = id }
    if let problem = asked.fatal { fatal = problem }
  }

  private func snapshot(_ order: NodeOutputs.Snapshot, _ now: Now) throws {
    func answer(_ transfer: TransferID, _ step: SnapshotStep) {
      core.step(.snapshot(transfer, step), now: now, into: &outputs)
    }
    switch order {
    case .open(let transfer, let group):
      let reader = try machines.beginSnapshot(group)
      readers[transfer] = reader
      answer(transfer, .opened(reader.status))
    case .read(let transfer, let cursor, let maxBytes):
      guard let reader = readers[transfer] else { return }
      let chunk = try reader.chunk(at: cursor, maxBytes: maxBytes)
      answer(transfer, .chunk(chunk.bytes, next: chunk.next))
    case .close(let transfer): readers[transfer] = nil
    case .beginInstall(let transfer, let group, let generation):
      try machines.beginInstall(group, generation: generation)
      answer(transfer, .stepDone(problem: nil))
    case .installChunk(let transfer, let group, let generation, let bytes):
      try machines.installChunk(group, generation: generation, chunk: bytes)
      answer(transfer, .stepDone(problem: nil))
    case .finishInstall(let transfer, let group, let generation):
      answer(transfer, .installed(try machines.finishInstall(group, generation: generation)))
    case .activate(let group, let generation):
      try machines.activate(group, generation: generation)
    }
  }

  func report(_ group: GroupID, _ now: Now) -> NodeReport.Group? {
    core.report(now: now.instant).groups.first { $0.group == group }
  }

  /// The cluster map, as this node knows it.
  var map: ClusterMap { core.clusterView.map }

  /// The groups of which it holds a replica.
  var replicas: [GroupID] { core.report(now: .zero).groups.map(\.group) }

  /// The commands in the log of one of its replicas, from its begin.
  func commands(of group: GroupID) throws -> [Command] {
    let entries = try log.read(
      group, from: LogIndex(1),
      through: report(group, .init(instant: .zero, wallMilliseconds: 0))?
        .last ?? .zero, maxBytes: .max)
    return try entries.filter { $0.kind == .command }.map { try Command(decoding: $0.payload) }
  }
}

/// Transports between nodes: in order, and without delay.
struct TestTransports {
  struct End: Hashable {
    var node: Int
    var connection: ConnectionID
  }

  private(set) var others: [End: End] = [:]
  private var nextAccepted: UInt64 = 1_000

  mutating func open(from dialer: End, to node: Int) -> End {
    nextAccepted += 1
    let acceptor = End(node: node, connection: ConnectionID(nextAccepted))
    others[dialer] = acceptor
    others[acceptor] = dialer
    return acceptor
  }

  mutating func close(_ end: End) -> End? {
    guard let other = others.removeValue(forKey: end) else { return nil }
    others[other] = nil
    return other
  }

  func ends(of node: Int) -> [End] {
    others.keys.filter { $0.node == node }.sorted { $0.connection < $1.connection }
  }
}

/// Nodes with a perfect network but for the cuts that a test makes, and a clock that it moves.
final class TestCluster {
  var nodes: [TestNode]
  var isDown: [Bool]
  private var transports = TestTransports()
  var milliseconds: UInt64 = 1_000
  var nextStream: UInt32 = 1
  var nextSequence: UInt64 = 1
  let client = ClientID(createdMilliseconds: 1, random: 7)

  var now: Now {
    Now(
      instant: Instant(nanoseconds: milliseconds * 1_000_000),
      wallMilliseconds: 1_700_000_000_000 + milliseconds)
  }

  static func configuration(
    _ id: UInt32, of count: Int, partitions: Int, incarnation: UInt64? = nil
  ) -> NodeConfiguration {
    var configuration = NodeConfiguration(
      node: NodeID(id),
      members: (1...count).map {
        .init(node: NodeID(UInt32($0)), address: "127.0.0.1:\(7400 + $0)")
      }, incarnation: incarnation ?? UInt64(id) * 1000)
    configuration.partitions = partitions
    return configuration
  }

  init(
    nodes count: Int = 3, partitions: Int = 4, down: Range<Int> = 0..<0,
    adjust: (inout NodeConfiguration) -> Void = { _ in }
  ) throws {
    nodes = []
    isDown = (0..<count).map { down.contains($0) }
    for id in 1...count {
      var configuration = Self.configuration(UInt32(id), of: count, partitions: partitions)
      adjust(&configuration)
      nodes.append(
        try TestNode(
          configuration, log: try Self.makeLog(node: UInt32(id)), state: MemoryState(), now: now))
    }
    try run(milliseconds: 10)
  }

  static func makeLog(node: UInt32) throws -> MemoryLog {
    try MemoryLog.create(node: NodeID(node))
  }

  func setDown(_ at: Int) throws {
    isDown[at] = true
    nodes[at].frames = []
    nodes[at].connections = []
    for end in transports.ends(of: at) {
      guard let other = transports.close(end) else { continue }
      try nodes[other.node].give(.closed(other.connection, isRefused: false), now)
    }
    clientsOf.remove(at)
    try deliver()
  }

  func setUp(_ at: Int, _ node: TestNode? = nil) throws {
    if let node { nodes[at] = node }
    isDown[at] = false
    try run(milliseconds: 10)
  }

  /// What a start finds: the flags, and what the data directory keeps beside log and state.
  func flagsAfterRestart(_ at: Int) -> NodeConfiguration {
    var configuration = nodes[at].configuration
    configuration.clusterID = nodes[at].clusterID
    configuration.recordedDigest = configuration.creationDigest
    return configuration
  }

  /// The process ends and starts again; with `losingPower`, what was not synced is gone.
  func restart(
    _ at: Int, losingPower: Bool = false, _ adjust: (inout NodeConfiguration) -> Void = { _ in }
  ) throws {
    try setDown(at)
    var configuration = flagsAfterRestart(at)
    adjust(&configuration)
    let node = nodes[at]
    let state = node.machines.store
    try setUp(
      at,
      TestNode(
        configuration, log: losingPower ? node.log.crash() : node.log.restart(),
        state: losingPower ? state.crash(keeping: 0) : state, now: now))
  }

  /// Addresses that lead to a node beside its own.
  var proxies: [String: Int] = [:]
  /// What nodes have dialed.
  var dialed: [(from: Int, address: String)] = []

  /// Carries out what nodes ask of transports, delivers everything, and what that brings, until
  /// nothing is left.
  func deliver() throws {
    var isBusy = true
    while isBusy {
      isBusy = false
      for from in nodes.indices where !isDown[from] {
        let frames = nodes[from].frames
        nodes[from].frames = []
        for (connection, frame) in frames {
          guard let other = transports.others[.init(node: from, connection: connection)] else {
            continue
          }
          isBusy = true
          try nodes[other.node].give(.frame(other.connection, frame), now)
        }
        let orders = nodes[from].connections
        nodes[from].connections = []
        for order in orders {
          isBusy = true
          try carryOut(order, of: from)
        }
      }
    }
  }

  private func carryOut(_ order: NodeOutputs.ConnectionOrder, of from: Int) throws {
    switch order {
    case .open(let connection, let address):
      dialed.append((from, address))
      let to = proxies[address] ?? nodes.firstIndex { $0.configuration.address == address }
      guard let to, !isDown[to] else {
        return try nodes[from].give(.closed(connection, isRefused: true), now)
      }
      let acceptor = transports.open(from: .init(node: from, connection: connection), to: to)
      try nodes[to].give(.accepted(acceptor.connection, from: "n\(from + 1)"), now)
      try nodes[from].give(.opened(connection), now)
    case .close(let connection), .closeWhenSent(let connection):
      // What was sent before has been delivered.
      guard let other = transports.close(.init(node: from, connection: connection)) else { return }
      try nodes[other.node].give(.closed(other.connection, isRefused: false), now)
    }
  }

  func run(milliseconds count: UInt64) throws {
    for _ in 0..<count / 10 {
      milliseconds += 10
      for at in nodes.indices where !isDown[at] {
        try nodes[at].give(
          .tick(
            .init(
              logRetainedBytes: nodes[at].log.retainedBytes,
              logWrittenBytes: UInt64(nodes[at].log.retainedBytes))), now)
      }
      try deliver()
    }
  }

  /// The client's connection to a node.
  private static let client = ConnectionID(1)
  private var clientsOf: Set<Int> = []

  private func greet(_ at: Int) throws {
    guard clientsOf.insert(at).inserted else { return }
    let hello = Hello(
      role: .client, clusterID: 0, creationDigest: 0, node: NodeID(0), incarnation: 0,
      isBlank: false, software: "test")
    var writer = ByteWriter()
    hello.encode(into: &writer)
    try nodes[at].give(.accepted(Self.client, from: "a client"), now)
    try nodes[at].give(
      .frame(Self.client, Frame(type: .hello, stream: 0, payload: writer.take())), now)
  }

  /// Sends the bytes of a request, whatever they are.
  func send(_ at: Int, stream: UInt32, _ payload: Bytes) throws {
    try greet(at)
    try nodes[at].give(
      .frame(Self.client, Frame(type: .request, stream: stream, payload: payload)), now)
  }

  /// Sends a request to a node and returns its answer, after at most `patience` milliseconds.
  func ask(_ at: Int, _ request: Request, patience: UInt64 = 0) throws -> Reply? {
    let stream = nextStream
    nextStream += 1
    var writer = ByteWriter()
    request.encode(into: &writer)
    try send(at, stream: stream, writer.take())
    try deliver()
    for _ in 0...patience / 10 {
      if let found = nodes[at].replies.first(where: { $0.stream == stream }) { return found.reply }
      try run(milliseconds: 10)
    }
    return nil
  }

  func mutation(_ body: CommandBody, sequence: UInt64? = nil) -> Request {
    let number = sequence ?? nextSequence
    if sequence == nil { nextSequence += 1 }
    var writer = ByteWriter()
    let command = Command(
      session: SessionStamp(client: client, sequence: number, lowestUnacknowledged: 0), body: body)
    command.encode(into: &writer)
    return Request(.mutate(command, encoded: writer.take()))
  }

  func put(_ key: Bytes, _ value: Bytes) -> Request {
    mutation(.mutate(keyspace: .default, key: key, .put(value: value)))
  }

  func get(_ key: Bytes, _ level: Consistency? = nil) -> Request {
    Request(.read(.get(keyspace: .default, key: key)), consistency: level)
  }

  /// The position of the node that leads a key, as node `at` sees it.
  func leader(of key: Bytes, seenBy at: Int = 0) -> Int? { leader(of: group(of: key), seenBy: at) }

  func group(of key: Bytes) -> GroupID {
    GroupID(
      partition: Ring.partition(of: key, partitions: nodes[0].configuration.partitions))
  }

  func leader(of group: GroupID, seenBy at: Int = 0) -> Int? {
    guard let leader = nodes[at].report(group, now)?.leader, leader != NodeID(0) else {
      return nil
    }
    return nodes.firstIndex { $0.configuration.node == leader }
  }
}
