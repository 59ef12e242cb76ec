package import KVBase
internal import KVCommand
internal import KVPlacement
internal import KVRaft
internal import KVWire

/// What time brings: elections and heartbeats, and the housekeeping of a node.
extension NodeCore {
  private static var maintenanceInterval: TimeAmount { .milliseconds(100) }
  /// Leaderships handed to their preferred nodes in one round of maintenance.
  private static var transfersPerRound: Int { 4 }
  /// A leader, and the node that should lead, must have been there for this long.
  private static var settleTime: TimeAmount { .seconds(2) }
  /// Entries that the next leader may lack when it is asked: proposals are refused until it has
  /// them.
  private static var transferLag: Int { 64 }
  /// A leader with entries to commit that commits none for this long steps down.
  private static var commitPatience: TimeAmount { .seconds(2) }

  package mutating func tick(now: Now, gauges: Gauges, into outputs: inout NodeOutputs) {
    self.gauges = gauges
    guard admission == .admitted else { return }
    watchDisk(now: now.instant, into: &outputs)
    for slot in replicas.indices {
      if !replicas[slot].isResetting, !isDiskStalled {
        if replicas[slot].tick(now: now.instant) { touch(slot) }
      }
      expireReads(slot, now: now.instant, into: &outputs)
    }
    tickSnapshots(now: now, into: &outputs)
    if now.instant >= nextMaintenance {
      nextMaintenance = now.instant + Self.maintenanceInterval
      maintain(now: now, into: &outputs)
    }
  }

  /// A leader whose own disk makes no progress gives up its leaderships: alive means "makes
  /// progress", and a follower whose disk works does better.
  private mutating func watchDisk(now: Instant, into outputs: inout NodeOutputs) {
    // Alone, there is nobody who could do better.
    guard configuration.members.count > 1 else { return }
    if let stalled = stalledWrite, writing.first?.number == stalled { return }
    let late = writing.first.flatMap { now - $0.since > diskPatience ? $0.number : nil }
    let isStalled = late != nil
    guard isStalled != isDiskStalled else { return }
    stalledWrite = late
    outputs.events.append(
      .note(
        .warning,
        isStalled
          ? "a log write has taken more than \(diskPatience): this node leads nothing until it is "
            + "done" : "log writes are done again"))
    guard isStalled else { return }
    // Where all disks are that slow, stepping down must not be all that is done.
    diskPatience = min(diskPatience * 2, .seconds(10))
    for slot in replicas.indices where replicas[slot].isLeader {
      replicas[slot].stepDown(now: now)
      touch(slot)
    }
  }

  private mutating func maintain(now: Now, into outputs: inout NodeOutputs) {
    if isShuttingDown { handOver(now: now.instant) } else { balanceLeaders(now: now.instant) }
    watchCommits(now: now.instant)
    tellClusterID(into: &outputs)
    nameAndRegister(now: now)
    dropRecords(now: now)
    flushAndCompact(into: &outputs)
  }

  // MARK: Leaders

  private mutating func balanceLeaders(now: Instant) {
    var moved = 0
    for slot in replicas.indices where moved < Self.transfersPerRound {
      guard replicas[slot].isLeader, !replicas[slot].raft.isTransferring,
        let preferred = plan.nodes(of: replicas[slot].group).first,
        preferred != configuration.node,
        let since = replicas[slot].leaderSince, now - since > Self.settleTime,
        let peer = peers.first(where: { $0.node == preferred }), peer.isConnected,
        now - peer.since > Self.settleTime,
        let target = replicas[slot].raft.progress.first(where: { $0.replica.node == preferred }),
        target.state == .replicate, !target.isLearner, now >= replicas[slot].balanceAt,
        replicas[slot].raft.lastIndex - target.match <= Self.transferLag
      else { continue }
      if replicas[slot].transfer(to: target.replica, now: now) { moved += 1 }
      // A preferred node that does not take over, or does not keep it, is asked ever less often.
      replicas[slot].balanceAt = now + replicas[slot].balancePause
      replicas[slot].balancePause = min(replicas[slot].balancePause * 2, .seconds(60))
      touch(slot)
    }
  }

