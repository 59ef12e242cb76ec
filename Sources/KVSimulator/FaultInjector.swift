import KVBase
import KVNodeCore

/// Carries out the fault plan, and counts which faults had an effect.
struct FaultInjector {
  private static let drainLimit: UInt64 = 5_000_000_000

  let plan: FaultPlan
  private let nodes: [SimulatedNode]
  private var random: SeededRandom
  /// By place in the plan.
  private var active: [ActiveFault?]
  /// By `FaultKind.index`.
  private(set) var counts = [FaultCount](
    repeating: FaultCount(), count: FaultKind.allCases.count)
  /// Each one that has ended, in that order.
  private(set) var injected: [InjectedFault] = []

  init(_ plan: FaultPlan, nodes: [SimulatedNode], random: SeededRandom) {
    self.plan = plan
    self.nodes = nodes
    self.random = random
    active = Array(repeating: nil, count: plan.faults.count)
  }

  func schedule(_ world: inout World) {
    for (index, fault) in plan.faults.enumerated() {
      world.schedule(.faultBegins(index), at: fault.startNanoseconds)
    }
  }

  /// Ends all that is at work.
  mutating func heal(_ world: inout World) {
    for index in plan.faults.indices { end(index, &world) }
    for node in nodes.indices { while world.unmute(node) {} }
  }

  /// What the fault's own links, disk or frames have seen so far.
  private func effect(_ fault: Fault, _ active: ActiveFault, _ world: World) -> UInt64 {
    let network = world.transports.network
    switch fault {
    case .halves, .isolate, .isolateLeader, .oneWay, .deafLeader, .muteLeader, .flapping:
      return active.links.reduce(0) { $0 + network.effects(from: $1.from, to: $1.to).held }
    case .slowLinks:
      return active.links.reduce(0) { $0 + network.effects(from: $1.from, to: $1.to).delayed }
    case .unruly: return network.counts.lost + network.counts.duplicated + network.counts.reordered
    case .halfOpen: return network.counts.lostHalfOpen
    case .slowDisk(let node, _), .stuckDisk(let node):
      return nodes[node].machine.disk.counts.slowSyncs
    default: return 0
    }
  }

  /// Who leads a group, as whom a fault is about; `nil`, and said so, where nobody does.
  private func leader(
    of group: Int, _ active: inout ActiveFault, _ world: World
  ) -> Int? {
    guard let (node, term) = world.leader(of: group) else {
      active.reason = "it is about the leader of g\(group), and nobody leads it"
      return nil
    }
    active.reason = "it leads g\(group) in term \(term)"
    active.victims = [node]
    return node
  }

  // MARK: Beginning

  mutating func begin(_ index: Int, _ world: inout World) {
    guard world.time < world.loadEnds else { return }
    let planned = plan.faults[index]
    world.record(20, UInt64(index), 0, "fault \(planned)")
    counts[planned.fault.kind.index].injected += 1
    var fault = ActiveFault()
    fault.startNanoseconds = world.time
    fault.victims = planned.fault.nodes
    begin(planned, index, &fault, &world)
    fault.before = effect(planned.fault, fault, world)
    active[index] = fault
    world.drainNetwork()
    world.schedule(.faultEnds(index), at: world.time + planned.lengthNanoseconds)
  }

  private mutating func begin(
    _ planned: PlannedFault, _ index: Int, _ active: inout ActiveFault, _ world: inout World
  ) {
    let time = world.time
    switch planned.fault {
    case .halves, .isolate, .isolateLeader, .oneWay, .deafLeader, .muteLeader, .flapping:
      beginPartition(planned.fault, index, &active, &world)
    case .muteNewLeaders(let longest): world.muting.begin(index, longestMilliseconds: longest)
    case .unruly(let loss, let duplicate, let reorder):
      makeUnruly(loss, duplicate, reorder, &world)
    case .slowLinks(let node, let milliseconds):
      for other in 0..<world.transports.network.endpoints where other != node {
        active.links += [(node, other), (other, node)]
      }
      slowLinks(of: node, by: milliseconds, &world)
    case .breakConnections(let share):
      active.connections = world.transports.network.breakConnections(time: time) { _, _ in
        random.chance(share, in: 1000)
      }
      active.didBite = active.connections > 0
    case .halfOpen(let share):
      active.connections = world.transports.network.halfOpenConnections(time: time) { _, _ in
        random.chance(share, in: 1000)
      }
    case .crash(let node, let power): crash([node], losesPower: power, &active, &world)
    case .crashLeader(let group, let power):
      guard let leader = leader(of: group, &active, world) else { return }
      crash([leader], losesPower: power, &active, &world)
    case .crashMajority(let power):
      let first = Int(random.below(UInt64(nodes.count)))
      crash(
        (0...nodes.count / 2).map { (first + $0) % nodes.count }, losesPower: power, &active,
        &world)
    case .crashAll(let power): crash(Array(nodes.indices), losesPower: power, &active, &world)
    case .shutdown(let node): beginShutdown(nodes[node], &active, &world)
    case .pause(let node): pause(node, &active)
    case .pauseLeader(let group):
      guard let leader = leader(of: group, &active, world) else { return }
      pause(leader, &active)
    case .slowDisk(let node, let factor): nodes[node].machine.disk.slowness = factor
    case .stuckDisk(let node):
      nodes[node].machine.disk.stuckUntil = time + planned.lengthNanoseconds
    case .failedSync(let node): nodes[node].machine.disk.failsNextSync = true
    case .wipe(let node):
      // Never more than a minority.
      guard nodes.count(where: { $0.lostDisk != nil }) < (nodes.count - 1) / 2,
        nodes[node].loseDisk(&world)
      else { return }
      active.nodes = [node]
    case .clockRate(let node, let partsPerMillion):
      nodes[node].machine.clock.setRate(partsPerMillion: partsPerMillion, at: time)
      active.didBite = nodes[node].isRunning
    case .wallJump(let node, let milliseconds):
      nodes[node].machine.clock.jumpWall(milliseconds: milliseconds)
      active.didBite = nodes[node].isRunning
    }
  }

