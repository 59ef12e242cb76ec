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

  init() {}

  init(_ network: NetworkCounts, slowSyncs: UInt64) {
    blocked = network.held + network.connectionsBroken
    unruly = network.lost + network.duplicated + network.reordered
    delayed = network.delayed
    lostHalfOpen = network.lostHalfOpen
    self.slowSyncs = slowSyncs
  }
}

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

  private func effects(_ world: World) -> FaultEffects {
    FaultEffects(
      world.transports.network.counts,
      slowSyncs: nodes.reduce(0) { $0 + $1.machine.disk.counts.slowSyncs })
  }

  // MARK: Beginning

  mutating func begin(_ index: Int, _ world: inout World) {
    guard world.time < world.loadEnds else { return }
    let planned = plan.faults[index]
    world.record(20, UInt64(index), 0, "fault \(planned)")
    counts[planned.fault.kind.index].injected += 1
    var fault = ActiveFault()
    fault.before = effects(world)
    begin(planned, index, &fault, &world)
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
    case .slowLinks(let node, let milliseconds): slowLinks(of: node, by: milliseconds, &world)
    case .breakConnections(let share):
      let count = world.transports.network.breakConnections(time: time) { _, _ in
        random.chance(share, in: 1000)
      }
      active.didBite = count > 0
    case .halfOpen(let share):
      world.transports.network.halfOpenConnections(time: time) { _, _ in
        random.chance(share, in: 1000)
      }
    case .crash(let node, let power): crash([node], losesPower: power, &active, &world)
    case .crashLeader(let group, let power):
      crash([world.leader(of: group)], losesPower: power, &active, &world)
    case .crashMajority(let power):
      let first = Int(random.below(UInt64(nodes.count)))
      crash(
        (0...nodes.count / 2).map { (first + $0) % nodes.count }, losesPower: power, &active,
        &world)
    case .crashAll(let power): crash(Array(nodes.indices), losesPower: power, &active, &world)
    case .shutdown(let node): beginShutdown(nodes[node], &active, &world)
    case .pause(let node): pause(node, &active)
    case .pauseLeader(let group): pause(world.leader(of: group), &active)
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
    let now = effects(world)
    end(fault, index, &ended, now, &world)
    if ended.didBite { counts[fault.kind.index].bit += 1 }
    world.drainNetwork()
  }

  private func end(
    _ fault: Fault, _ index: Int, _ ended: inout ActiveFault, _ now: FaultEffects,
    _ world: inout World
  ) {
    switch fault {
    case .halves, .isolate, .isolateLeader, .oneWay, .deafLeader, .muteLeader, .flapping:
      unblock(&ended, &world)
      ended.didBite = ended.didBite || now.blocked > ended.before.blocked
    case .muteNewLeaders: ended.didBite = world.muting.end(index)
    case .unruly:
      makeUnruly(0, 0, 0, &world)
      ended.didBite = now.unruly > ended.before.unruly
    case .slowLinks(let node, let milliseconds):
      slowLinks(of: node, by: -milliseconds, &world)
      ended.didBite = now.delayed > ended.before.delayed
    case .halfOpen: ended.didBite = now.lostHalfOpen > ended.before.lostHalfOpen
    case .breakConnections, .wallJump: break
    case .crash, .crashLeader, .crashMajority, .crashAll, .shutdown:
      for node in ended.nodes {
        nodes[node].process.release()
        nodes[node].start(&world)
      }
    case .wipe:
      for node in ended.nodes { ended.didBite = nodes[node].giveDiskBack(&world) }
    case .pause, .pauseLeader:
      for node in ended.nodes { ended.didBite = nodes[node].resume(&world) }
    case .slowDisk(let node, _):
      nodes[node].machine.disk.slowness = world.options.profile.diskSlowness
      ended.didBite = now.slowSyncs > ended.before.slowSyncs
    case .stuckDisk: ended.didBite = now.slowSyncs > ended.before.slowSyncs
    case .failedSync(let node):
      ended.didBite = !nodes[node].machine.disk.failsNextSync
      nodes[node].machine.disk.failsNextSync = false
    case .clockRate(let node, _): nodes[node].machine.restoreClockRate(at: world.time)
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
      let leader = world.leader(of: group)
      let clients = (nodes.count..<world.transports.network.endpoints).filter { _ in
        random.chance(1, in: 3)
      }
      separate([leader] + clients, resets: resets, &active, &world)
    case .oneWay(let from, let to): block([(from, to)], &active, &world)
    case .deafLeader(let group):
      let leader = world.leader(of: group)
      block(nodes.indices.filter { $0 != leader }.map { ($0, leader) }, &active, &world)
    case .muteLeader(let group):
      let leader = world.leader(of: group)
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
    let broken = world.transports.network.breakConnections(time: world.time) {
      opener, acceptor in
      side.contains(opener) != side.contains(acceptor)
    }
    active.didBite = broken > 0
  }

  private func block(
    _ links: [(from: Int, to: Int)], _ active: inout ActiveFault, _ world: inout World
  ) {
    for (from, to) in links { world.transports.network.block(from: from, to: to) }
    active.blocked += links
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
    for node in chosen {
      nodes[node].process.holdDown()
      active.nodes.append(node)
      guard nodes[node].isRunning else { continue }
      active.didBite = true
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
    active.didBite = true
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
