import KVBase
import KVCommand
import KVLog
import KVNodeCore
import KVState

/// The log thread of a node, its flushes, its crashes and its starts.
extension Simulation {
  /// What gathered while the last sync ran goes under the next one.
  func startLogWork(_ node: SimulatedNode) {
    guard node.syncing == nil, !node.logQueue.isEmpty, !node.isPaused else { return }
    let work = node.logQueue
    node.logQueue = []
    var last: UInt64?
    for item in work {
      switch item {
      case .persist(let persist):
        attempt(node) { try node.log.append(persist.records) }
        guard node.isRunning else { return }
        last = persist.number
        let bytes = Self.bytes(of: persist.records)
        node.logWrittenBytes += bytes
        trace.record(
          time, 3, UInt64(node.index) << 32 | persist.number, bytes,
          "\(node.id) writes \(persist.number): \(Self.text(persist.records))")
      case .read(let read): readLog(read, node)
      }
      guard node.isRunning else { return }
    }
    guard let last else { return }
    node.syncing = last
    if saysPersistedBeforeSync { give(.core(.persisted(last)), to: node) }
    let end = node.disk.syncEnds(time)
    queue.schedule(.syncDone(node: node.index, life: node.life), at: end)
    if node.diesWriting {
      node.diesWriting = false
      let death = time + node.random.below(end - time)
      queue.schedule(.powerLoss(node: node.index, life: node.life), at: death)
    }
  }

  private func readLog(_ read: NodeOutputs.LogRead, _ node: SimulatedNode) {
    var entries: [LogEntry]?
    do throws(StorageError) {
      entries = try node.log.read(
        read.group, from: read.from, through: read.through, maxBytes: read.maxBytes)
    } catch {
      guard error == .compacted else {
        violate(.nodeStopped, "\(node.id) can't read its log: \(error)")
        stop(node, losesPower: false)
        return
      }
    }
    counts.logReads += 1
    queue.schedule(
      .answer(node: node.index, life: node.life, .core(.logRead(read.number, entries))),
      at: node.disk.readEnds(time))
  }

  func syncDone(_ node: SimulatedNode) {
    guard let number = node.syncing else { return }
    node.syncing = nil
    if node.disk.failsNextSync {
      node.disk.failsNextSync = false
      node.disk.counts.failedSyncs += 1
      node.log.inject(.failedSync)
    }
    do throws(StorageError) {
      try node.log.sync()
    } catch {
      trace.record(time, 4, UInt64(node.index), number, "\(node.id) stops: \(error)")
      stop(node, losesPower: false)
      return
    }
    trace.record(time, 4, UInt64(node.index), number, "\(node.id) wrote \(number) durably")
    startLogWork(node)
    if !saysPersistedBeforeSync { arrives(.core(.persisted(number)), at: node) }
  }

  func flushDone(_ node: SimulatedNode) {
    node.isFlushing = false
    attempt(node) {
      let flushed = try node.machines.flush()
      give(.core(.stateFlushed(flushed)), to: node)
    }
  }

  /// The process ends at once. With the power, writes that were not synced may be lost or torn;
  /// without, the operating system still has them. The state's store loses what it had not flushed
  /// either way.
  func stop(_ node: SimulatedNode, losesPower: Bool) {
    guard node.isRunning else { return }
    let extent = node.log.extent
    let store = node.machines.store
    let kept = Int(node.random.below(UInt64(store.unflushedBatches + 1)))
    node.disk.counts.stateBatchesLost += UInt64(store.unflushedBatches - kept)
    trace.record(
      time, 6, UInt64(node.index), losesPower ? 1 : 0,
      "\(node.id) \(losesPower ? "loses power" : "is killed") with "
        + "\(extent.end - extent.synced) bytes not synced, keeping \(kept) of "
        + "\(store.unflushedBatches) state batches")
    node.machines = StateMachines(store: store.crash(keeping: kept))
    do throws(StorageError) {
      if losesPower {
        let unsynced = extent.end - extent.synced
        node.log = try node.log.crash(tearing: &node.random)
        let survived = max(0, node.log.extent.end - extent.synced)
        node.disk.counts.bytesLost += UInt64(max(0, unsynced - survived))
        if unsynced > 0 {
          if survived < unsynced {
            node.disk.counts.batchesLost += 1
          } else {
            node.disk.counts.batchesKept += 1
          }
        }
      } else {
        node.log = try node.log.restart()
      }
    } catch {
      violate(.nodeStopped, "\(node.id) can't open its log again: \(error)")
    }
    node.forgetProcess()
    node.hasPower = !losesPower
    network.endpointDied(node.index, losesPower: losesPower, time: time)
    drainNetwork()
    if node.downCount == 0 {
      // Nobody holds it down: what supervises it starts it again.
      queue.schedule(.start(node: node.index), at: time + 100_000_000 + node.random.below(1 << 29))
    }
  }

