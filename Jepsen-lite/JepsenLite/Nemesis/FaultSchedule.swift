internal import KVBase

/// Faults that are there at the same time. The cluster recovers before the next ones.
struct FaultRound: Hashable, Sendable {
  var plans: [FaultPlan]

  var startMilliseconds: Int { plans.map(\.startMilliseconds).min() ?? 0 }
  var endMilliseconds: Int {
    plans.map { $0.startMilliseconds + $0.lengthMilliseconds }.max() ?? 0
  }
}

/// All faults of a run, from its seed. The same arguments give the same schedule.
enum FaultSchedule {
  /// No fault ends later than so long before the end of the load.
  static let quietEndMilliseconds = 5_000
  /// Slots are made so short at least where nemeses would else have no turn.
  private static let leastSlotMilliseconds = 8_000

  /// Why not all of these can have a turn, in a sentence.
  static func problem(_ names: [String], seconds: Double) -> String? {
    let turns = names.count { $0 != "none" }
    let least = (turns * leastSlotMilliseconds + quietEndMilliseconds) / 1000
    guard turns > 1, seconds < Double(least) else { return nil }
    return "the \(turns) nemeses take turns, and so many need \(least) seconds: give --seconds "
      + "\(least), or fewer of them"
  }

  /// - Parameter names: nemeses of the catalog, which take turns.
  static func make(
    _ names: [String], milliseconds: Int, seed: UInt64, _ abilities: StageAbilities
  ) -> [FaultRound] {
    var random = SeededRandom(seed: seed)
    let turns = names.compactMap(NemesisCatalog.named).filter { $0.name != "none" }
    guard !turns.isEmpty else { return [] }
    let usable = milliseconds - min(quietEndMilliseconds, milliseconds / 4)
    // A slot: calm, a fault, and time to recover.
    let slots = max(
      usable / 17_000, usable >= 45_000 ? 3 : 1, min(turns.count, usable / leastSlotMilliseconds))
    let slot = usable / slots
    var rounds: [FaultRound] = []
    var deck: [Nemesis] = []
    for number in 0..<slots {
      let nemesis = turns[number % turns.count]
      let calm = min(4_000 + Int(random.below(2_000)), slot * 3 / 10)
      let start = number * slot + calm
      let longest = max(slot - calm - min(2_500, slot / 10), 500)
      if nemesis.name == NemesisCatalog.mix.name {
        let plans = mixture(from: start, longest: longest, abilities, &deck, &random)
        rounds.append(FaultRound(plans: plans))
      } else if let plan = plan(nemesis, from: start, longest: longest, abilities, &random) {
        rounds.append(FaultRound(plans: [plan]))
      }
    }
    return rounds
  }

  private static func plan(
    _ nemesis: Nemesis, from start: Int, longest: Int, _ abilities: StageAbilities,
    _ random: inout SeededRandom
  ) -> FaultPlan? {
    let span = UInt64(nemesis.length.upperBound - nemesis.length.lowerBound + 1)
    let length = nemesis.length.lowerBound + Int(random.below(span))
    guard let action = nemesis.make(abilities.nodes, &random) else { return nil }
    return FaultPlan(
      nemesis: nemesis.name, startMilliseconds: start, lengthMilliseconds: min(length, longest),
      action: action, seed: random.next())
  }

  /// One to three faults of different families, one a little after the other. They are dealt from a
  /// shuffled deck, so that every kind has its turn before one comes again.
  private static func mixture(
    from start: Int, longest: Int, _ abilities: StageAbilities, _ deck: inout [Nemesis],
    _ random: inout SeededRandom
  ) -> [FaultPlan] {
    let target = [1, 1, 1, 2, 2, 3][Int(random.below(6))]
    // What does not go with the others stays in front, for the next round.
    if deck.count < target * 4 {
      deck += NemesisCatalog.mixture(abilities).shuffled(using: &random)
    }
    var taken: Set<FaultAction.Family> = []
    var plans: [FaultPlan] = []
    var position = 0
    while plans.count < target, position < deck.count {
      let delay = plans.isEmpty ? 0 : Int(random.below(UInt64(max(longest / 4, 1))))
      guard
        let plan = plan(
          deck[position], from: start + delay, longest: max(longest - delay, 500), abilities,
          &random),
        taken.isDisjoint(with: plan.action.families)
      else {
        position += 1
        continue
      }
      deck.remove(at: position)
      taken.formUnion(plan.action.families)
      plans.append(plan)
    }
    return plans
  }
}
