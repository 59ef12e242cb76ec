internal import KVBase
internal import KVCommand
internal import KVLink
internal import KVLog
internal import KVPlacement
internal import KVRaft
internal import KVWire

/// What a node has once, whatever the number of its shards: the links to other nodes and clients,
/// membership, the duties of the meta group's leader, the log's writes and the watch over them,
/// what the log keeps, and the rounds of maintenance. What it decides goes to the shard as
/// `ShardInput`s.
struct Host: Sendable {
  private static let maintenanceInterval = TimeAmount.milliseconds(100)
  /// Leaderships handed to their preferred nodes in one round of maintenance.
  private static let transfersPerRound = 4

  private let configuration: NodeConfiguration
  private var membership: Membership
  private var formation: Formation
  private var peers: PeerDirectory
  private var inbound: InboundLinks
  private var duties: MetaDuties
  private var log: NodeLog
  private var pressure = PressureWatch()
  private var snapshotRate = SnapshotRate()
  private(set) var gauges = NodeGauges()
  private var nextMaintenance: Instant
  private(set) var isShuttingDown = false
  private var hasStarted = false
  private var startWatch = StartWatch()

  init(
    _ configuration: NodeConfiguration, recovery: NodeRecovery, map: ClusterMap,
    random: SeededRandom, now: Instant
  ) {
    var random = random
    self.configuration = configuration
    membership = Membership(configuration, isBlank: recovery.isBlank, map: map)
    formation = Formation(configuration, holds: recovery.groups.map(\.group))
    peers = PeerDirectory(random: random.fork())
    inbound = InboundLinks(node: configuration.node, clientLimit: configuration.clientLimit)
    duties = MetaDuties(random: random)
    log = NodeLog(configuration)
    nextMaintenance = now
  }

  var isAdmitted: Bool { formation.isAdmitted }
  var holdsPartitions: Bool { formation.holdsPartitions }
  /// Where it is `begun` it stays so.
  var standing: Hello.Standing { membership.standing }
  mutating func update(_ standing: Hello.Standing) { membership.update(standing) }
  var map: ClusterMap { membership.map }
  var clusterID: UInt64 { membership.clusterID }
  var clientCount: Int { inbound.clientCount }
  /// A client's connection that has ended since this was last asked for.
  mutating func nextEndedClient() -> ConnectionID? { inbound.nextEndedClient() }
  func peerReports(now: Instant) -> [NodeReport.Peer] { peers.reports(now: now) }
  /// For what the node waits, so that it does not serve; empty: for nothing.
  var waitsFor: String { startWatch.text }
  func brokenLinkInvariant(now: Instant, isAfterTick: Bool) -> String? {
    peers.brokenInvariant(now: now, isAfterTick: isAfterTick)
      ?? inbound.brokenInvariant(now: now, isAfterTick: isAfterTick)
  }

  // MARK: Time

  mutating func tick(
    _ gauges: NodeGauges, meta: MetaStatus, now: Now, _ orders: inout [ShardInput],
    _ outputs: inout NodeOutputs
  ) {
    if !hasStarted { start(now: now.instant, &orders, &outputs) }
    if gauges.isUnderPressure != self.gauges.isUnderPressure {
      orders.append(.pressure(gauges.isUnderPressure))
    }
    self.gauges = gauges
    pressure.tick(isUnderPressure: gauges.isUnderPressure, now: now.instant)
    inbound.tick(now: now.instant, &outputs)
    for change in peers.tick(hello: membership.hello, now: now.instant, &outputs) {
      apply(change, now: now.instant, &orders, &outputs)
    }
    if formation.begins(&orders) { startWatch.mayHaveChanged() }
    if startWatch.isStale { watchStart(now: now.instant, &orders) }
    startWatch.tick(now: now.instant, &outputs)
    guard formation.isAdmitted else { return ask(now: now.instant, &orders, &outputs) }
    if !peers.nodes.isEmpty,
      let isStalled = log.watchDisk(now: now.instant, &outputs)
    {
      orders.append(.diskStalled(isStalled))
    }
    log.coverIfDue(now: now.instant, &outputs)
    let budget = snapshotRate.tick(
      oldestWrite: log.oldestWrite, isUnderPressure: gauges.isUnderPressure, now: now.instant)
    orders.append(.budget(budget))
    if now.instant >= nextMaintenance {
      nextMaintenance = now.instant + Self.maintenanceInterval
      maintain(meta, now: now.instant, &orders, &outputs)
    }
  }

