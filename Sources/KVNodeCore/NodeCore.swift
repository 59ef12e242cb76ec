package import KVBase
internal import KVCommand
internal import KVState
internal import KVWire

/// A whole node as a value: inputs in, outputs out. The server and the simulator run this same
/// code.
///
/// It is made of parts: the `Host` has what a node has once (links, membership, the log's writes,
/// maintenance), the `Shard` what a worker has (router, engines, timers). They know nothing of each
/// other: this type gives each input to the part that it is for, and carries what the host decides
/// to the shard (`ShardInput`) and what the shard reports to the host.
///
/// The interpreter gives inputs, each with `now`, and at the end of every turn calls `finishTurn`,
/// carries out the outputs, and empties them. It gives `tick` at least every
/// `NodeCore.tickInterval`. What follows a durable write (a vote, an acknowledgement, an answer)
/// waits inside until the interpreter says `persisted`.
package struct NodeCore: Sendable {
  /// How often `tick` must be given.
  package static var tickInterval: TimeAmount { .milliseconds(10) }

  private var host: Host
  private var shard: Shard
  private let node: NodeID
  private let incarnation: UInt64
  private let software: String
  private let startedAt: Instant
  /// Reused, and empty between inputs.
  private var orders: [ShardInput] = []

  package init(
    configuration: NodeConfiguration, recovery: NodeRecovery, random: SeededRandom, now: Now
  ) {
    var random = random
    node = configuration.node
    incarnation = configuration.incarnation
    software = configuration.software
    startedAt = now.instant
    let map =
      recovery.groups.first { $0.group == .meta }?.status.meta
      ?? .unformed
    shard = Shard(
      configuration, recovery: recovery, map: map, random: random.fork(), now: now.instant)
    host = Host(
      configuration, recovery: recovery, map: map, random: random, now: now.instant)
    host.update(shard.standing)
  }

  // MARK: Inputs

  package mutating func step(_ input: NodeInput, now: Now, into outputs: inout NodeOutputs) {
    // Before anything is said to others.
    if host.standing != .begun { host.update(shard.standing) }
    switch input {
    case .tick(let gauges):
      host.tick(gauges, meta: shard.metaStatus(now: now.instant), now: now, &orders, &outputs)
      carryOutOrders(now: now, &outputs)
      if host.isAdmitted { shard.tick(now: now, &outputs) }
    case .accepted(let connection, let remote):
      host.accepted(connection, from: remote, now: now.instant)
    case .opened(let connection): host.opened(connection, now: now.instant, &outputs)
    case .frame(let connection, let frame):
      receive(frame, on: connection, now: now, &outputs)
    case .unreadable(let connection, let error):
      host.unreadable(connection, error, now: now.instant, &orders, &outputs)
    case .closed(let connection, let isRefused, let because):
      host.closed(
        connection, isRefused: isRefused, because: because, now: now.instant, &orders, &outputs)
    case .persisted(let number):
      while let done = host.nextPersisted(through: number, now: now.instant) {
        shard.persisted(done.completions, bytes: done.bytes, now: now, &outputs)
      }
    case .applied(let results): shard.applied(results, now: now, &outputs)
    case .readDone(let number, let result): shard.readDone(number, result, &outputs)
    case .logRead(let number, let entries): shard.logRead(number, entries, now: now, &outputs)
    case .snapshot(let transfer, let step):
      shard.snapshotStep(transfer, step, now: now, &outputs)
    case .stateFlushed(let groups): host.stateFlushed(groups, &orders)
    case .shutdown: host.beginShutdown(&orders)
    }
    while let client = host.nextEndedClient() { shard.clientLeft(client) }
    carryOutOrders(now: now, &outputs)
  }

  private mutating func receive(
    _ frame: Frame, on connection: ConnectionID, now: Now, _ outputs: inout NodeOutputs
  ) {
    switch host.receive(frame, on: connection, now: now.instant, &orders, &outputs) {
    case .none: return
    case .judge(let hello):
      // The map that it is judged by must be as recent as it is said to be.
      updateMap(now: now, &outputs)
      let asOf = shard.metaStatus(now: now.instant).currentAsOf
      host.judge(hello, on: connection, mapAsOf: asOf, now: now.instant, &outputs)
    case .request:
      let caller = Caller(connection: connection, stream: frame.stream)
      switch shard.request(frame.payload, caller: caller, now: now, &outputs) {
      case nil: return
      case .map: outputs.reply(caller, .map(clusterView))
      case .status: outputs.reply(caller, .status(report(now: now.instant)))
      case .health: outputs.reply(caller, .health(health))
      }
    case .peer(let node):
      guard host.isAdmitted else { return }
      do throws(WireError) {
        try shard.peerFrame(from: node, frame.payload, now: now, &outputs)
      } catch {
        host.unreadable(connection, error, now: now.instant, &orders, &outputs)
      }
    }
  }

  private mutating func carryOutOrders(now: Now, _ outputs: inout NodeOutputs) {
    guard !orders.isEmpty else { return }
    for order in orders { shard.step(order, now: now, &outputs) }
    orders.removeAll(keepingCapacity: true)
  }

  private mutating func updateMap(now: Now, _ outputs: inout NodeOutputs) {
    guard let map = shard.takeAppliedMap() else { return }
    host.mapApplied(map, now: now.instant, &orders, &outputs)
    carryOutOrders(now: now, &outputs)
  }

  /// Ends a turn: what the groups gathered becomes one log write and one frame for each peer.
  package mutating func finishTurn(now: Now, into outputs: inout NodeOutputs) {
    shard.finishTurn(now: now, &outputs)
    updateMap(now: now, &outputs)
    while host.mayWrite, let batch = shard.takeLogBatch() {
      host.write(batch, now: now.instant, &outputs)
    }
  }

  /// There are as many connections as there may be, and one more wants in. True where one has been
  /// given up for it.
  package mutating func makeRoom(now: Now, into outputs: inout NodeOutputs) -> Bool {
    host.makeRoom(now: now.instant, &outputs)
  }

  // MARK: What it says of itself

  /// After `shutdown`: nothing is left to do.
  package var isDrained: Bool { host.isShuttingDown && shard.isDrained }

  var clusterView: ClusterView {
    ClusterView(map: host.map, leaders: shard.leaders(of: host.map.replicaSets.count))
  }

  var health: HealthReport {
    HealthReport(
      node: node,
      groupsWithLeader: host.holdsPartitions ? UInt32(shard.groupsWithLeader) : 0,
      groups: UInt32(shard.groupCount), isShuttingDown: host.isShuttingDown,
      waitsFor: host.waitsFor)
  }

  func report(now: Instant) -> NodeReport {
    NodeReport(
      node: node, incarnation: incarnation, clusterID: host.clusterID, epoch: host.map.epoch,
      version: software, uptimeMilliseconds: (now - startedAt).milliseconds,
      logBytes: UInt64(max(0, host.gauges.logRetainedBytes)),
      stateBytes: UInt64(max(0, host.gauges.stateBytes)),
      clientConnections: UInt32(clamping: host.clientCount), groups: shard.groupReports,
      peers: host.peerReports(now: now), waitsFor: host.waitsFor)
  }

  /// Stops where a part finds itself broken: too much for every turn of a real node.
  package mutating func checkInvariants() { shard.checkInvariants() }

  /// What does not hold in one of its links; `nil` where all does. For simulations.
  package mutating func brokenLinkInvariant(now: Instant, isAfterTick: Bool = false) -> String? {
    host.brokenLinkInvariant(now: now, isAfterTick: isAfterTick)
  }

  #if PlantedFaults
    /// Builds a fault into this node and every part of it.
    package mutating func plant(_ fault: PlantedFault) {
      shard.plant(fault)
      host.plant(fault)
    }
  #endif
}
