import KVBase
import KVNodeCore

/// A fault at work: what it needs for its end, and for the proof that it bit.
struct ActiveFault {
  var nodes: [Int] = []
  var blocked: [(from: Int, to: Int)] = []
  /// What the faults' effects were counted to be when it began.
  var before = FaultEffects()
  var didBite = false
}

/// Sums of what faults do, compared before and after.
struct FaultEffects {
  var blocked: UInt64 = 0
  var unruly: UInt64 = 0
  var delayed: UInt64 = 0
  var slowSyncs: UInt64 = 0
  var lostHalfOpen: UInt64 = 0
}

/// Carries out the fault plan.
extension Simulation {
  private func effects() -> FaultEffects {
    let net = network.counts
    return FaultEffects(
      blocked: net.held + net.connectionsBroken, unruly: net.lost + net.duplicated + net.reordered,
      delayed: net.delayed, slowSyncs: nodes.reduce(0) { $0 + $1.disk.counts.slowSyncs },
      lostHalfOpen: net.lostHalfOpen)
  }

  func leader(of group: Int) -> Int {
    let replicas = raftChecks.groups[group].replicas
    var best: Int?
    for node in nodes.indices where replicas[node].isLeader && nodes[node].isRunning {
      if best.map({ replicas[node].term > replicas[$0].term }) ?? true { best = node }
    }
    return best ?? 0
  }

  func beginFault(_ index: Int) {
    let planned = plan.faults[index]
    trace.record(time, 20, UInt64(index), 0, "fault \(planned)")
    faultCounts[planned.fault.kind.index].injected += 1
    var active = ActiveFault()
    active.before = effects()
    begin(planned.fault, index, &active)
    self.active[index] = active
    drainNetwork()
    queue.schedule(.faultEnds(index), at: time + planned.lengthNanoseconds)
  }

  private func begin(_ fault: Fault, _ index: Int, _ active: inout ActiveFault) {
    switch fault {
    case .halves, .isolate, .isolateLeader, .oneWay, .deafLeader, .muteLeader, .flapping:
      beginPartition(fault, index, &active)
    case .muteNewLeaders: break
    case .unruly(let loss, let duplicate, let reorder):
      for from in nodes.indices {
        for to in nodes.indices where to != from {
          network.makeUnruly(
            from: from, to: to, lossPerMille: loss, duplicatePerMille: duplicate,
            reorderPerMille: reorder)
        }
      }
    case .slowLinks(let node, let milliseconds): slowLinks(of: node, by: milliseconds)
    case .breakConnections(let share):
      let count = network.breakConnections(time: time) { _, _ in
        faultRandom.chance(share, in: 1000)
      }
      active.didBite = count > 0
    case .halfOpen(let share):
      network.halfOpenConnections(time: time) { _, _ in faultRandom.chance(share, in: 1000) }
    case .crash(let node, let power): crash([node], losesPower: power, &active)
    case .crashLeader(let group, let power):
      crash([leader(of: group)], losesPower: power, &active)
    case .crashMajority(let power):
      let first = Int(faultRandom.below(UInt64(nodes.count)))
      crash(
        (0...nodes.count / 2).map { (first + $0) % nodes.count }, losesPower: power, &active)
    case .crashAll(let power): crash(Array(nodes.indices), losesPower: power, &active)
    case .shutdown(let node): beginShutdown(nodes[node], &active)
    case .pause(let node): pause(node, &active)
    case .pauseLeader(let group): pause(leader(of: group), &active)
    case .slowDisk(let node, let factor):
      active.nodes = [node]
      nodes[node].disk.slowness = factor
    case .stuckDisk(let node):
      active.nodes = [node]
      nodes[node].disk.stuckUntil = time + plan.faults[index].lengthNanoseconds
    case .failedSync(let node):
      active.nodes = [node]
      nodes[node].disk.failsNextSync = true
    case .clockRate(let node, let partsPerMillion):
      nodes[node].clock.setRate(partsPerMillion: partsPerMillion, at: time)
      active.nodes = [node]
      active.didBite = nodes[node].isRunning
    case .wallJump(let node, let milliseconds):
      nodes[node].clock.jumpWall(milliseconds: milliseconds)
      active.didBite = nodes[node].isRunning
    }
  }