  /// The node is not let in yet. What a peer was when it answered may have changed meanwhile: it is
  /// asked again by another HELLO.
  private mutating func ask(
    now: Instant, _ orders: inout [ShardInput], _ outputs: inout NodeOutputs
  ) {
    formation.tick(now: now, &outputs)
    guard let peer = formation.nextToAskAgain(now: now) else { return }
    let change = peers.dialAgain(peer, hello: membership.hello, now: now, &outputs)
    // The node is there, and so is not reported as gone.
    if case .down = change { orders.append(.peer(peer, nil, isRefusing: false)) }
  }

  private mutating func start(
    now: Instant, _ orders: inout [ShardInput], _ outputs: inout NodeOutputs
  ) {
    hasStarted = true
    setPeers(now: now, &orders, &outputs)
    guard formation.isAdmitted else { return }
    orders.append(.admitted)
    formation.makeReplicas(map, &orders)
  }

  /// The other nodes are those of the map, or of what this one was started with.
  private mutating func setPeers(
    now: Instant, _ orders: inout [ShardInput], _ outputs: inout NodeOutputs
  ) {
    let before = peers.nodes
    let gone = peers.set(membership.others, hello: membership.hello, now: now, &outputs)
    for node in gone {
      orders.append(.peerRemoved(node))
      startWatch.clear(node)
    }
    for node in peers.nodes where !before.contains(node) {
      orders.append(.peer(node, nil, isRefusing: false))
    }
  }

  /// Says anew what the node waits for, where it does.
  private mutating func watchStart(now: Instant, _ orders: inout [ShardInput]) {
    let hasChanged = startWatch.update(
      isAdmitted: formation.isAdmitted, isFormed: map.isFormed, unreachable: peers.unreachable,
      others: peers.nodes.count, now: now)
    if hasChanged { orders.append(.waits(for: startWatch.text)) }
  }

  private mutating func maintain(
    _ meta: MetaStatus, now: Instant, _ orders: inout [ShardInput],
    _ outputs: inout NodeOutputs
  ) {
    orders.append(isShuttingDown ? .handOver : .balance(transfers: Self.transfersPerRound))
    orders.append(.watchProgress)
    if pressure.lasts(now: now), !isShuttingDown { orders.append(.yield) }
    membership.tellClusterID(&outputs)
    if meta.leads, meta.isIdle, !isShuttingDown {
      let command = duties.next(map, peers, own: configuration)
      if let command { orders.append(.propose(command)) }
    }
    orders.append(.dropRecords)
    log.flushIfDue(gauges, &outputs)
  }

  // MARK: The log

  var mayWrite: Bool { log.mayWrite }

  mutating func write(_ batch: LogBatch, now: Instant, _ outputs: inout NodeOutputs) {
    log.write(batch, now: now, &outputs)
  }

  mutating func nextPersisted(through number: UInt64, now: Instant) -> LogWrites.Finished? {
    log.nextPersisted(through: number, now: now)
  }

  mutating func stateFlushed(_ groups: [FlushedGroup], _ orders: inout [ShardInput]) {
    log.stateFlushed(groups, gauges, &orders)
  }

  // MARK: The map

  /// The meta group here has applied a new version.
  mutating func mapApplied(
    _ map: ClusterMap, now: Instant, _ orders: inout [ShardInput], _ outputs: inout NodeOutputs
  ) {
    membership.update(map)
    membership.tellClusterID(&outputs)
    startWatch.mayHaveChanged()
    orders.append(.map(map))
    formation.makeReplicas(map, &orders)
    setPeers(now: now, &orders, &outputs)
  }

  // MARK: Links

  mutating func accepted(_ connection: ConnectionID, from remote: String, now: Instant) {
    inbound.accepted(connection, from: remote, now: now)
  }

  mutating func opened(
    _ connection: ConnectionID, now: Instant, _ outputs: inout NodeOutputs
  ) {
    peers.opened(connection, hello: membership.hello, now: now, &outputs)
  }

  /// What a frame is for, where it is not the links' own.
  mutating func receive(
    _ frame: Frame, on connection: ConnectionID, now: Instant, _ orders: inout [ShardInput],
    _ outputs: inout NodeOutputs
  ) -> InboundLinks.Delivery {
    guard peers.owns(connection) else {
      return inbound.receive(frame, on: connection, now: now, &outputs)
    }
    let change = peers.receive(
      frame, on: connection, hello: membership.hello, now: now, &outputs)
    apply(change, now: now, &orders, &outputs)
    return .none
  }