  /// Refuse new work, hand over leaderships, finish what runs.
  package mutating func beginShutdown(now: Now, into outputs: inout NodeOutputs) {
    guard !isShuttingDown else { return }
    isShuttingDown = true
    handOver(now: now.instant)
  }

  private mutating func handOver(now: Instant) {
    for slot in replicas.indices {
      guard replicas[slot].isLeader, !replicas[slot].raft.isTransferring else { continue }
      var best: RaftCore.PeerProgress?
      for candidate in replicas[slot].raft.progress {
        guard !candidate.isLearner, candidate.state == .replicate,
          peers.contains(where: { $0.node == candidate.replica.node && $0.isConnected })
        else { continue }
        if best.map({ candidate.match > $0.match }) ?? true { best = candidate }
      }
      guard let best else { continue }
      _ = replicas[slot].transfer(to: best.replica, now: now)
      touch(slot)
    }
  }

  /// After `beginShutdown`: nothing is left to do.
  package var isDrained: Bool {
    guard isShuttingDown else { return false }
    let hasOthers = peers.contains { $0.isConnected }
    return openReads.isEmpty
      && replicas.allSatisfy { $0.proposals.isEmpty && (!$0.isLeader || !hasOthers) }
  }

  /// A leader whose followers answer and don't store is of no use; and who waits for an answer
  /// gets one.
  private mutating func watchCommits(now: Instant) {
    for slot in replicas.indices {
      let raft = replicas[slot].raft
      guard raft.role == .leader, raft.lastIndex > raft.commitIndex,
        configuration.members.count > 1
      else {
        replicas[slot].stuckCommit = nil
        continue
      }
      if let stuck = replicas[slot].stuckCommit, stuck.index == raft.commitIndex {
        guard now - stuck.since > Self.commitPatience else { continue }
        replicas[slot].stuckCommit = nil
        replicas[slot].stepDown(now: now)
        touch(slot)
      } else {
        replicas[slot].stuckCommit = (raft.commitIndex, now)
      }
    }
  }

  // MARK: The meta group's own commands

  private mutating func nameAndRegister(now: Now) {
    guard let slot = slot(of: .meta), replicas[slot].isLeader, !isShuttingDown,
      replicas[slot].raft.hasCommittedInOwnTerm, replicas[slot].proposals.isEmpty
    else { return }
    if meta.clusterID == 0 {
      proposeOwn(.meta(.nameCluster(id: max(1, random.next()))), slot: slot, now: now)
      return
    }
    for at in peers.indices {
      let isSelf = peers[at].node == configuration.node
      let incarnation = isSelf ? configuration.incarnation : peers[at].incarnation
      guard incarnation != 0, !meta.members.contains(where: { $0.node == peers[at].node }) else {
        continue
      }
      let record = MemberRecord(
        node: peers[at].node, incarnation: incarnation,
        address: configuration.members[at].address)
      proposeOwn(.meta(.registerMember(record)), slot: slot, now: now)
      return
    }
  }

  @discardableResult
  private mutating func proposeOwn(_ body: CommandBody, slot: Int, now: Now) -> Bool {
    guard !replicas[slot].proposals.isFull else { return false }
    var writer = ByteWriter()
    Command(session: .none, body: body).encode(into: &writer)
    guard let index = try? replicas[slot].propose(writer.take(), now: now) else { return false }
    replicas[slot].proposals.append(PendingProposal(index: index, caller: nil))
    touch(slot)
    return true
  }

  /// Dropping a keyspace is an entry in every group.
  private mutating func dropRecords(now: Now) {
    guard !meta.dropped.isEmpty, !isShuttingDown else { return }
    for slot in replicas.indices where replicas[slot].group != .meta {
      guard replicas[slot].isLeader, replicas[slot].raft.hasCommittedInOwnTerm else { continue }
      for keyspace in meta.dropped
      where !replicas[slot].droppedKeyspaces.contains(keyspace)
        && !replicas[slot].proposedDrops.contains(keyspace)
      {
        guard proposeOwn(.dropKeyspaceRecords(keyspace), slot: slot, now: now) else { break }
        replicas[slot].proposedDrops.append(keyspace)
      }
    }
  }