  func endFault(_ index: Int) {
    guard var ended = active[index] else { return }
    active[index] = nil
    let planned = plan.faults[index]
    trace.record(time, 21, UInt64(index), 0, "fault ends: \(planned.fault)")
    let now = effects()
    end(planned.fault, &ended, now)
    if ended.didBite { faultCounts[planned.fault.kind.index].bit += 1 }
    drainNetwork()
  }

  private func end(_ fault: Fault, _ ended: inout ActiveFault, _ now: FaultEffects) {
    switch fault {
    case .halves, .isolate, .isolateLeader, .oneWay, .deafLeader, .muteLeader, .flapping:
      for (from, to) in ended.blocked { network.unblock(from: from, to: to, time: time) }
      ended.didBite = ended.didBite || now.blocked > ended.before.blocked
    case .unruly:
      for from in nodes.indices {
        for to in nodes.indices where to != from {
          network.makeUnruly(
            from: from, to: to, lossPerMille: 0, duplicatePerMille: 0, reorderPerMille: 0)
        }
      }
      ended.didBite = now.unruly > ended.before.unruly
    case .slowLinks(let node, let milliseconds):
      slowLinks(of: node, by: -milliseconds)
      ended.didBite = now.delayed > ended.before.delayed
    case .halfOpen: ended.didBite = now.lostHalfOpen > ended.before.lostHalfOpen
    case .breakConnections, .wallJump, .muteNewLeaders: break
    case .crash, .crashLeader, .crashMajority, .crashAll, .shutdown:
      for node in ended.nodes {
        nodes[node].downCount -= 1
        start(nodes[node])
      }
    case .pause, .pauseLeader:
      for node in ended.nodes { resume(node, &ended) }
    case .slowDisk(let node, _):
      nodes[node].disk.slowness = profile.diskSlowness
      ended.didBite = now.slowSyncs > ended.before.slowSyncs
    case .stuckDisk: ended.didBite = now.slowSyncs > ended.before.slowSyncs
    case .failedSync(let node):
      ended.didBite = !nodes[node].disk.failsNextSync
      nodes[node].disk.failsNextSync = false
    case .clockRate(let node, _):
      nodes[node].clock.setRate(partsPerMillion: nodes[node].ownDrift, at: time)
    }
  }

  // MARK: Partitions

  private func beginPartition(_ fault: Fault, _ index: Int, _ active: inout ActiveFault) {
    switch fault {
    case .halves(let minority, let clients, let resets):
      let side = minority + clients.map { nodes.count + $0 }
      separate(side, resets: resets, &active)
    case .isolate(let node, let resets): separate([node], resets: resets, &active)
    case .isolateLeader(let group, let resets):
      // Some clients stay with it, as they would in a rack that is cut off.
      let leader = leader(of: group)
      let clients = clients.indices.filter { _ in faultRandom.chance(1, in: 3) }
      separate([leader] + clients.map { nodes.count + $0 }, resets: resets, &active)
    case .oneWay(let from, let to): block([(from, to)], &active)
    case .deafLeader(let group):
      let leader = leader(of: group)
      block(nodes.indices.filter { $0 != leader }.map { ($0, leader) }, &active)
    case .muteLeader(let group):
      let leader = leader(of: group)
      block(nodes.indices.filter { $0 != leader }.map { (leader, $0) }, &active)
    case .flapping: flap(index, isBlocked: true, &active)
    default: break
    }
  }

  private func separate(_ side: [Int], resets: Bool, _ active: inout ActiveFault) {
    var links: [(from: Int, to: Int)] = []
    for a in side {
      for b in 0..<network.endpoints where !side.contains(b) { links += [(a, b), (b, a)] }
    }
    block(links, &active)
    guard resets else { return }
    let broken = network.breakConnections(time: time) { opener, acceptor in
      side.contains(opener) != side.contains(acceptor)
    }
    active.didBite = broken > 0
  }

  private func block(_ links: [(from: Int, to: Int)], _ active: inout ActiveFault) {
    for (from, to) in links { network.block(from: from, to: to) }
    active.blocked += links
  }

  /// A node begins to lead: where a fault waits for that, others hear no more of it, at once or
  /// from its first commit on.
  func newLeader(_ node: SimulatedNode, of group: GroupID) {
    guard muteFault() != nil else { return }
    if muteRandom.chance(1, in: 2) {
      muteNow(node)
    } else {
      node.watchedGroups.append(group)
    }
  }

