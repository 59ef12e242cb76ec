import KVBase

@testable import KVRaft

/// Starts, crashes, disks, state and snapshots.
extension Cluster {
  func start(_ host: Int) {
    guard hosts[host].core == nil else { return }
    hosts[host].boot += 1
    hosts[host].completed = PersistToken(0)
    hosts[host].wakeAt = .distantFuture
    hosts[host].written = hosts[host].durable
    var core = RaftCore(
      group: GroupID(1), id: hosts[host].id, settings: options.settings,
      recovery: hosts[host].durable.recovery, random: random.fork(), now: now)
    #if PlantedFaults
      core.plantedFault = plantedFault
    #endif
    hosts[host].core = core
    transcript?.note(now, "\(hosts[host].id) starts")
    input(host) { _, _ in }
  }

  /// Power is lost: of what was written and not synced, a prefix may have reached the disk.
  func crash(_ host: Int, keepingWrites: Int? = nil) {
    guard hosts[host].core != nil else { return }
    transcript?.note(now, "\(hosts[host].id) crashes")
    hosts[host].core = nil
    hosts[host].held.removeAll()
    hosts[host].openReads.removeAll()
    hosts[host].isReceivingSnapshot = false
    let survive = keepingWrites ?? Int(random.below(UInt64(hosts[host].writing.count + 1)))
    for (_, write) in hosts[host].writing.prefix(survive) {
      Host.apply(write, to: &hosts[host].durable)
    }
    hosts[host].writing.removeAll()
    hosts[host].isDiskStalled = false
    hosts[host].lastWriteDone = now
  }

  func pause(_ host: Int, milliseconds: UInt64) {
    hosts[host].pausedUntil = now + .milliseconds(milliseconds)
  }

  func write(_ write: Host.Write, on host: Int) {
    Host.apply(write, to: &hosts[host].written)
    hosts[host].writeCount += 1
    let number = hosts[host].writeCount
    hosts[host].writing.append((number, write))
    guard !hosts[host].isDiskStalled else { return }
    let done = max(hosts[host].lastWriteDone, now) + diskDelay()
    hosts[host].lastWriteDone = done
    schedule(.synced(hosts[host].id, boot: hosts[host].boot, number: number), at: done)
  }

  func resumeDisk(_ host: Int) {
    hosts[host].isDiskStalled = false
    guard let last = hosts[host].writing.last else { return }
    schedule(.synced(hosts[host].id, boot: hosts[host].boot, number: last.number), at: now)
  }

  func synced(_ host: Int, through number: Int) {
    guard !hosts[host].isDiskStalled else { return }
    while let first = hosts[host].writing.first, first.number <= number {
      hosts[host].writing.removeFirst()
      Host.apply(first.write, to: &hosts[host].durable)
      switch first.write {
      case .persist(let persist):
        transcript?.note(now, "\(hosts[host].id) synced \(Transcript.describe(persist))")
        hosts[host].completed = persist.token
        // What waited for it leaves before the core says more.
        let free = hosts[host].held.filter { $0.after.map { $0 <= persist.token } ?? true }
        hosts[host].held.removeAll { $0.after.map { $0 <= persist.token } ?? true }
        for send in free { transmit(send.message, from: hosts[host].id, to: send.to) }
        input(host) { $0.persisted(persist.token, now: self.now, into: &$1) }
      case .reset(let index, let term, let configuration, let from):
        hosts[host].isReceivingSnapshot = false
        input(host) {
          $0.installed(
            index: index, term: term, configuration: configuration, from: from, now: self.now,
            into: &$1)
        }
      }
    }
  }

  // MARK: State