  // MARK: Ending

  mutating func end(_ index: Int, _ world: inout World) {
    guard var ended = active[index] else { return }
    active[index] = nil
    let fault = plan.faults[index].fault
    world.record(21, UInt64(index), 0, "fault ends: \(fault)")
    let seen = effect(fault, ended, world) - ended.before
    let proof = end(fault, index, &ended, seen, &world)
    if ended.didBite { counts[fault.kind.index].bit += 1 }
    injected.append(
      InjectedFault(
        kind: fault.kind, startNanoseconds: ended.startNanoseconds, victims: ended.victims,
        reason: ended.reason, proof: proof, didBite: ended.didBite))
    world.drainNetwork()
  }

  /// - Parameter seen: what its own links, disk or frames have seen since it began.
  /// - Returns: what shows that it had an effect, or that it had none.
  private func end(
    _ fault: Fault, _ index: Int, _ ended: inout ActiveFault, _ seen: UInt64,
    _ world: inout World
  ) -> String {
    switch fault {
    case .halves, .isolate, .isolateLeader, .oneWay, .deafLeader, .muteLeader, .flapping:
      unblock(&ended, &world)
      ended.didBite = seen > 0 || ended.connections > 0
      return "\(seen) frames held back on its links, \(ended.connections) connections broken"
    case .muteNewLeaders:
      ended.didBite = world.muting.end(index)
      return ended.didBite ? "a new leader was muted" : "nobody began to lead"
    case .unruly:
      makeUnruly(0, 0, 0, &world)
      ended.didBite = seen > 0
      return "\(seen) frames lost, doubled or reordered"
    case .slowLinks(let node, let milliseconds):
      slowLinks(of: node, by: -milliseconds, &world)
      ended.didBite = seen > 0
      return "\(seen) frames sent over its links"
    case .halfOpen:
      ended.didBite = seen > 0 && ended.connections > 0
      return "\(ended.connections) connections half open, \(seen) frames sent on such"
    case .breakConnections: return "\(ended.connections) connections broken"
    case .wallJump, .clockRate:
      if case .clockRate(let node, _) = fault {
        nodes[node].machine.restoreClockRate(at: world.time)
      }
      return ended.didBite ? "its process ran" : "its process did not run"
    case .crash, .crashLeader, .crashMajority, .crashAll, .shutdown:
      let died = ended.ended.count { !nodes[$0.index].isRunning || nodes[$0.index].life != $0 }
      ended.didBite = died > 0 && died == ended.ended.count
      for node in ended.nodes {
        nodes[node].process.release()
        nodes[node].start(&world)
      }
      return "\(died) of \(ended.ended.count) processes that ran ended"
    case .wipe:
      for node in ended.nodes { ended.didBite = nodes[node].giveDiskBack(&world) }
      return ended.didBite ? "it was refused with an empty disk" : "it was not refused"
    case .pause, .pauseLeader:
      for node in ended.nodes { ended.didBite = nodes[node].resume(&world) }
      return ended.didBite ? "inputs had waited for it" : "nothing had waited for it"
    case .slowDisk(let node, _):
      nodes[node].machine.disk.slowness = world.options.profile.diskSlowness
      ended.didBite = seen > 0
      return "\(seen) slow syncs of its disk"
    case .stuckDisk:
      ended.didBite = seen > 0
      return "\(seen) syncs of its disk that waited"
    case .failedSync(let node):
      ended.didBite = !nodes[node].machine.disk.failsNextSync
      nodes[node].machine.disk.failsNextSync = false
      return ended.didBite ? "a sync failed" : "there was no sync"
    }
  }

  // MARK: Partitions

