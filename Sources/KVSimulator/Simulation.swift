internal import JepsenHistory
import KVBase
import KVNodeCore
import KVWire

/// One run: a whole cluster with its clients, from one seed, in simulated time.
///
/// It owns the parts and gives each event of the schedule to the one that it is for:
///
/// | part | what it does | acts on |
/// | --- | --- | --- |
/// | `World` | time and schedule, the network, the checks and what they found | – |
/// | `SimulatedNode` | the core of a node, its turns, log, state, crashes and starts | `World` |
/// | `ClientRunner` | clients, their lanes, and the judgement of answers | `World` |
/// | `FaultInjector` | the fault plan | `World`, nodes |
/// | `Recovery` | what must be true after healing | looks at all |
///
/// Nodes and clients know of each other only by what the network brings.
///
/// Nothing in it depends on real time, on addresses, or on the order of a dictionary or set, so
/// that the same seed gives the same run.
package final class Simulation {
  private static let recoveryPoll: UInt64 = 50_000_000

  var world: World
  private let nodes: [SimulatedNode]
  private var clients: ClientRunner
  private var faults: FaultInjector

  package init(_ options: SimulationOptions) throws {
    let profile = options.profile
    var random = SeededRandom(seed: options.seed &* 0x9E37_79B9_7F4A_7C15 &+ 0x1234_5678)
    let loadEnds = options.seconds * 1_000_000_000
    var planRandom = random.fork()
    let plan =
      options.plan
      ?? FaultPlan.make(
        profile, in: profile.faultSpan ?? min(2_000_000_000, loadEnds / 4)..<loadEnds,
        random: &planRandom)
    if options.variant > 0 {
      random = SeededRandom(seed: random.next() &+ options.variant &* 0x9E37_79B9_7F4A_7C15)
    }
    var faultRandom = random.fork()
    let muting = LeaderMuting(nodes: profile.nodes, random: faultRandom.fork())
    let transports = Transports(
      nodes: profile.nodes, clients: profile.workload.clients, random: random.fork())
    world = World(options, transports: transports, muting: muting)
    nodes = try Self.makeNodes(&world, &random)
    clients = Self.makeClients(&world, &random)
    faults = FaultInjector(plan, nodes: nodes, random: faultRandom)
  }

  package var plan: FaultPlan { faults.plan }

  // MARK: Running

  /// Runs to the end, or to the first violation.
  package func run() -> SimulationReport {
    faults.schedule(&world)
    let profile = world.options.profile
    if let span = profile.faultSpan, let limit = profile.formsWithinNanoseconds {
      world.schedule(.formationDue, at: span.upperBound + limit)
    }
    runUntil(world.loadEnds)
    if !world.isOver {
      faults.heal(&world)
      clients.beginFinalReads(&world)
    }
    let recovered = awaitRecovery()
    if !world.isOver { for node in nodes { node.checkStates(&world) } }
    return report(undecided: checkHistory(), recoveredAt: recovered)
  }

  private func runUntil(_ end: UInt64) {
    while !world.isOver, let event = world.nextEvent(until: end) { dispatch(event) }
    if !world.isOver { world.advance(to: end) }
  }

  /// Runs until all is well again, or the limit has passed: when that was.
  private func awaitRecovery() -> UInt64 {
    let recovery = Recovery(nodes)
    let reconnected = world.loadEnds + Recovery.reconnectionLimit
    while !world.isOver, world.time < world.loadEnds + Recovery.limit,
      !recovery.isComplete(clients, world)
    {
      let before = world.time
      runUntil(before + Self.recoveryPoll)
      if before < reconnected, world.time >= reconnected { recovery.checkConnections(&world) }
    }
    guard !world.isOver else { return 0 }
    if !recovery.isComplete(clients, world) { recovery.reportMissing(clients, &world) }
    return world.time
  }

  private func dispatch(_ event: SimulationEvent) {
    switch event {
    case .network(let event):
      if let arrival = world.arrival(of: event) { receive(arrival) }
    case .turn(let life): running(life)?.scheduledTurn(&world)
    case .tick(let life): running(life)?.tick(&world)
    case .syncDone(let life): running(life)?.syncDone(&world)
    case .flushDone(let life): running(life)?.flushDone(&world)
    case .answer(let life, let input): running(life)?.receive(input, &world)
    case .start(let index): nodes[index].start(&world)
    case .powerLoss(let life): running(life)?.stop(losesPower: true, &world)
    case .drainCheck(let life, let giveUpAt):
      running(life)?.stopWhenDrained(giveUpAt: giveUpAt, &world)
    case .clientWake(let index): clients.wake(index, &world)
    case .clientThink(let index, let lane): clients.think(index, lane: lane, &world)
    case .faultBegins(let index): faults.begin(index, &world)
    case .faultEnds(let index): faults.end(index, &world)
    case .unmute(let node): world.unmute(node)
    case .formationDue: checkFormation()
    case .flap(let index, let isBlocked): faults.flap(index, isBlocked: isBlocked, &world)
    }
  }

  private func receive(_ arrival: Arrival) {
    switch arrival {
    case .client(let index, let arrival): clients.receive(arrival, at: index, &world)
    case .node(let index, .closed(let connection, let isRefused, _)):
      nodes[index].enqueue(.core(.closed(connection, isRefused: isRefused)), &world)
    case .node(let index, let input): nodes[index].receive(.core(input), &world)
    }
  }

  /// The node, where its process still runs in this life.
  private func running(_ life: SimulatedNode.Life) -> SimulatedNode? {
    let node = nodes[life.index]
    return node.isRunning && node.life == life ? node : nil
  }

  /// With the faults of its first seconds over, a new cluster is formed after a bounded time.
  private func checkFormation() {
    for node in nodes where !node.knowsCluster {
      world.violate(
        .liveness, "\(node.id) knows of no cluster, long after all nodes were left alone")
    }
  }

  // MARK: The end

  /// Keys whose histories the checker gave up on.
  private func checkHistory() -> [String] {
    guard !world.isOver else { return [] }
    var undecided: [String] = []
    for finding in clients.answers.checkHistory() {
      switch finding {
      case .violated(let what, let witness):
        world.observer.violate(.linearizability, what, witness: witness, at: world.time)
      case .undecided(let key): undecided.append(key)
      }
    }
    return undecided
  }

  private func report(undecided: [String], recoveredAt: UInt64) -> SimulationReport {
    let observer = world.observer
    var counts = observer.counts
    counts.network = world.transports.network.counts
    counts.framesWithoutConnection = world.transports.framesWithoutConnection
    for node in nodes { counts.disk.add(node.machine.disk.counts) }
    counts.elections = observer.raft.elections
    counts.entriesChecked = observer.raft.entriesChecked
    counts.readsChecked = observer.effects.readsChecked
    counts.duplicatesSuppressed = observer.effects.duplicatesSuppressed
    counts.imagesCompared = observer.states.imagesCompared
    counts.leaseReads = clients.answers.count(of: .lease)
    return SimulationReport(
      seed: world.options.seed, profile: world.options.profile.name,
      simulatedNanoseconds: world.time, violations: observer.violations, undecided: undecided,
      counts: counts, faults: faults.counts, injected: faults.injected,
      traceHash: observer.trace.hash,
      traceLines: observer.trace.lines, history: clients.answers.history, plan: faults.plan,
      recoveryNanoseconds: recoveredAt > world.loadEnds ? recoveredAt - world.loadEnds : 0)
  }
}
