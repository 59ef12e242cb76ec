import KVBase
import KVClientCore
import KVWire

/// What clients do: lanes think of an operation, wait for its answer, and think again. After the
/// load they read every key once, linearizably, until each has been read.
struct ClientRunner {
  private static let finalReadTimeout = TimeAmount.seconds(3)

  private let clients: [SimulatedClient]
  private var workload: Workload
  private(set) var answers = AnswerJudge()
  /// Keys that are still to be read after the load; `nil` before its end.
  private var keysToRead: [String]?

  init(_ clients: [SimulatedClient], workload: Workload) {
    self.clients = clients
    self.workload = workload
  }

  /// Lanes that wait for an answer.
  var openOperations: Int {
    clients.reduce(0) { $0 + $1.lanes.count { $0.pending != nil } }
  }
  var unreadKeys: Int { keysToRead?.count ?? 0 }

  // MARK: Events

  mutating func think(_ index: Int, lane: Int, _ world: inout World) {
    let client = clients[index]
    guard client.lanes[lane].pending == nil, world.time < world.loadEnds else { return }
    let operation = workload.next(
      time: world.time, lastSeen: client.lanes[lane].lastSeen, random: &client.random)
    let timeout = TimeAmount.milliseconds(client.random.chance(1, in: 4) ? 700 : 3_000)
    client.begin(operation, lane: lane, timeout: timeout, &world)
    run(client, &world)
  }

  mutating func wake(_ index: Int, _ world: inout World) {
    if clients[index].wake(&world) { run(clients[index], &world) }
  }

  mutating func receive(_ arrival: ClientArrival, at index: Int, _ world: inout World) {
    if clients[index].receive(arrival, &world) { run(clients[index], &world) }
  }

  /// The load is over.
  mutating func beginFinalReads(_ world: inout World) {
    keysToRead = workload.keys(until: world.loadEnds - 1).reversed()
    for client in clients {
      for lane in client.lanes.indices where client.lanes[lane].pending == nil {
        readNextKey(client, lane: lane, &world)
      }
    }
  }

  private mutating func readNextKey(
    _ client: SimulatedClient, lane: Int, _ world: inout World
  ) {
    guard let key = keysToRead?.popLast() else { return }
    client.begin(
      PlannedOperation(kind: .read(.linearizable), key: key), lane: lane,
      timeout: Self.finalReadTimeout, &world)
    run(client, &world)
  }

  // MARK: Answers

  /// Carries out what the core asks for. That may complete calls, and completions may begin others.
  private mutating func run(_ client: SimulatedClient, _ world: inout World) {
    while let outputs = client.carryOutSteps(&world) {
      for completion in outputs.completions { complete(completion, client, &world) }
      client.reuse(outputs)
    }
    client.scheduleWake(&world)
  }

  private mutating func complete(
    _ completion: ClientOutputs.Completion, _ client: SimulatedClient, _ world: inout World
  ) {
    if client.hasLeft(completion.call) { return }
    guard
      let lane = client.lanes.firstIndex(where: { $0.pending?.call == completion.call }),
      let pending = client.lanes[lane].pending
    else {
      return world.violate(.liveness, "call \(completion.call.rawValue) ended twice")
    }
    client.lanes[lane].pending = nil
    world.record(
      11, UInt64(client.process(lane: lane)), completion.call.rawValue,
      "c\(client.index + 1).\(lane) is answered \(completion.call.rawValue): "
        + "\(completion.outcome)")
    answers.judge(completion.outcome, pending, client, lane: lane, &world)
    world.collectFindings()
    if world.time < world.loadEnds {
      if world.options.profile.clientsLeave, client.random.chance(1, in: 16) {
        client.endSessions(&world)
      }
      world.schedule(
        .clientThink(client: client.index, lane: lane),
        at: world.time + workload.pause(&client.random))
    } else {
      if pending.start >= world.loadEnds, !Self.isRecord(completion.outcome) {
        keysToRead?.append(pending.operation.key)
      }
      readNextKey(client, lane: lane, &world)
    }
  }

  private static func isRecord(_ outcome: Outcome) -> Bool {
    if case .record = outcome { true } else { false }
  }
}