  // MARK: Log and state

  private mutating func flushAndCompact(into outputs: inout NodeOutputs) {
    let since = gauges.logWrittenBytes - min(flushedAtLogBytes, gauges.logWrittenBytes)
    guard !isFlushing, since >= UInt64(configuration.flushBytes) else { return }
    isFlushing = true
    flushedAtLogBytes = gauges.logWrittenBytes
    outputs.flushState = true
  }

  /// The state is durable up to these indexes: the log may forget what no live follower needs, or,
  /// where it has grown beyond its limit, everything up to there.
  package mutating func stateFlushed(
    _ applied: [(group: GroupID, index: LogIndex)], now: Now, into outputs: inout NodeOutputs
  ) {
    isFlushing = false
    let retained = gauges.logRetainedBytes
    // What is kept while there is room spares followers that are away a snapshot.
    guard retained > configuration.logKeepBytes / 2 else { return }
    let isFull = retained > configuration.logKeepBytes
    let isOverfull = retained > configuration.logKeepBytes * 8
    for (group, flushed) in applied {
      guard let slot = slot(of: group), !replicas[slot].isResetting else { continue }
      var through = min(flushed, replicas[slot].appliedIndex)
      if !isFull, replicas[slot].isLeader {
        for follower in replicas[slot].raft.progress {
          guard let heard = follower.lastContact,
            now.instant - heard < configuration.raft.electionTimeout * 2
          else { continue }
          through = min(through, follower.match)
        }
      }
      // What follows a snapshot on its way is needed when it has arrived.
      if !isOverfull {
        for sending in outgoing where sending.slot == slot && sending.phase != .opening {
          through = min(through, sending.index)
        }
      }
      guard through > replicas[slot].raft.baseIndex else { continue }
      replicas[slot].raft.compacted(through: through)
      outputs.compactions.append((group, through))
    }
  }

  // MARK: Reports

  var clusterView: ClusterView {
    ClusterView(
      meta: meta,
      nodes: configuration.members.map {
        .init(id: $0.node, address: $0.address, zone: $0.zone)
      }, placement: plan.placement.replicas,
      leaders: plan.groups.map { group in
        slot(of: group).flatMap { replicas[$0].raft.leader?.node } ?? NodeID(0)
      }, replication: UInt8(clamping: configuration.replication))
  }

  var health: HealthReport {
    HealthReport(
      node: configuration.node,
      groupsWithLeader: UInt32(replicas.count { $0.raft.leader != nil }),
      groups: UInt32(replicas.count), isShuttingDown: isShuttingDown)
  }

  func report(now: Instant) -> NodeReport {
    NodeReport(
      node: configuration.node, incarnation: configuration.incarnation,
      clusterID: knownClusterID, epoch: meta.epoch, version: configuration.software,
      uptimeMilliseconds: (now - startedAt).milliseconds,
      logBytes: UInt64(max(0, gauges.logRetainedBytes)),
      stateBytes: UInt64(max(0, gauges.stateBytes)),
      clientConnections: UInt32(clamping: gauges.clientConnections),
      groups: replicas.map { replica in
        NodeReport.Group(
          group: replica.group, role: replica.raft.role, term: replica.raft.term,
          leader: replica.raft.leader?.node ?? NodeID(0), commit: replica.raft.commitIndex,
          applied: replica.appliedIndex, last: replica.raft.lastIndex,
          base: replica.raft.baseIndex, digest: replica.digest)
      },
      peers: peers.filter { $0.node != configuration.node }.map {
        NodeReport.Peer(
          node: $0.node, isConnected: $0.isConnected,
          sinceMilliseconds: (now - $0.since).milliseconds)
      })
  }
}
