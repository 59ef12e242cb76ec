import KVBase
import KVCommand
import KVLog
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
  var sent: [NodeOutputs.PeerFrame] = []
  var replies: [(stream: UInt32, reply: Reply)] = []
  var fatal: String?
  var readers: [TransferID: SnapshotReader<MemoryState.View>] = [:]

  init(_ configuration: NodeConfiguration, log: MemoryLog, state: MemoryState, now: Now) throws {
    self.configuration = configuration
    self.log = log
    machines = StateMachines(store: state)
    let recovery = try NodeRecovery.open(configuration: configuration, log: log, machines: machines)
    core = NodeCore(
      configuration: configuration, recovery: recovery,
      random: SeededRandom(seed: UInt64(configuration.node.rawValue)), now: now)
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
      try log.append(persist.records)
      if isDiskStuck {
        stuck.append(persist.number)
      } else {
        try log.sync()
        core.persisted(persist.number, now: now, into: &outputs)
      }
    }
    sent += asked.peerFrames
    let bytes = Bytes(asked.replyBytes.bytes)
    for reply in asked.replies {
      replies.append((reply.stream, try Reply(decoding: bytes[reply.start..<reply.end])))
    }
    if !asked.applies.isEmpty {
      core.applied(try machines.apply(asked.applies), now: now, into: &outputs)
    }
    for read in asked.reads {
      let result = try machines.read(read.group, read.command, tier: .all)
      core.readDone(read.number, result ?? .record(nil), now: now, into: &outputs)
    }
    for read in asked.logReads {
      let entries = try? log.read(
        read.group, from: read.from, through: read.through, maxBytes: read.maxBytes)
      core.logRead(read.number, entries, now: now, into: &outputs)
    }
    for step in asked.snapshots { try snapshot(step, now) }
    for (group, through) in asked.compactions { try log.compact(group, through: through) }
    if asked.flushState {
      core.stateFlushed(try machines.flush(), now: now, into: &outputs)
    }
    if let problem = asked.fatal { fatal = problem }
  }

  private func snapshot(_ step: NodeOutputs.Snapshot, _ now: Now) throws {
    switch step {
    case .open(let transfer, let group):
      let reader = try machines.beginSnapshot(group)
      readers[transfer] = reader
      core.snapshotOpened(transfer, reader.status, now: now, into: &outputs)
    case .read(let transfer, let cursor, let maxBytes):
      guard let reader = readers[transfer] else { return }
      let chunk = try reader.chunk(at: cursor, maxBytes: maxBytes)
      core.snapshotChunk(transfer, chunk.bytes, next: chunk.next, now: now, into: &outputs)
    case .close(let transfer): readers[transfer] = nil
    case .beginInstall(let transfer, let group, let generation):
      try machines.beginInstall(group, generation: generation)
      core.snapshotStepDone(transfer, problem: nil, now: now, into: &outputs)
    case .installChunk(let transfer, let group, let generation, let bytes):
      try machines.installChunk(group, generation: generation, chunk: bytes)
      core.snapshotStepDone(transfer, problem: nil, now: now, into: &outputs)
    case .finishInstall(let transfer, let group, let generation):
      let status = try machines.finishInstall(group, generation: generation)
      core.snapshotInstalled(transfer, status, now: now, into: &outputs)
    case .activate(let group, let generation):
      try machines.activate(group, generation: generation)
    }
  }
}

/// Nodes with a perfect network but for the cuts that a test makes, and a clock that it moves.
final class TestCluster {
  var nodes: [TestNode]
  var isDown: [Bool]
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
    nodes count: Int = 3, partitions: Int = 4, adjust: (inout NodeConfiguration) -> Void = { _ in }
  ) throws {
    nodes = []
    isDown = [Bool](repeating: false, count: count)
    for id in 1...count {
      var configuration = Self.configuration(UInt32(id), of: count, partitions: partitions)
      adjust(&configuration)
      nodes.append(
        try TestNode(
          configuration, log: try Self.makeLog(node: UInt32(id)), state: MemoryState(), now: now))
    }
    try connectAll()
  }

  static func makeLog(node: UInt32) throws -> MemoryLog {
    try MemoryLog.create(node: NodeID(node))
  }

  func connect(_ from: Int, _ to: Int) throws {
    var writer = ByteWriter()
    nodes[from].core.hello.encode(into: &writer)
    let hello = writer.take()
    let decision = nodes[to].core.receiveHello(hello, now: now, into: &nodes[to].outputs)
    if case .refuse(let goaway) = decision {
      nodes[from].core.peerRefused(
        nodes[to].configuration.node, goaway, now: now, into: &nodes[from].outputs)
    } else {
      nodes[to].core.hello.encode(into: &writer)
      _ = nodes[from].core.peerConnected(
        nodes[to].configuration.node, hello: writer.take(), now: now, into: &nodes[from].outputs)
    }
    try nodes[from].endTurn(now)
    try nodes[to].endTurn(now)
  }

  func connectAll() throws {
    for from in nodes.indices where !isDown[from] {
      for to in nodes.indices where to != from && !isDown[to] { try connect(from, to) }
    }
  }

  func setDown(_ at: Int) throws {
    isDown[at] = true
    for other in nodes.indices where other != at && !isDown[other] {
      nodes[other].core.peerDisconnected(
        nodes[at].configuration.node, refused: true, now: now, into: &nodes[other].outputs)
      try nodes[other].endTurn(now)
    }
  }

  /// Delivers everything, and what that brings, until nothing is left.
  func deliver() throws {
    var isBusy = true
    while isBusy {
      isBusy = false
      for from in nodes.indices where !isDown[from] {
        let frames = nodes[from].sent
        nodes[from].sent = []
        for frame in frames {
          guard let to = nodes.firstIndex(where: { $0.configuration.node == frame.to }), !isDown[to]
          else { continue }
          isBusy = true
          try nodes[to].core.receivePeer(
            from: nodes[from].configuration.node, frame.payload, now: now,
            into: &nodes[to].outputs)
          try nodes[to].endTurn(now)
        }
      }
    }
  }

  func run(milliseconds count: UInt64) throws {
    for _ in 0..<count / 10 {
      milliseconds += 10
      for at in nodes.indices where !isDown[at] {
        nodes[at].core.tick(
          now: now,
          gauges: .init(
            logRetainedBytes: nodes[at].log.retainedBytes,
            logWrittenBytes: UInt64(nodes[at].log.retainedBytes)), into: &nodes[at].outputs)
        try nodes[at].endTurn(now)
      }
      try deliver()
    }
  }

  /// Sends a request to a node and returns its answer, after at most `patience` milliseconds.
  func ask(_ at: Int, _ request: Request, patience: UInt64 = 0) throws -> Reply? {
    let stream = nextStream
    nextStream += 1
    var writer = ByteWriter()
    request.encode(into: &writer)
    nodes[at].core.receiveRequest(
      writer.take(), connection: ConnectionID(1), stream: stream, now: now,
      into: &nodes[at].outputs)
    try nodes[at].endTurn(now)
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
  func leader(of key: Bytes, seenBy at: Int = 0) -> Int? {
    let core = nodes[at].core
    guard let slot = core.slot(of: core.groupOf(key)),
      let leader = core.replicas[slot].raft.leader
    else { return nil }
    return nodes.firstIndex { $0.configuration.node == leader.node }
  }
}
