import Foundation
import KVBase
import Testing

@testable import JepsenHistory

@Suite struct WitnessTests {
  /// Whether it was violated, and then that its witness is right.
  private func check(_ operations: [HistoryOperation], _ what: String) throws -> Bool {
    let steps = ClientHistories.steps(of: operations)
    guard case .violated(let suspects) = RegisterZones.decide(steps) else {
      return false
    }
    let reduced = try #require(Witness.Reduced(steps, suspects: suspects, initial: 0), "\(what)")
    #expect(reduced.isIrreducible, "\(what)")
    #expect(reduced.positions.count <= 20, "\(what): \(reduced.positions.count)")
    if reduced.dropped == .anyTime {
      let register = WitnessRegister(steps, initial: 0)
      #expect(!BruteForce.isLinearizable(register.part(keeping: reduced.positions)), "\(what)")
      for position in reduced.positions {
        let remaining = reduced.positions.filter { $0 != position }
        #expect(
          BruteForce.isLinearizable(register.part(keeping: remaining)),
          "\(what): \(operations[steps[position].source]) can be dropped")
      }
    }
    let witness = try #require(
      Witness.ofRegister(operations, steps: steps, suspects: suspects), "\(what)")
    #expect(witness.operations.count == reduced.positions.count)
    #expect(witness.explanation.count >= 2, "\(what): \(witness.explanation)")
    if ProcessInfo.processInfo.environment["KV_ZONES_SAY"] != nil {
      print(what, ([""] + witness.explanation).joined(separator: "\n  "))
    }
    return true
  }

  @Test(arguments: PlantedViolation.allCases)
  func plantedViolationHasAnIrreducibleWitness(_ violation: PlantedViolation) throws {
    var found = 0
    for seed in 1...5 {
      var random = SeededRandom(seed: UInt64(seed) + 300)
      let shape = ClientHistories(clients: seed * 4, seed: UInt64(seed))
      let operations = violation.plant(in: shape.make(2_000), random: &random)
      if try check(operations, "\(violation), seed \(seed)") { found += 1 }
    }
    // What was planted may be explainable by chance.
    #expect(found >= 4, "\(violation)")
  }

  @Test func plantedViolationsAreFound() {
    for violation in PlantedViolation.allCases {
      var random = SeededRandom(seed: 5)
      let operations = violation.plant(in: ClientHistories(seed: 9).make(3_000), random: &random)
      guard case .violated = RegisterZones.decide(ClientHistories.steps(of: operations)) else {
        Issue.record("\(violation) was not found")
        continue
      }
    }
  }

  /// Every violated small history has a witness that is violated, and irreducible, for the dumb
  /// check too.
  @Test func smallHistoriesHaveIrreducibleWitnesses() throws {
    var makes = SmallHistories(seed: 11)
    var violated = 0
    var atTheirTime = 0
    for index in 0..<3_000 {
      let steps = makes.next()
      guard case .violated(let suspects) = RegisterZones.decide(steps) else { continue }
      violated += 1
      let reduced = try #require(
        Witness.Reduced(steps, suspects: suspects, initial: 0), "history \(index): \(steps)")
      #expect(reduced.isIrreducible, "history \(index): \(steps)")
      if reduced.dropped == .ownTime { atTheirTime += 1 }
      let dumb = DumbParts(steps, reduced.dropped)
      #expect(dumb.isViolated(keeping: reduced.positions), "history \(index): \(steps)")
      for position in reduced.positions {
        #expect(
          !dumb.isViolated(keeping: reduced.positions.filter { $0 != position }),
          "history \(index): \(position) of \(reduced.positions) can be dropped from \(steps)")
      }
    }
    print("witnesses: \(violated) violated, \(atTheirTime) for writes at their own time")
    #expect(violated > 300)
  }

  @Test func reducerFindsFewAmongMany() throws {
    let needed: Set<Int> = [17, 4_000, 9_999]
    var reducer = WitnessReducer()
    let found = try #require(
      reducer.reduce(Array(0..<10_000)) { needed.isSubset(of: $0) })
    #expect(found.positions == needed.sorted())
    #expect(found.isIrreducible)
    #expect(reducer.reduce(Array(0..<100)) { _ in false } == nil)
    #expect(reducer.reduce([]) { _ in true } == nil)
    var poor = WitnessReducer(maximumChecks: 5)
    let early = try #require(poor.reduce(Array(0..<8)) { $0.contains(3) && $0.contains(5) })
    #expect(!early.isIrreducible)
    #expect(early.positions.contains(3) && early.positions.contains(5))
    let unsure = try #require(reducer.reduce([1, 2]) { $0.count == 2 ? true : nil })
    #expect(!unsure.isIrreducible)
  }

  /// KV_ZONES_TIMES=1: how long a witness takes among 100,000 operations, in a release build.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["KV_ZONES_TIMES"] != nil))
  func timesOfWitnesses() throws {
    for violation in PlantedViolation.allCases {
      var random = SeededRandom(seed: 6)
      let operations = violation.plant(in: ClientHistories(seed: 8).make(100_000), random: &random)
      let steps = ClientHistories.steps(of: operations)
      var decision = RegisterZones.Decision.linearizable
      let deciding = ContinuousClock().measure { decision = RegisterZones.decide(steps) }
      guard case .violated(let suspects) = decision else {
        print("witness: \(violation): \(decision)")
        continue
      }
      var witness: Witness?
      let time = ContinuousClock().measure {
        witness = Witness.ofRegister(operations, steps: steps, suspects: suspects)
      }
      print(
        "witness: \(violation) in \(operations.count) operations, decided in \(deciding),",
        "\(suspects.count) suspects, \(witness?.operations.count ?? -1) operations in \(time)")
      #expect((witness?.operations.count ?? 99) <= 20)
    }
  }
}

/// What WitnessRegister says of parts, done without thought: every dropped write is tried as left
/// out, and as one that happened.
private struct DumbParts {
  let steps: [LinearizabilityStep]
  let dropped: WitnessRegister.DroppedWrites

  init(_ steps: [LinearizabilityStep], _ dropped: WitnessRegister.DroppedWrites) {
    self.steps = steps
    self.dropped = dropped
  }

  func isViolated(keeping kept: [Int]) -> Bool {
    var writes: [LinearizabilityStep] = []
    for (position, step) in steps.enumerated() where !kept.contains(position) {
      switch step.action {
      case .write(let value), .compareAndSet(_, let value):
        var write = step
        write.action = .write(value)
        if dropped == .anyTime {
          write.start = 0
          write.end = nil
        } else {
          // Found means written.
          for other in steps {
            switch (other.action, other.end) {
            case (.read(value), let end?), (.compareAndSet(value, _), let end?):
              write.end = min(end, write.end ?? end)
            default: continue
            }
          }
        }
        writes.append(write)
      default: continue
      }
    }
    for subset in 0..<(1 << writes.count) {
      let chosen = writes.indices.filter { subset & (1 << $0) != 0 }.map { writes[$0] }
      if BruteForce.isLinearizable(kept.map { steps[$0] } + chosen) { return false }
    }
    return true
  }
}
