import KVBase
import KVCommand
import KVLoop
import KVWire

/// A server on loopback that speaks the protocol and keeps one dictionary: a cluster of one node,
/// with switches for what can go wrong on a real connection.
final class LoopbackServer: ListenerHandler, @unchecked Sendable {
  enum Mood: Sendable {
    case normal
    /// Requests are taken and not answered.
    case silent
    /// Bytes that are no frame, instead of one answer.
    case garbageOnce
    /// The request is carried out, and the connection closed instead of an answer, once.
    case hangUpOnce
  }

  struct Counts: Sendable {
    var mood = Mood.normal
    var requests = 0
    var connections = 0
    var pongs = 0
    /// Groups that were told that a client leaves.
    var left: [GroupID?] = []
  }

  let loop: EventLoop
  private let thread: NamedThread
  /// Shared with the test.
  let shared = Locked(Counts())

  // For the loop's thread.
  private var listener: Listener?
  private(set) var port: UInt16 = 0
  var data: [Bytes: Record] = [:]
  var results: [UInt64: CommandResult] = [:]
  var index: UInt64 = 0

  private init() throws {
    let loop = try EventLoop()
    self.loop = loop
    thread = loop.start(name: "loopback")
  }

  static func start() async throws -> LoopbackServer {
    let server = try LoopbackServer()
    await withCheckedContinuation { continuation in
      let posted = server.loop.post {
        server.listen()
        continuation.resume()
      }
      precondition(posted, "the loop refuses work")
    }
    return server
  }

  private func listen() {
    do {
      listener = try Listener(loop: loop, on: HostPort(host: "127.0.0.1", port: 0), handler: self)
    } catch {
      preconditionFailure("\(error)")
    }
    port = listener?.port ?? 0
  }

  func stop() {
    loop.stop()
    thread.join()
  }

  var endpoint: String { "127.0.0.1:\(port)" }

  func set(_ mood: Mood) { shared.withLock { $0.mood = mood } }

  // MARK: ListenerHandler

  func listener(_ listener: Listener, didAccept connection: Connection) {
    shared.withLock { $0.connections += 1 }
    connection.handler = ServedConnection(server: self)
  }

  func listener(_ listener: Listener, didRefuse error: LoopError) {}
}

/// One client.
final class ServedConnection: ConnectionHandler {
  private let server: LoopbackServer
  private var decoder = FrameDecoder()

  init(server: LoopbackServer) { self.server = server }

  func connection(_ connection: Connection, didRead bytes: Bytes) {
    decoder.feed(bytes)
    do {
      while connection.isOpen, let frame = try decoder.next() { try take(frame, connection) }
    } catch {
      connection.close()
    }
  }

  func connection(_ connection: Connection, didClose reason: CloseReason) {}

  private func take(_ frame: Frame, _ connection: Connection) throws(WireError) {
    switch frame.type {
    case .hello:
      let hello = Hello(
        role: .node, clusterID: 7, creationDigest: 1, node: NodeID(1), incarnation: 1,
        isBlank: false, software: "loopback")
      let position = FrameEncoder.begin(.hello, stream: 0, into: &connection.output)
      hello.encode(into: &connection.output)
      FrameEncoder.end(position, into: &connection.output)
      FrameEncoder.append(
        Frame(type: .ping, stream: 3, payload: "are you there"), into: &connection.output)
      connection.setNeedsFlush()
    case .pong: server.shared.withLock { $0.pongs += frame.payload == "are you there" ? 1 : 0 }
    case .request: try answer(frame, connection)
    case .ping:
      let pong = Frame(type: .pong, stream: frame.stream, payload: frame.payload)
      FrameEncoder.append(pong, into: &connection.output)
      connection.setNeedsFlush()
    case .goaway: break
    default: connection.close()
    }
  }

