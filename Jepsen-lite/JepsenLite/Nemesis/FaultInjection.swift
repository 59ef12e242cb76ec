internal import JepsenHistory
internal import KVBase

/// What came of a fault.
struct FaultEffect: Sendable {
  var what: String
  var nodes: [Int]
  var proof: String
  var didBite: Bool
}

/// Who led when a fault began, and what shows it.
struct LeaderSighting: Hashable, Sendable {
  var leader: Int
  var text: String
}

/// Carries out one planned fault: begins it, holds it, ends it, and measures what it did.
struct FaultInjection: Sendable {
  let stage: Stage
  let plan: FaultPlan
  let clock: RunClock
  var random: SeededRandom
  private(set) var startNanoseconds: UInt64 = 0
  private var endNanoseconds: UInt64 = 0

  init(stage: Stage, plan: FaultPlan, clock: RunClock) {
    self.stage = stage
    self.plan = plan
    self.clock = clock
    random = SeededRandom(seed: plan.seed)
  }

  mutating func carryOut() async -> FaultRecord {
    let sighting = await sighting()
    begin()
    let choice = plan.action.choice
    if choice?.needsLeader ?? false, sighting == nil {
      return FaultRecord(
        nemesis: plan.nemesis, what: "not done: \(plan.action)", nodes: [],
        reason: "it is about the leader, and nobody was known to lead",
        startNanoseconds: startNanoseconds, endNanoseconds: clock.now,
        proof: "nothing was done", didBite: false)
    }
    let leader = sighting?.leader
    let effect: FaultEffect
    switch plan.action {
    case .partition(let partition): effect = await cut(partition, leader)
    case .swizzle(let order, let heal): effect = await swizzle(order, heal)
    case .flapping(let partition, let period): effect = await flap(partition, leader, period)
    case .traffic(let fault): effect = await disturb(fault)
    case .kill(let choice): effect = await kill(nodes(choice, leader))
    case .pause(let choice): effect = await pause(nodes(choice, leader))
    case .clock(let choice, let fault): effect = await turnClocks(nodes(choice, leader), fault)
    case .rates(let rates): effect = await driftApart(rates, leader)
    case .leaderRate(let rate): effect = await slowLeader(rate, leader)
    case .powerLoss(let choice): effect = await losePower(nodes(choice, leader))
    case .disk(let choice, let fault): effect = await spoilDisk(nodes(choice, leader), fault)
    case .flipBits(let choice, let bits): effect = await flipBits(nodes(choice, leader), bits)
    }
    if endNanoseconds == 0 { finish() }
    return FaultRecord(
      nemesis: plan.nemesis, what: effect.what, nodes: effect.nodes,
      reason: choice?.reason(sighting?.text ?? "") ?? "drawn from the seed",
      startNanoseconds: startNanoseconds, endNanoseconds: endNanoseconds, proof: effect.proof,
      didBite: effect.didBite)
  }

  /// The fault begins now: called again where it takes preparation.
  mutating func begin() { startNanoseconds = clock.now }

  /// The fault is over now.
  mutating func finish() { endNanoseconds = clock.now }

  /// Waits until the fault has lasted as long as planned.
  func hold(forThousandths share: Int = 1000) async {
    _ = await clock.wait(until: startNanoseconds + nanoseconds(share))
  }

  /// So many thousandths of the fault's length.
  func nanoseconds(_ thousandths: Int) -> UInt64 {
    UInt64(plan.lengthMilliseconds) * UInt64(thousandths) * 1000
  }

  var heldSeconds: Double { Double(clock.now - startNanoseconds) / 1e9 }

  private func nodes(_ choice: NodeChoice, _ leader: Int?) -> [Int] {
    choice.nodes(of: stage.layout.nodes, leader: leader)
  }

  /// Who leads now, by the system's own word; asks again for a while where nobody is known to.
  private func sighting() async -> LeaderSighting? {
    for _ in 0..<30 {
      let asked = clock.now
      if let sighting = await stage.askForLeader() {
        return LeaderSighting(
          leader: sighting.leader,
          text: "n\(sighting.leader) led the group of \(sighting.key), as the system said within "
            + "\((clock.now - asked) / 1_000_000) ms before")
      }
      try? await Task.sleep(for: .milliseconds(100))
    }
    return nil
  }
}