  /// Applies what is ready, and now and then makes the state durable and compacts the log.
  func apply(_ host: Int) {
    while true {
      guard let next = hosts[host].core?.nextToApply(maxBytes: options.maxApplyBytes) else {
        return
      }
      var ready: [LogEntry] = []
      switch next {
      case .nothing: return
      case .entries(let entries): ready = entries
      case .readLog(let from, let through):
        ready = hosts[host].written.read(from: from, through: through, maxBytes: .max) ?? []
        if ready.count != through - from + 1 { findings.append("unreadable \(from)...\(through)") }
      }
      for entry in ready { applied(entry, on: host) }
      guard let last = ready.last else { return }
      hosts[host].core?.applied(through: last.index)
      hosts[host].written.appliedIndex = last.index
      if random.chance(1, in: 4) { hosts[host].durable.appliedIndex = last.index }
      compact(host)
    }
  }

  private func compact(_ host: Int) {
    guard options.keepEntries > 0,
      hosts[host].written.baseIndex == hosts[host].durable.baseIndex
    else { return }
    let applied = hosts[host].durable.appliedIndex
    let base = hosts[host].durable.baseIndex
    guard applied - base > options.keepEntries * 2, applied <= hosts[host].durable.lastIndex
    else { return }
    let through = LogIndex(applied.rawValue - UInt64(options.keepEntries))
    hosts[host].durable.compact(through: through)
    hosts[host].written.compact(through: through)
    hosts[host].core?.compacted(through: through)
  }

  // MARK: Snapshots

  func beginSnapshot(from host: Int, to target: ReplicaID) {
    guard let core = hosts[host].core else { return }
    let index = hosts[host].written.appliedIndex
    guard index > .zero, let term = core.term(at: index) else {
      findings.append("a snapshot without state")
      return
    }
    var configuration = hosts[host].written.baseConfiguration
    for entry in hosts[host].written.entries
    where entry.kind == .configuration && entry.index <= index {
      configuration = GroupConfiguration.decode(entry.payload) ?? configuration
    }
    let snapshot = Snapshot(
      from: hosts[host].id, to: target, term: core.term, index: index, indexTerm: term,
      configuration: configuration, senderBoot: hosts[host].boot)
    transcript?.note(now, "\(hosts[host].id) sends a snapshot of \(index) to \(target)")
    schedule(.snapshotArrives(snapshot), at: now + latency() + diskDelay())
  }

  func snapshotArrives(_ snapshot: Snapshot) {
    guard let host = hosts.firstIndex(where: { $0.id == snapshot.to }),
      hosts[host].core != nil, !blocked.contains([snapshot.from, snapshot.to]),
      hosts[host].pausedUntil <= now
    else {
      schedule(.snapshotEnds(snapshot, index: nil), at: now + .milliseconds(50))
      return
    }
    var isUseful = false
    input(host) {
      isUseful = $0.offeredSnapshot(
        from: snapshot.from, term: snapshot.term, index: snapshot.index,
        snapshotTerm: snapshot.indexTerm, now: self.now, into: &$1)
    }
    if isUseful, !hosts[host].isReceivingSnapshot {
      hosts[host].isReceivingSnapshot = true
      schedule(
        .snapshotInstalls(snapshot, boot: hosts[host].boot), at: now + latency() + diskDelay())
    } else {
      schedule(.snapshotEnds(snapshot, index: nil), at: now + latency())
    }
  }

  func snapshotInstalls(_ snapshot: Snapshot, boot: Int) {
    let host = position(snapshot.to)
    guard isRunning(host, boot: boot, else: .snapshotInstalls(snapshot, boot: boot)) else {
      return
    }
    var isRight = false
    input(host) { core, _ in
      isRight = core.beginInstall(index: snapshot.index, term: snapshot.indexTerm)
    }
    guard isRight else {
      hosts[host].isReceivingSnapshot = false
      schedule(.snapshotEnds(snapshot, index: nil), at: now + latency())
      return
    }
    write(
      .reset(
        index: snapshot.index, term: snapshot.indexTerm, configuration: snapshot.configuration,
        from: snapshot.from), on: host)
    schedule(.snapshotEnds(snapshot, index: snapshot.index), at: now + .milliseconds(200))
  }
}