  func firstCommit(of node: SimulatedNode, in group: GroupID) {
    guard let place = node.watchedGroups.firstIndex(of: group) else { return }
    node.watchedGroups.remove(at: place)
    muteNow(node)
  }

  private func muteFault() -> (index: Int, longest: UInt64)? {
    for index in active.indices where active[index] != nil {
      if case .muteNewLeaders(let longest) = plan.faults[index].fault { return (index, longest) }
    }
    return nil
  }

  private func muteNow(_ node: SimulatedNode) {
    guard let (index, longest) = muteFault() else { return }
    active[index]?.didBite = true
    mute(node.index, for: (1 + muteRandom.below(longest)) * 1_000_000)
  }

  private func mute(_ node: Int, for length: UInt64) {
    guard time < loadEnds else { return }
    trace.record(time, 22, UInt64(node), length, "n\(node + 1) is not heard any more")
    mutings[node] += 1
    for other in nodes.indices where other != node { network.block(from: node, to: other) }
    queue.schedule(.unmute(node: node), at: time + length)
  }

  func unmute(_ node: Int) {
    guard mutings[node] > 0 else { return }
    mutings[node] -= 1
    trace.record(time, 23, UInt64(node), 0, "n\(node + 1) is heard again")
    for other in nodes.indices where other != node {
      network.unblock(from: node, to: other, time: time)
    }
    drainNetwork()
  }

  func flap(_ index: Int, isBlocked: Bool) {
    guard var active = active[index] else { return }
    flap(index, isBlocked: isBlocked, &active)
    self.active[index] = active
    drainNetwork()
  }

  private func flap(_ index: Int, isBlocked: Bool, _ active: inout ActiveFault) {
    guard case .flapping(let a, let b, let period) = plan.faults[index].fault else { return }
    if isBlocked {
      block([(a, b), (b, a)], &active)
    } else {
      for (from, to) in active.blocked { network.unblock(from: from, to: to, time: time) }
      active.blocked = []
    }
    queue.schedule(
      .flap(fault: index, isBlocked: !isBlocked), at: time + period * 500_000)
  }

  private func slowLinks(of node: Int, by milliseconds: Int) {
    for other in 0..<network.endpoints where other != node {
      network.slow(from: node, to: other, by: milliseconds)
      network.slow(from: other, to: node, by: milliseconds)
    }
  }

  // MARK: Processes

  private func crash(_ chosen: [Int], losesPower: Bool, _ active: inout ActiveFault) {
    for node in chosen {
      nodes[node].downCount += 1
      active.nodes.append(node)
      guard nodes[node].isRunning else { continue }
      active.didBite = true
      // Half of the losses of power strike in the middle of a write.
      if losesPower, faultRandom.chance(1, in: 2) {
        nodes[node].diesWriting = true
      } else {
        stop(nodes[node], losesPower: losesPower)
      }
    }
  }

  private func beginShutdown(_ node: SimulatedNode, _ active: inout ActiveFault) {
    node.downCount += 1
    active.nodes = [node.index]
    guard node.isRunning else { return }
    active.didBite = true
    give(.core(.shutdown), to: node)
    queue.schedule(
      .drainCheck(node: node.index, life: node.life, giveUpAt: time + 5_000_000_000),
      at: time + 10_000_000)
  }

  func checkDrained(_ node: SimulatedNode, giveUpAt: UInt64) {
    guard node.isRunning else { return }
    if node.core?.isDrained ?? true || time >= giveUpAt {
      if time < giveUpAt { counts.cleanShutdowns += 1 }
      stop(node, losesPower: false)
      return
    }
    queue.schedule(
      .drainCheck(node: node.index, life: node.life, giveUpAt: giveUpAt), at: time + 10_000_000)
  }

  private func pause(_ node: Int, _ active: inout ActiveFault) {
    guard nodes[node].isRunning, !nodes[node].isPaused else { return }
    nodes[node].isPaused = true
    active.nodes = [node]
  }

  private func resume(_ node: Int, _ ended: inout ActiveFault) {
    nodes[node].isPaused = false
    ended.didBite = !nodes[node].inbox.isEmpty
    startLogWork(nodes[node])
    scheduleTurn(nodes[node])
  }
}