  private func answer(_ frame: Frame, _ connection: Connection) throws(WireError) {
    let mood = server.shared.withLock { shared in
      shared.requests += 1
      let mood = shared.mood
      if mood != .silent { shared.mood = .normal }
      return mood
    }
    let reply = server.reply(to: try Request(decoding: frame.payload))
    switch mood {
    case .silent: return
    case .hangUpOnce: connection.close()
    case .garbageOnce:
      connection.write("these bytes are no frame at all")
    case .normal:
      let position = FrameEncoder.begin(
        .response, stream: frame.stream, into: &connection.output)
      reply.encode(into: &connection.output)
      FrameEncoder.end(position, into: &connection.output)
      connection.setNeedsFlush()
    }
  }
}

extension LoopbackServer {
  private var receipt: KVWire.Receipt {
    KVWire.Receipt(
      served: .commit, node: NodeID(1), group: GroupID(1), term: Term(1), index: LogIndex(index),
      replicas: 1)
  }

  fileprivate func reply(to request: Request) -> Reply {
    switch request.body {
    case .map:
      let node = MemberRecord(node: NodeID(1), incarnation: 1, address: endpoint)
      let set = ReplicaSet(epoch: Epoch(1), voters: [ReplicaID(node: NodeID(1))])
      return .map(
        ClusterView(
          map: ClusterMap(
            forming: 7, members: [node], replicaSets: [set, set], defaultMode: .cp),
          leaders: [NodeID(1), NodeID(1)]))
    case .mutate(let command, _):
      if command.body == .endSession { shared.withLock { $0.left.append(request.group) } }
      return .applied(apply(command), receipt)
    case .read(.get(_, let key)): return .read(.record(data[key]), receipt)
    case .read(.multiGet(_, let keys)): return .read(.records(keys.map { data[$0] }), receipt)
    case .read(.scan(let scan)):
      let keys = data.keys.filter { key in
        key >= scan.from && scan.to.map { key < $0 } ?? true
      }.sorted()
      let page = keys.prefix(scan.limit).map { key in
        ScannedRecord(key: key, record: data[key] ?? Record(version: .zero, value: ""))
      }
      return .read(.page(page, more: keys.count > scan.limit), receipt)
    case .health:
      return .health(
        HealthReport(node: NodeID(1), groupsWithLeader: 2, groups: 2, isShuttingDown: false))
    case .status:
      return .failed(Failure(.unimplemented, .none, notStarted: true, "no status here"))
    }
  }

  private func apply(_ command: Command) -> CommandResult {
    if let known = results[command.session.sequence] { return known }
    index += 1
    let version = LogIndex(index)
    let result: CommandResult
    switch command.body {
    case .mutate(_, let key, .put(let put)):
      let current = data[key]
      let holds =
        switch put.condition {
        case .always: true
        case .ifAbsent: current == nil
        case .ifPresent: current != nil
        case .ifVersion(let wanted): current?.version == wanted
        case .ifValue(let wanted): current?.value == wanted
        }
      if holds {
        data[key] = Record(version: version, value: put.value)
        result = .written(version: version)
      } else {
        result = .conditionFailed(current: current?.version ?? .zero)
      }
    case .mutate(_, let key, .delete):
      result = .deleted(existed: data.removeValue(forKey: key) != nil, version: version)
    case .mutate(_, let key, .add(let add)):
      let sum = (data[key]?.value.text.flatMap { Int64($0) } ?? 0) + add.delta
      guard sum <= add.maximum else { return .outOfBounds(current: sum - add.delta) }
      data[key] = Record(version: version, value: Bytes("\(sum)"))
      result = .added(value: sum, version: version)
    case .mutate(_, let key, .append(let append)):
      let value = (data[key]?.value.array ?? []) + append.suffix.array
      guard value.count <= 1_048_576 else {
        return .valueTooLong(current: UInt32(value.count - append.suffix.count))
      }
      data[key] = Record(version: version, value: Bytes(value))
      result = .appended(length: UInt32(value.count), version: version)
    default: result = .done
    }
    results[command.session.sequence] = result
    return result
  }
}
