import KVBase
import KVCommand
import KVLog
import KVPlacement
import KVRaft
import KVState
import KVWire

@testable import KVNodeCore

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
    try MemoryLog.create(
      node: NodeID(node), options: LogOptions(segmentBytes: 1 << 20, saltSeed: UInt64(node)))
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

  /// Addresses that can't be dialed, and why not.
  var unknownAddresses: [String: String] = [:]

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

  var cut: Set<[Int]> = []

  /// `from` can't dial `to` from now on, and loses the connection that it has dialed.
  func cutDial(_ from: Int, _ to: Int) throws {
    cut.insert([from, to])
    for end in transports.ends(of: from) where end.connection.rawValue >= 1 << 63 {
      guard let other = transports.others[end], other.node == to else { continue }
      _ = transports.close(end)
      try nodes[to].give(.closed(other.connection, isRefused: false), now)
      try nodes[from].give(.closed(end.connection, isRefused: false), now)
    }
    try deliver()
  }

  private func carryOut(_ order: NodeOutputs.ConnectionOrder, of from: Int) throws {
    switch order {
    case .open(let connection, let address):
      dialed.append((from, address))
      if let reason = unknownAddresses[address] {
        return try nodes[from].give(.closed(connection, isRefused: false, because: reason), now)
      }
      let to = proxies[address] ?? nodes.firstIndex { $0.configuration.address == address }
      if let to, cut.contains([from, to]) {
        return try nodes[from].give(.closed(connection, isRefused: false, because: "cut"), now)
      }
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
              logWrittenBytes: UInt64(nodes[at].log.statistics.bytesWritten),
              isUnderPressure: nodes[at].isUnderPressure)), now)
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

  /// Sends a request to a node and returns its answer, after at most `timeout` milliseconds.
  func ask(_ at: Int, _ request: Request, timeout: UInt64 = 0) throws -> Reply? {
    let stream = nextStream
    nextStream += 1
    var writer = ByteWriter()
    request.encode(into: &writer)
    try send(at, stream: stream, writer.take())
    try deliver()
    for _ in 0...timeout / 10 {
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