  private mutating func beginPartition(
    _ fault: Fault, _ index: Int, _ active: inout ActiveFault, _ world: inout World
  ) {
    switch fault {
    case .halves(let minority, let clients, let resets):
      let side = minority + clients.map { nodes.count + $0 }
      separate(side, resets: resets, &active, &world)
    case .isolate(let node, let resets): separate([node], resets: resets, &active, &world)
    case .isolateLeader(let group, let resets):
      // Some clients stay with it, as they would in a rack that is cut off.
      guard let leader = leader(of: group, &active, world) else { return }
      let clients = (nodes.count..<world.transports.network.endpoints).filter { _ in
        random.chance(1, in: 3)
      }
      separate([leader] + clients, resets: resets, &active, &world)
    case .oneWay(let from, let to): block([(from, to)], &active, &world)
    case .deafLeader(let group):
      guard let leader = leader(of: group, &active, world) else { return }
      block(nodes.indices.filter { $0 != leader }.map { ($0, leader) }, &active, &world)
    case .muteLeader(let group):
      guard let leader = leader(of: group, &active, world) else { return }
      block(nodes.indices.filter { $0 != leader }.map { (leader, $0) }, &active, &world)
    case .flapping: flap(index, isBlocked: true, &active, &world)
    default: break
    }
  }

  private func separate(
    _ side: [Int], resets: Bool, _ active: inout ActiveFault, _ world: inout World
  ) {
    var links: [(from: Int, to: Int)] = []
    for a in side {
      for b in 0..<world.transports.network.endpoints where !side.contains(b) {
        links += [(a, b), (b, a)]
      }
    }
    block(links, &active, &world)
    guard resets else { return }
    active.connections = world.transports.network.breakConnections(time: world.time) {
      opener, acceptor in
      side.contains(opener) != side.contains(acceptor)
    }
  }

  private func block(
    _ links: [(from: Int, to: Int)], _ active: inout ActiveFault, _ world: inout World
  ) {
    for (from, to) in links { world.transports.network.block(from: from, to: to) }
    active.blocked += links
    if active.links.isEmpty { active.links = links }
  }

  private func unblock(_ active: inout ActiveFault, _ world: inout World) {
    let time = world.time
    for (from, to) in active.blocked {
      world.transports.network.unblock(from: from, to: to, time: time)
    }
    active.blocked = []
  }

  /// A link that comes and goes changes.
  mutating func flap(_ index: Int, isBlocked: Bool, _ world: inout World) {
    guard var active = active[index] else { return }
    flap(index, isBlocked: isBlocked, &active, &world)
    self.active[index] = active
    world.drainNetwork()
  }

  private func flap(
    _ index: Int, isBlocked: Bool, _ active: inout ActiveFault, _ world: inout World
  ) {
    guard case .flapping(let a, let b, let period) = plan.faults[index].fault else { return }
    if isBlocked {
      block([(a, b), (b, a)], &active, &world)
    } else {
      unblock(&active, &world)
    }
    world.schedule(
      .flap(fault: index, isBlocked: !isBlocked), at: world.time + period * 500_000)
  }

  private func slowLinks(of node: Int, by milliseconds: Int, _ world: inout World) {
    for other in 0..<world.transports.network.endpoints where other != node {
      world.transports.network.slow(from: node, to: other, by: milliseconds)
      world.transports.network.slow(from: other, to: node, by: milliseconds)
    }
  }

  private func makeUnruly(
    _ loss: UInt64, _ duplicate: UInt64, _ reorder: UInt64, _ world: inout World
  ) {
    for from in nodes.indices {
      for to in nodes.indices where to != from {
        world.transports.network.makeUnruly(
          from: from, to: to, lossPerMille: loss, duplicatePerMille: duplicate,
          reorderPerMille: reorder)
      }
    }
  }

  // MARK: Processes

  private mutating func crash(
    _ chosen: [Int], losesPower: Bool, _ active: inout ActiveFault, _ world: inout World
  ) {
    active.victims = chosen
    for node in chosen {
      nodes[node].process.holdDown()
      active.nodes.append(node)
      guard nodes[node].isRunning else { continue }
      active.ended.append(nodes[node].life)
      // Half of the losses of power strike in the middle of a write.
      if losesPower, random.chance(1, in: 2) {
        nodes[node].log.losePowerDuringNextWrite()
      } else {
        nodes[node].stop(losesPower: losesPower, &world)
      }
    }
  }

  private func beginShutdown(
    _ node: SimulatedNode, _ active: inout ActiveFault, _ world: inout World
  ) {
    node.process.holdDown()
    active.nodes = [node.index]
    guard node.isRunning else { return }
    active.ended = [node.life]
    node.enqueue(.core(.shutdown), &world)
    world.schedule(
      .drainCheck(node.life, giveUpAt: world.time + Self.drainLimit),
      at: world.time + 10_000_000)
  }

  private func pause(_ node: Int, _ active: inout ActiveFault) {
    guard nodes[node].isRunning, !nodes[node].process.isPaused else { return }
    nodes[node].process.pause()
    active.nodes = [node]
  }
}
