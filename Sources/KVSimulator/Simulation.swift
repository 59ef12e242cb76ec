internal import JepsenHistory
import KVBase
import KVClientCore
import KVLink
import KVLog
import KVNodeCore
import KVRaft
import KVWire

package struct SimulationOptions: Sendable {
  package var seed: UInt64
  package var profile: SimulationProfile
  /// How long clients work and faults happen; then all is healed.
  package var seconds: UInt64 = 60
  package var keepsTrace = false
  /// Instead of the seed's own.
  package var plan: FaultPlan?
  /// Other chances than 0 gives, under the same plan.
  package var variant: UInt64 = 0
  /// A run ends at its first violation, or goes on to its end.
  package var stopsAtViolation = true
  /// A fault that is built in; only where the build has planted faults.
  package var plant: String?

  package init(seed: UInt64, profile: SimulationProfile, seconds: UInt64 = 60) {
    self.seed = seed
    self.profile = profile
    self.seconds = seconds
  }
}

/// One run: a whole cluster with its clients, from one seed, in simulated time.
///
/// Nothing in it depends on real time, on addresses, or on the order of a dictionary or set, so
/// that the same seed gives the same run.
package final class Simulation {
  static let recoveryLimit: UInt64 = 8_000_000_000
  /// After the last fault until every node has a connection to every other: silence is noticed, a
  /// refused attempt backs off, one that is lost gives up; and a node that dies in its first write
  /// after the end of the faults starts again.
  static let reconnectionLimit =
    LinkSettings.toNode.silenceLimit.nanoseconds + LinkSettings.toNode.longestBackoff.nanoseconds
    + LinkSettings.toNode.connectTimeout.nanoseconds + 1_000_000_000
  let tickInterval = NodeCore.tickInterval.nanoseconds

  let options: SimulationOptions
  let profile: SimulationProfile
  package let plan: FaultPlan
  var time: UInt64 = 0
  let loadEnds: UInt64
  var queue = EventQueue<SimulationEvent>()
  var network: SimulatedNetwork
  var nodes: [SimulatedNode] = []
  var clients: [SimulatedClient] = []
  var workload: Workload
  var faultRandom: SeededRandom
  var muteRandom: SeededRandom

  var raftChecks: RaftChecks
  var effectChecks: EffectChecks
  var dialChecks: DialChecks
  var trace: Trace
  var history: [HistoryOperation] = []
  private(set) var violations: [Violation] = []
  var counts = SimulationCounts()
  /// By `Receipt.Served`.
  var servedCounts = [UInt64](repeating: 0, count: 8)
  var faultCounts = [FaultCount](repeating: FaultCount(), count: FaultKind.allCases.count)
  /// By place in the plan.
  var active: [ActiveFault?]
  /// By node: how many mutings of new leaders it is under.
  var mutings: [Int]
  /// Keys that are still to be read at the end.
  var keysToRead: [String] = []
  var readsOpen = 0
  private var isRecovering = false
  private var recoveredAt: UInt64 = 0

  package init(_ options: SimulationOptions) throws {
    self.options = options
    profile = options.profile
    var random = SeededRandom(seed: options.seed &* 0x9E37_79B9_7F4A_7C15 &+ 0x1234_5678)
    loadEnds = options.seconds * 1_000_000_000
    var planRandom = random.fork()
    plan =
      options.plan
      ?? FaultPlan.make(
        profile, from: min(2_000_000_000, loadEnds / 4), to: loadEnds, random: &planRandom)
    if options.variant > 0 {
      random = SeededRandom(seed: random.next() &+ options.variant &* 0x9E37_79B9_7F4A_7C15)
    }
    mutings = Array(repeating: 0, count: profile.nodes)
    active = Array(repeating: nil, count: plan.faults.count)
    faultRandom = random.fork()
    muteRandom = faultRandom.fork()
    workload = profile.workload
    network = SimulatedNetwork(
      endpoints: profile.nodes + profile.workload.clients, random: random.fork())
    raftChecks = RaftChecks(nodes: profile.nodes, groups: profile.groups)
    effectChecks = EffectChecks(groups: profile.groups)
    dialChecks = DialChecks(endpoints: profile.nodes + profile.workload.clients)
    trace = Trace(keepsText: options.keepsTrace)
    try makeNodes(&random)
    makeClients(&random)
  }

  static func address(of node: Int) -> String { "127.0.0.1:\(7401 + node)" }

  private func makeNodes(_ random: inout SeededRandom) throws {
    let members = (0..<profile.nodes).map {
      NodeConfiguration.Member(
        node: NodeID(UInt32($0 + 1)), address: Self.address(of: $0))
    }
    let usesLease =
      switch profile.reads {
      case .readIndex: false
      case .lease: true
      case .mixed: random.chance(1, in: 2)
      }
    // Small buffers in some runs, so that entries are read back from the log.
    let hasSmallBuffers = random.chance(1, in: 2)
    for index in 0..<profile.nodes {
      var configuration = NodeConfiguration(
        node: members[index].node, members: members, incarnation: random.next() | 1)
      configuration.partitions = profile.partitions
      configuration.replication = min(3, profile.nodes)
      configuration.linearizableReads = usesLease ? .lease : .readIndex
      configuration.flushBytes = profile.flushBytes
      configuration.logKeepBytes = profile.logKeepBytes
      if profile.buffers == .tiny {
        configuration.raft.tailBytes = 1
        configuration.raft.appendBytes = 1
        configuration.raft.inflightBytes = 1
      } else if hasSmallBuffers {
        configuration.raft.tailBytes = 1 << 10
        configuration.raft.appendBytes = 512
        configuration.raft.inflightBytes = 2 << 10
      }
      let drift = Int64(random.below(8_001)) - 4_000
      let clock = SimulatedClock(
        start: random.below(1 << 40), partsPerMillion: drift,
        wallOffsetMilliseconds: Int64(random.below(200)) - 100)
      var logOptions = LogOptions(segmentBytes: profile.segmentBytes, saltSeed: random.next())
      plant(in: &logOptions, of: configuration.node)
      let log = try MemoryLog.create(
        node: configuration.node, creationDigest: configuration.creationDigest,
        options: logOptions)
      let node = SimulatedNode(
        index: index, configuration: configuration, log: log, clock: clock,
        random: random.fork())
      node.ownDrift = drift
      node.disk.slowness = profile.diskSlowness
      nodes.append(node)
      queue.schedule(.start(node: index), at: random.below(50_000_000))
    }
  }

  private func makeClients(_ random: inout SeededRandom) {
    let endpoints = nodes.indices.map { Endpoint(address: Self.address(of: $0)) }
    for index in 0..<workload.clients {
      var settings = ClientSettings(endpoints: endpoints)
      // Some clients are impatient, so that what was done is asked for again.
      if index % 2 == 1 { settings.attemptTimeout = .milliseconds(120) }
      let client = SimulatedClient(
        index: index, endpoint: profile.nodes + index, lanes: workload.lanes,
        groups: profile.groups, settings: settings, random: random.fork(), now: clientNow)
      clients.append(client)
      for lane in 0..<workload.lanes {
        queue.schedule(
          .clientThink(client: index, lane: lane),
          at: 300_000_000 + client.random.below(500_000_000))
      }
    }
  }

  // MARK: Running

  /// Runs to the end, or to the first violation.
  package func run() -> SimulationReport {
    for (index, fault) in plan.faults.enumerated() {
      queue.schedule(.faultBegins(index), at: fault.startNanoseconds)
    }
    runUntil(loadEnds)
    if !isOver { heal() }
    let limit = loadEnds + Self.recoveryLimit
    while !isOver, time < limit, !isHealthy {
      let reconnected = loadEnds + Self.reconnectionLimit
      let isEarly = time < reconnected
      runUntil(time + 50_000_000)
      if isEarly, time >= reconnected { checkConnections() }
    }
    if !isOver {
      recoveredAt = time
      if !isHealthy { reportSickness() }
    }
    checkHistory()
    return report()
  }

  private var isOver: Bool { options.stopsAtViolation && !violations.isEmpty }

  private func runUntil(_ end: UInt64) {
    while !isOver, let next = queue.nextTime, next <= end {
      guard let (due, event) = queue.popFirst() else { break }
      time = due
      counts.events += 1
      dispatch(event)
    }
    if !isOver { time = max(time, end) }
  }

  private func dispatch(_ event: SimulationEvent) {
    switch event {
    case .network(let event): handle(event)
    case .turn(let index, let life):
      if let node = current(index, life) {
        node.isTurnScheduled = false
        runTurn(node)
      }
    case .tick(let index, let life):
      guard let node = current(index, life) else { return }
      // A process that is paused gets one tick afterwards, not all that it missed.
      if !node.isPaused {
        node.inbox.append(.tick)
        runTurn(node)
      }
      queue.schedule(.tick(node: index, life: life), at: time + tickInterval)
    case .syncDone(let index, let life):
      if let node = current(index, life) { syncDone(node) }
    case .flushDone(let index, let life):
      if let node = current(index, life) { flushDone(node) }
    case .answer(let index, let life, let input):
      if let node = current(index, life) { arrives(input, at: node) }
    case .start(let index): start(nodes[index])
    case .powerLoss(let index, let life):
      if let node = current(index, life) { stop(node, losesPower: true) }
    case .drainCheck(let index, let life, let giveUpAt):
      if let node = current(index, life) { checkDrained(node, giveUpAt: giveUpAt) }
    case .clientWake(let index):
      if clients[index].wakeAt == time { wake(clients[index]) }
    case .clientThink(let index, let lane): think(clients[index], lane: lane)
    case .faultBegins(let index): if time < loadEnds { beginFault(index) }
    case .faultEnds(let index): endFault(index)
    case .unmute(let node): unmute(node)
    case .flap(let index, let isBlocked): flap(index, isBlocked: isBlocked)
    }
  }

  private func current(_ index: Int, _ life: UInt32) -> SimulatedNode? {
    nodes[index].life == life && nodes[index].isRunning ? nodes[index] : nil
  }

  // MARK: The end

  private func heal() {
    for index in plan.faults.indices { endFault(index) }
    for node in nodes.indices { while mutings[node] > 0 { unmute(node) } }
    isRecovering = true
    keysToRead = workload.keys(until: loadEnds - 1).reversed()
    for client in clients {
      for lane in client.lanes.indices where client.lanes[lane].pending == nil {
        finalReads(client, lane: lane)
      }
    }
  }

  /// After the load, lanes read every key once, linearizably, until each has been read.
  func finalReads(_ client: SimulatedClient, lane: Int) {
    guard isRecovering, let key = keysToRead.popLast() else { return }
    begin(
      PlannedOperation(kind: .read(.linearizable), key: key), client, lane: lane,
      timeout: .seconds(3))
  }

  private var isHealthy: Bool {
    guard keysToRead.isEmpty,
      clients.allSatisfy({ $0.lanes.allSatisfy { $0.pending == nil } }),
      nodes.allSatisfy({ $0.isRunning }), missingConnections.isEmpty
    else { return false }
    return raftChecks.groups.indices.allSatisfy { group in
      let applied = raftChecks.appliedIndexes(of: group)
      let voters = raftChecks.groups[group].voters
      return Set(voters.map { applied[$0] }).count == 1
    }
  }

  /// Nodes that have no connection to another.
  private var missingConnections: [(from: Int, to: Int)] {
    nodes.indices.flatMap { from in
      nodes.indices.filter { to in to != from && !network.isConnected(from: from, to: to) }
        .map { (from, $0) }
    }
  }

  private func checkConnections() {
    for (from, to) in missingConnections {
      violate(
        .connection,
        "\(endpointName(from)) has no connection to \(endpointName(to)) "
          + "\(Self.reconnectionLimit / 1_000_000) ms after all faults were healed")
    }
  }

  private func reportSickness() {
    for node in nodes where !node.isRunning {
      violate(.liveness, "\(node.id) does not run after all faults were healed")
    }
    let open = clients.reduce(0) { $0 + $1.lanes.count { $0.pending != nil } }
    if open > 0 || !keysToRead.isEmpty {
      violate(
        .liveness,
        "\(open) reads are not answered and \(keysToRead.count) not begun, "
          + "\(Self.recoveryLimit / 1_000_000_000) s after all faults were healed")
    }
    for group in raftChecks.groups.indices {
      let applied = raftChecks.appliedIndexes(of: group)
      let there = raftChecks.groups[group].voters.map { applied[$0] }
      if Set(there).count > 1 {
        violate(.convergence, "the replicas of g\(group) have applied \(there)")
      }
    }
  }

  private func checkHistory() {
    guard !isOver else { return }
    let checker = LinearizabilityChecker()
    for (key, verdict) in checker.check(history, model: Workload.model(of:)) {
      switch verdict {
      case .linearizable: break
      case .violated(let what):
        // One witness shows it; each takes a while to be found.
        let isFirst = !violations.contains { $0.check == .linearizability }
        let operations = isFirst ? history.filter { $0.key == key } : []
        violate(
          .linearizability, "\(key): \(what)",
          witness: isFirst ? checker.check(operations, model: Workload.model(of: key)).witness : nil
        )
      case .unknown: undecided.append(key)
      }
    }
  }

  private var undecided: [String] = []

  func violate(_ check: Check, _ what: String, witness: Witness? = nil) {
    trace.record(time, 99, 0, 0, "VIOLATION of \(check.rawValue): \(what)")
    if violations.count < 64 {
      violations.append(
        Violation(timeNanoseconds: time, check: check, what: what, witness: witness))
    }
  }

  func takeFound() {
    if raftChecks.hasFound {
      for (check, what) in raftChecks.takeFound() { violate(check, what) }
    }
    if effectChecks.hasFound {
      for (check, what) in effectChecks.takeFound() { violate(check, what) }
    }
  }

  /// Folds what a node announced into the trace.
  func note(_ event: NodeEvent, of node: SimulatedNode) {
    trace.record(time, 9, UInt64(node.index), 0, "\(node.id): \(event)")
    switch event {
    case .role(let group, .leader, _, _): newLeader(node, of: group)
    case .committed(let group, _): firstCommit(of: node, in: group)
    default: break
    }
  }

  private func report() -> SimulationReport {
    counts.network = network.counts
    for node in nodes { counts.disk.add(node.disk.counts) }
    counts.elections = raftChecks.elections
    counts.entriesChecked = raftChecks.entriesChecked
    counts.readsChecked = effectChecks.readsChecked
    counts.duplicatesSuppressed = effectChecks.duplicatesSuppressed
    counts.leaseReads = servedCounts[3]
    return SimulationReport(
      seed: options.seed, profile: profile.name, simulatedNanoseconds: time,
      violations: violations, undecided: undecided, counts: counts, faults: faultCounts,
      traceHash: trace.hash, traceLines: trace.lines, history: history, plan: plan,
      recoveryNanoseconds: recoveredAt > loadEnds ? recoveredAt - loadEnds : 0)
  }
}
