import KVBase
import KVClientCore
import KVCommand
import KVPlacement
import KVWire

/// A cluster that answers at once from one dictionary, with switches for what can go wrong, and a
/// clock that the test moves. It decodes what the client sends, as a node would.
final class FakeCluster {
  enum Health { case up, down, silent, blackHole }

  struct Received {
    var node: NodeID
    var request: Request
    var command: Command? {
      if case .mutate(let command, _) = request.body { command } else { nil }
    }
  }

  var core: ClientCore
  var outputs = ClientOutputs()
  var now = Instant(nanoseconds: 1_000_000_000)
  var wall: UInt64 = 1_700_000_000_000
  var view: ClusterView
  /// By group: who leads.
  var leaders: [NodeID]
  var health: [NodeID: Health] = [:]
  var withoutQuorum = false
  var noLeader = false
  var hintsLeader = true
  /// A node without a replica of the group says where the group is.
  var turnsAway = false
  /// A fault: retries take effect again.
  var forgetsSessions = false
  var data: [Bytes: Record] = [:]
  var results: [SessionKey: CommandResult] = [:]
  var received: [Received] = []
  /// Answers instead of the cluster, where it does not return `nil`.
  var script: ((NodeID, Request) -> Scripted?)?
  var completions: [UInt64: Outcome] = [:]
  var completionOrder: [UInt64] = []
  var connectCount = 0
  var pings = 0
  /// What the client said.
  var goaways: [Goaway] = []
  /// Instead of HELLO.
  var refusal: Goaway?
  /// Of the protocol.
  var versions = Hello.protocolVersion...Hello.protocolVersion
  private(set) var open: [PeerID: NodeID] = [:]
  /// Which connection to a peer is the present one: what belongs to an earlier one is lost.
  private var connection: [PeerID: Int] = [:]
  private var nextCall: UInt64 = 1
  var index: UInt64 = 0
  /// Pages are cut to this many records, whatever was asked.
  var pageLimit = 1024

  enum Scripted {
    case reply(Reply)
    /// Applied, but the answer is lost with the connection.
    case applyThenDisconnect
    case disconnect
    case silence
    case raw(Bytes)
  }

  struct SessionKey: Hashable {
    var client: ClientID
    var sequence: UInt64
  }

  init(
    nodes: Int = 3, partitions: Int = 8, endpoints: [String]? = nil,
    configure: (inout ClientSettings) -> Void = { _ in }
  ) {
    let ids = (1...nodes).map { NodeID(UInt32($0)) }
    let placement = (0..<partitions).map { p in
      (0..<min(3, nodes)).map { ids[(p + $0) % nodes] }
    }
    leaders = [ids[0]] + placement.map { $0[0] }
    view = ClusterView(
      map: ClusterMap(
        forming: 77,
        members: ids.map { MemberRecord(node: $0, incarnation: 5, address: "h\($0.rawValue):1") },
        replicaSets: ([ids] + placement).map { nodes in
          ReplicaSet(epoch: Epoch(1), voters: nodes.map { ReplicaID(node: $0) })
        }, defaultMode: .cp),
      leaders: Array(repeating: NodeID(0), count: partitions + 1))
    let given = endpoints ?? ids.map { "h\($0.rawValue):1" }
    var settings = ClientSettings(endpoints: given.compactMap { Endpoint($0) })
    configure(&settings)
    core = ClientCore(
      settings: settings, random: SeededRandom(seed: 7),
      now: Now(instant: now, wallMilliseconds: wall))
  }

  var clock: Now {
    Now(instant: now, wallMilliseconds: wall + (now - .zero).milliseconds)
  }

  // MARK: Driving

  @discardableResult
  func call(
    _ operation: ClientOperation, _ options: CallOptions = CallOptions()
  ) -> UInt64 {
    let id = nextCall
    nextCall += 1
    core.call(CallID(id), operation, options: options, now: clock, into: &outputs)
    drain()
    return id
  }

  /// Begins a call and lets time pass until it is complete.
  func run(
    _ operation: ClientOperation, _ options: CallOptions = CallOptions()
  ) -> Outcome? {
    let id = call(operation, options)
    finish(id)
    return completions[id]
  }

  func finish(_ id: UInt64) {
    var steps = 0
    while completions[id] == nil, steps < 10_000, let next = core.nextDeadline {
      steps += 1
      advance(to: next)
    }
  }

  func advance(to instant: Instant) {
    now = max(now, instant)
    core.tick(now: clock, into: &outputs)
    drain()
  }

  func advance(milliseconds: UInt64) {
    let end = now + .milliseconds(milliseconds)
    while let next = core.nextDeadline, next <= end { advance(to: next) }
    advance(to: end)
  }

  func disconnect(_ node: NodeID, refused: Bool = false) {
    let peers = open.filter { $0.value == node }.map(\.key).sorted()
    for peer in peers {
      open[peer] = nil
      core.closed(peer, refused: refused, now: clock, into: &outputs)
    }
    drain()
  }

  func kill(_ node: NodeID) {
    health[node] = .down
    disconnect(node)
  }