  /// The HELLO on a connection that was accepted. `mapAsOf`: the map here lacks nothing that the
  /// cluster had agreed on at this time; `nil`: not known.
  mutating func judge(
    _ hello: Hello, on connection: ConnectionID, mapAsOf: Instant?, now: Instant,
    _ outputs: inout NodeOutputs
  ) {
    let problem =
      switch hello.role {
      case .client: membership.problem(withClient: hello)
      case .node: membership.problem(withDialing: hello, mapAsOf: mapAsOf, now: now)
      }
    let isLetIn = inbound.decide(
      connection, hello, problem, own: membership.hello, now: now, &outputs)
    if isLetIn, hello.role == .node {
      peers.appeared(hello, hello: membership.hello, now: now, &outputs)
    }
  }

  mutating func unreadable(
    _ connection: ConnectionID, _ error: WireError, now: Instant, _ orders: inout [ShardInput],
    _ outputs: inout NodeOutputs
  ) {
    guard peers.owns(connection) else {
      return inbound.unreadable(connection, error, now: now, &outputs)
    }
    let change = peers.unreadable(
      connection, error, hello: membership.hello, now: now, &outputs)
    apply(change, now: now, &orders, &outputs)
  }

  mutating func closed(
    _ connection: ConnectionID, isRefused: Bool, because: String?, now: Instant,
    _ orders: inout [ShardInput], _ outputs: inout NodeOutputs
  ) {
    guard peers.owns(connection) else {
      return inbound.closed(connection, now: now, &outputs)
    }
    let change = peers.closed(
      connection, isRefused: isRefused, hello: membership.hello, now: now, &outputs)
    apply(change, because: because, now: now, &orders, &outputs)
  }

  mutating func makeRoom(now: Instant, _ outputs: inout NodeOutputs) -> Bool {
    inbound.makeRoom(now: now, &outputs)
  }

  private mutating func apply(
    _ change: PeerDirectory.Change, because: String? = nil, isNews: Bool = true, now: Instant,
    _ orders: inout [ShardInput], _ outputs: inout NodeOutputs
  ) {
    if case .none = change { return }
    startWatch.mayHaveChanged()
    switch change {
    case .none: return
    case .judge(let node, let hello):
      let decision = peers.decide(
        node, hello, membership.problem(withDialed: hello, expected: node),
        own: membership.hello, now: now, &outputs)
      let isNews = !formation.isUnaware(node)
      if case .up = decision { formation.met(node, hello.standing, now: now, &outputs) }
      apply(decision, isNews: isNews, now: now, &orders, &outputs)
    case .up(let node, let connection):
      orders.append(.peer(node, connection, isRefusing: false))
      if isNews { outputs.events.append(.peer(node, connected: true)) }
      startWatch.clear(node)
    case .down(let node, let end):
      orders.append(.peer(node, nil, isRefusing: end.cause == .refused))
      if end.wasReady { outputs.events.append(.peer(node, connected: false)) }
      note(end, of: node, because: because, &outputs)
    }
  }

  private mutating func note(
    _ end: LinkEnd, of node: NodeID, because: String?, _ outputs: inout NodeOutputs
  ) {
    if case .goaway(let goaway) = end.cause, goaway.reason == .cannotJudgeYet {
      formation.refused(by: node)
    }
    let warning = startWatch.ended(end, node, at: peers.address(of: node), because: because)
    guard let warning else { return }
    if case .goaway(let goaway) = end.cause, isFinal(goaway.reason) {
      outputs.fatal = warning
    } else {
      outputs.events.append(.note(.warning, warning))
    }
  }

  /// Nothing that this process could wait for would change the answer.
  private func isFinal(_ reason: Goaway.Reason) -> Bool {
    reason == .wipedDisk || reason == .notAMember && !formation.isAdmitted
  }

  mutating func beginShutdown(_ orders: inout [ShardInput]) {
    guard !isShuttingDown else { return }
    isShuttingDown = true
    orders.append(.shutdown)
    orders.append(.handOver)
  }

  #if PlantedFaults
    mutating func plant(_ fault: PlantedFault) {
      peers.plant(fault)
      membership.plantedFault = fault
      if fault == .formsWithoutAsking { formation.skipAsking() }
    }
  #endif
}