  func start(_ node: SimulatedNode) {
    guard !node.isRunning, node.downCount == 0 else { return }
    node.life += 1
    if !node.hasPower { network.endpointIsBack(node.index) }
    node.hasPower = true
    dialChecks.restarted(node.index)
    let now = node.now(time)
    do throws(StorageError) {
      let recovery = try recover(node)
      for group in recovery.groups {
        let entries = try readAll(group, of: node)
        raftChecks.recovered(
          node.id, group.group, log: group.log, entries: entries, status: group.status)
      }
      node.begin(
        NodeCore(
          configuration: node.configuration, recovery: recovery, random: node.random.fork(),
          now: now))
    } catch {
      violate(.nodeStopped, "\(node.id) can't start: \(error)")
      node.downCount += 1
      return
    }
    plant(in: node)
    takeFound()
    counts.starts += 1
    trace.record(
      time, 7, UInt64(node.index), UInt64(node.life), "\(node.id) starts (life \(node.life))")
    queue.schedule(
      .tick(node: node.index, life: node.life), at: time + node.random.below(tickInterval))
  }

  private func recover(_ node: SimulatedNode) throws(StorageError) -> NodeRecovery {
    var groups: [NodeRecovery.Group] = []
    for (group, log) in node.log.recovered {
      let status = try node.machines.recover(
        group, generation: log.generation, log: (log.baseIndex, log.lastIndex),
        configuration: log.configurations.first?.configuration,
        map: group == .meta ? .unformed : nil)
      groups.append(NodeRecovery.Group(group: group, log: log, status: status))
    }
    return NodeRecovery(groups: groups)
  }

  private func readAll(
    _ group: NodeRecovery.Group, of node: SimulatedNode
  ) throws(StorageError) -> [LogEntry] {
    var entries: [LogEntry] = []
    var next = group.log.baseIndex.next
    while next <= group.log.lastIndex {
      let read = try node.log.read(
        group.group, from: next, through: group.log.lastIndex, maxBytes: 1 << 24)
      guard let last = read.last else { break }
      entries += read
      next = last.index.next
    }
    return entries
  }

  private static func bytes(of records: [LogRecord]) -> UInt64 {
    var bytes = 32
    for record in records {
      switch record {
      case .hardState: bytes += 24
      case .entries(_, let entries): for entry in entries { bytes += entry.encodedSize + 16 }
      case .reset: bytes += 64
      case .removed: bytes += 8
      case .data(_, _, let payload): bytes += payload.count + 16
      }
    }
    return UInt64(bytes)
  }

  private static func text(_ records: [LogRecord]) -> String {
    records.map { record in
      switch record {
      case .hardState(let group, let state):
        "\(group) term \(state.term) vote \(state.vote.map { "\($0)" } ?? "none")"
      case .entries(let group, let entries):
        "\(group) entries "
          + entries.map { "\($0.index)@\($0.term)" }.joined(separator: " ")
      case .reset(let group, let generation, let index, let term, _):
        "\(group) reset to \(index)@\(term) generation \(generation)"
      case .removed(let group): "\(group) removed"
      case .data(let plane, let partition, let payload):
        "\(plane) \(partition) data of \(payload.count) bytes"
      }
    }.joined(separator: "; ")
  }
}
