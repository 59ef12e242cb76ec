import KVBase
import KVCommand
import KVLog
import KVNodeCore
import KVState

/// One node: its core, the machine and the threads around it. The process ends and starts again;
/// log and state outlive it as far as they were durable.
final class SimulatedNode {
  /// One life of a node's process: what was meant for an earlier one is dropped.
  struct Life: Hashable, Sendable {
    var index: Int
    var number: UInt32
  }

  let index: Int
  let id: NodeID
  var configuration: NodeConfiguration
  /// The cluster's id, as the process has learned it; the identity gets it after a flush.
  var formedClusterID: UInt64?
  var random: SeededRandom
  var machine: SimulatedMachine
  var log: LogThread
  var state: StateThread
  var process = SimulatedProcess()
  /// While the node has an empty disk instead.
  var lostDisk: LostDisk?
  var outputs = NodeOutputs()
  /// Emptied ones, to be used again.
  var spareOutputs = NodeOutputs()

  init(
    index: Int, configuration: NodeConfiguration, log: MemoryLog, clock: SimulatedClock,
    diskSlowness: UInt64, sessionLimit: Int, random: SeededRandom
  ) {
    state = StateThread(sessionLimit: sessionLimit)
    self.index = index
    id = configuration.node
    self.configuration = configuration
    self.random = random
    self.log = LogThread(log)
    var disk = SimulatedDisk(random: self.random.fork())
    disk.slowness = diskSlowness
    machine = SimulatedMachine(clock: clock, disk: disk)
  }

  var life: Life { Life(index: index, number: process.life) }
  var isRunning: Bool { process.isRunning }
  /// It has applied the first version of the map, in this life or, durably, before.
  var knowsCluster: Bool { formedClusterID != nil || configuration.clusterID != 0 }

  func now(_ time: UInt64) -> Now { machine.clock.now(at: time) }

  // MARK: Ends

  /// The process ends at once. The state's store loses what it had not flushed, the log what
  /// `LogThread.end` says.
  func stop(losesPower: Bool, _ world: inout World) {
    guard isRunning else { return }
    formedClusterID = nil
    let unflushed = state.machines.store.unflushedBatches
    let kept = Int(random.below(UInt64(unflushed + 1)))
    machine.disk.counts.stateBatchesLost += UInt64(unflushed - kept)
    world.record(
      6, UInt64(index), losesPower ? 1 : 0,
      "\(id) \(losesPower ? "loses power" : "is killed") with \(log.unsyncedBytes) bytes not "
        + "synced, keeping \(kept) of \(unflushed) state batches")
    state.end(keeping: kept)
    do throws(StorageError) {
      try log.end(losesPower: losesPower, &random, &machine.disk.counts)
    } catch {
      world.violate(.nodeStopped, "\(id) can't open its log again: \(error)")
    }
    process.end()
    outputs.removeAll()
    world.muting.forget(index)
    world.transports.processEnded(index, losesPower: losesPower, time: world.time)
    world.drainNetwork()
    if !process.isHeldDown {
      // What supervises it starts it again.
      world.schedule(.start(node: index), at: world.time + 100_000_000 + random.below(1 << 29))
    }
  }

  /// A failure of a store that was not injected is a fault of ours; the node stops.
  func stop(because error: any Error, _ world: inout World) {
    world.violate(.nodeStopped, "\(id) stopped: \(error)")
    stop(losesPower: false, &world)
  }

  // MARK: Starts

  /// Starts the process, unless something holds it down.
  func start(_ world: inout World) {
    guard !isRunning, !process.isHeldDown else { return }
    process.beginLife()
    world.transports.powerOn(index)
    do throws(StorageError) {
      let recovery = try NodeRecovery(log.recovered) { (group, log) throws(StorageError) in
        try state.machines.recover(
          group, generation: log.generation, log: (log.baseIndex, log.lastIndex),
          configuration: log.configurations.first?.configuration)
      }
      if lostDisk == nil {
        world.observer.raft.recovered(id, only: recovery.groups.map(\.group))
      }
      for group in recovery.groups {
        let entries = try log.readAll(group.group, group.log)
        world.observer.raft.recovered(
          id, group.group, log: group.log, entries: entries, status: group.status)
      }
      process.run(
        NodeCore(
          configuration: configurationAtStart(recovery, world.options), recovery: recovery,
          random: random.fork(),
          now: now(world.time)))
    } catch {
      world.violate(.nodeStopped, "\(id) can't start: \(error)")
      process.holdDown()
      return
    }
    world.transports.processStarted(index)
    plant(world.options)
    world.collectFindings()
    world.observer.counts.starts += 1
    world.record(
      7, UInt64(index), UInt64(process.life), "\(id) starts (life \(process.life))")
    world.schedule(
      .tick(life), at: world.time + random.below(NodeCore.tickInterval.nanoseconds))
  }

  /// Once a cluster is formed, what its nodes are started with no longer counts: every other start
  /// of a node is with other peers, partitions and replication than the cluster was formed with.
  private func configurationAtStart(
    _ recovery: NodeRecovery, _ options: SimulationOptions
  ) -> NodeConfiguration {
    let meta = recovery.groups.first { $0.group == .meta }
    guard options.changesPeersAtRestart, process.life % 2 == 0,
      meta?.status.meta?.isFormed ?? false
    else { return configuration }
    var changed = configuration
    changed.members = changed.members.filter { $0.node == id }
    changed.partitions *= 2
    changed.replication = 1
    return changed
  }
}
