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

  /// - Parameter names: nemeses of the catalog, which take turns.
  static func make(
    _ names: [String], milliseconds: Int, seed: UInt64, _ abilities: StageAbilities
  ) -> [FaultRound] {
    var random = SeededRandom(seed: seed)
    let turns = names.compactMap(NemesisCatalog.named).filter { $0.name != "none" }
    guard !turns.isEmpty else { return [] }
    let usable = milliseconds - min(quietEndMilliseconds, milliseconds / 4)
    // A slot: calm, a fault, and time to recover.
    let slots = max(usable / 17_000, usable >= 45_000 ? 3 : 1)
    let slot = usable / slots
    var rounds: [FaultRound] = []
    for number in 0..<slots {
      let nemesis = turns[number % turns.count]
      let calm = min(4_000 + Int(random.below(2_000)), slot * 3 / 10)
      let start = number * slot + calm
      let longest = max(slot - calm - min(2_500, slot / 10), 500)
      if nemesis.name == NemesisCatalog.mix.name {
        let plans = mixture(from: start, longest: longest, abilities, &random)
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

  /// One to three faults of different families, one a little after the other.
  private static func mixture(
    from start: Int, longest: Int, _ abilities: StageAbilities, _ random: inout SeededRandom
  ) -> [FaultPlan] {
    let choices = NemesisCatalog.mixture(abilities)
    let wanted = [1, 1, 1, 2, 2, 3][Int(random.below(6))]
    var taken: Set<FaultAction.Family> = []
    var plans: [FaultPlan] = []
    // Tries that meet a family that is taken already are lost.
    for _ in 0..<12 where plans.count < wanted {
      let nemesis = choices[Int(random.below(UInt64(choices.count)))]
      let delay = plans.isEmpty ? 0 : Int(random.below(UInt64(max(longest / 4, 1))))
      guard
        let plan = plan(
          nemesis, from: start + delay, longest: max(longest - delay, 500), abilities, &random),
        taken.isDisjoint(with: plan.action.families)
      else { continue }
      taken.formUnion(plan.action.families)
      plans.append(plan)
    }
    return plans
  }
}