  /// Carries out outputs until there are none.
  func drain() {
    while !outputs.isEmpty {
      let batch = outputs
      outputs = ClientOutputs()
      let connections = connection
      let bytes = Bytes(batch.sendBytes.bytes)
      for step in batch.steps {
        switch step {
        case .close(let peer), .closeAfterSending(let peer): open[peer] = nil
        case .connect(let peer): connect(peer)
        case .send(let send):
          if connections[send.peer] == connection[send.peer] {
            carryOut(send, bytes[send.start..<send.end])
          }
        }
      }
      for completion in batch.completions {
        precondition(completions[completion.call.rawValue] == nil, "completed twice")
        completions[completion.call.rawValue] = completion.outcome
        completionOrder.append(completion.call.rawValue)
      }
    }
  }

  func node(at address: String) -> NodeID? {
    if let known = view.map.members.first(where: { $0.address == address }) { return known.node }
    guard address.hasPrefix("proxy"), let id = UInt32(address.dropFirst(5).prefix(1)) else {
      return nil
    }
    return NodeID(id)
  }

  private func connect(_ peer: PeerID) {
    connectCount += 1
    guard let node = node(at: core.address(of: peer)) else {
      core.closed(peer, refused: true, now: clock, into: &outputs)
      return
    }
    switch health[node] ?? .up {
    case .down: core.closed(peer, refused: true, now: clock, into: &outputs)
    case .blackHole: break
    case .up, .silent:
      open[peer] = node
      connection[peer] = connectCount
      core.opened(peer, now: clock, into: &outputs)
    }
  }

  func hello(of node: NodeID) -> Hello {
    var hello = Hello(
      role: .node, clusterID: view.map.clusterID, creationDigest: 1, node: node, incarnation: 5,
      isBlank: false, software: "test")
    hello.lowestVersion = versions.lowerBound
    hello.highestVersion = versions.upperBound
    return hello
  }

  private func carryOut(_ send: ClientOutputs.Send, _ payload: Bytes) {
    guard let node = open[send.peer] else { return }
    guard send.type == .request else { return control(send, payload, node) }
    guard let request = try? Request(decoding: payload) else {
      preconditionFailure("the client sent what can't be decoded: \(payload)")
    }
    received.append(Received(node: node, request: request))
    switch script?(node, request) {
    case .reply(let reply): deliver(reply, send)
    case .raw(let bytes):
      give(.response, send.stream, { $0.append(raw: bytes) }, send.peer)
    case .applyThenDisconnect:
      _ = answer(node, request)
      disconnect(node)
    case .disconnect: disconnect(node)
    case .silence: hold(send, request, node)
    case nil:
      if health[node] == .silent {
        hold(send, request, node)
      } else {
        deliver(answer(node, request), send)
      }
    }
  }

  /// HELLO, PING and GOAWAY.
  private func control(_ send: ClientOutputs.Send, _ payload: Bytes, _ node: NodeID) {
    switch send.type {
    case .hello:
      if let refusal {
        give(.goaway, 0, { refusal.encode(into: &$0) }, send.peer)
      } else {
        give(.hello, 0, { hello(of: node).encode(into: &$0) }, send.peer)
      }
    case .ping:
      pings += 1
      guard health[node] != .silent else { return }
      give(.pong, send.stream, { $0.append(raw: payload) }, send.peer)
    case .goaway:
      if let goaway = try? Goaway(decoding: payload) { goaways.append(goaway) }
    default: preconditionFailure("the client sent \(send.type)")
    }
  }

  func say(_ goaway: Goaway, _ node: NodeID) {
    for peer in open.keys.sorted() where open[peer] == node {
      give(.goaway, 0, { goaway.encode(into: &$0) }, peer)
    }
    drain()
  }

  /// What was sent and not answered.
  struct Held {
    var send: ClientOutputs.Send
    var request: Request
    var node: NodeID
    var connection: Int?
  }

  var held: [Held] = []

  private func hold(_ send: ClientOutputs.Send, _ request: Request, _ node: NodeID) {
    held.append(
      Held(send: send, request: request, node: node, connection: connection[send.peer]))
  }

  /// Something that was held back takes effect, whatever became of its connection; nobody hears of
  /// it. False: nothing was held.
  @discardableResult
  func applyOneHeld(_ random: inout SeededRandom) -> Bool {
    guard !held.isEmpty else { return false }
    let late = held.remove(at: Int(random.below(UInt64(held.count))))
    _ = answer(late.node, late.request)
    return true
  }

  /// Answers what was held back, late.
  func releaseHeld() {
    let late = held
    held = []
    for item in late where open[item.send.peer] == item.node {
      guard connection[item.send.peer] == item.connection else { continue }
      deliver(answer(item.node, item.request), item.send)
    }
    drain()
  }

  func deliver(_ reply: Reply, _ send: ClientOutputs.Send) {
    give(.response, send.stream, { reply.encode(into: &$0) }, send.peer)
  }

  /// A frame for the client.
  func give(
    _ type: FrameType, _ stream: UInt32, _ encode: (inout ByteWriter) -> Void, _ peer: PeerID
  ) {
    var writer = ByteWriter()
    encode(&writer)
    core.received(
      type, stream: stream, writer.take(), from: peer, now: clock, into: &outputs)
  }
}
