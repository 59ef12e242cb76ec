import KVSimulator
import Testing

@testable import JepsenLite

@Suite struct FaultShrinkerTests {
  private func selection(_ numbers: some Sequence<Int>) -> FaultSelection {
    FaultSelection(kept: numbers.map { FaultSelection.Kept(number: $0) })
  }

  private func shrink(
    _ count: Int, limit: Int = .max, fails: @escaping ([Int: UInt64], UInt64) -> Bool
  ) async -> FaultShrinker {
    var shrinker = FaultShrinker(
      selection(1...count),
      fails: { faults, variants in
        var lengths: [Int: UInt64] = [:]
        for one in faults.kept { lengths[one.number] = one.milliseconds ?? 1000 }
        return variants.first { fails(lengths, $0) }
      }, mayGoOn: { $0 < limit })
    await shrinker.shrink { _ in 1000 }
    return shrinker
  }

  @Test(arguments: [[7], [1, 40], [3, 4, 5], [2, 11, 23, 37], Array(1...10), []])
  func theFewestThatFailAreFound(needed: [Int]) async {
    let found = await shrink(40) { lengths, _ in needed.allSatisfy { lengths[$0] != nil } }
    #expect(found.best.faults.kept.map(\.number) == needed)
    #expect(found.isComplete)
    #expect(found.runs < 1_500)
  }

  /// Either of two will do, and one of two lengths must not fall below 300 ms.
  @Test func alternativesAndLengths() async {
    let found = await shrink(20) { lengths, _ in
      (lengths[4] ?? 0) >= 300 && (lengths[9] != nil || lengths[10] != nil)
    }
    #expect(found.best.faults.kept.count == 2)
    #expect(found.best.faults.kept[0] == FaultSelection.Kept(number: 4, milliseconds: 500))
    #expect((found.best.faults.kept[1].milliseconds ?? 1000) <= 40)
  }

  /// What fails with few faults only by chance is found in another variant.
  @Test func rareCoincidencesAreFoundInVariants() async {
    let found = await shrink(16) { lengths, variant in
      guard lengths[3] != nil, lengths[12] != nil else { return false }
      return lengths.count >= 6 || variant == 9
    }
    #expect(found.best.faults.kept.map(\.number) == [3, 12])
    #expect(found.best.variant == 9)
  }

  @Test func theSearchIsBounded() async {
    let found = await shrink(40, limit: 5) { lengths, _ in lengths[7] != nil && lengths[33] != nil }
    #expect(found.runs <= 5 + Int(FaultShrinker.variants))
    #expect(!found.isComplete)
    #expect(found.best.faults.kept.count >= 2)
    #expect(found.best.faults.kept.contains { $0.number == 33 })
  }

  @Test func selectionsAreReadAndWritten() throws {
    for text in ["none", "1", "3,7:120,12"] {
      #expect(FaultSelection(parsing: text)?.text == text)
    }
    for text in ["", "0", "3,3", "4,2", "1:", "1:0", "a", "1,,2", "1:2:3", "-1"] {
      #expect(FaultSelection(parsing: text) == nil, "\(text)")
    }
    let plan = KVSimulator.FaultPlan(
      faults: (0..<4).map {
        PlannedFault(
          startNanoseconds: UInt64($0), lengthNanoseconds: 5_000_000, fault: .pause(node: $0))
      })
    let chosen = try #require(FaultSelection(parsing: "2,4:3")?.applied(to: plan))
    #expect(chosen.faults.map(\.fault) == [.pause(node: 1), .pause(node: 3)])
    #expect(chosen.faults.map(\.lengthNanoseconds) == [5_000_000, 3_000_000])
    #expect(FaultSelection(parsing: "5")?.applied(to: plan) == nil)
  }

  /// The whole plan, kept by number, is the seed's own run; a variant is another one of the same
  /// plan.
  @Test func selectionsAndVariantsRepeat() async throws {
    var arguments = SimulationArguments()
    arguments.seconds = 4
    arguments.profile = "network"
    arguments.isReplay = true
    let runner = SimulationRunner(arguments: arguments)
    let own = try await runner.run(5, faults: nil, variant: 0)
    let all = selection(1...own.plan.faults.count)
    let again = try await runner.run(5, faults: all, variant: 0)
    #expect(again.traceHash == own.traceHash)
    let other = try await runner.run(5, faults: all, variant: 3)
    let otherAgain = try await runner.run(5, faults: all, variant: 3)
    #expect(other.plan == own.plan)
    #expect(other.traceHash != own.traceHash)
    #expect(other.traceHash == otherAgain.traceHash)
    await #expect(throws: SimulationRunner.Failure.self) {
      _ = try await runner.run(5, faults: FaultSelection(parsing: "999"), variant: 0)
    }
  }

  #if PlantedFaults
    /// A planted fault's failing schedule becomes small, and what is printed fails in the same way.
    @Test(arguments: [("deleteLostOnRestart", "disk"), ("voteWithoutComparingLogs", "network")])
    func plantedFaultsShrink(plant: String, profile: String) async throws {
      var arguments = SimulationArguments()
      arguments.seconds = 6
      arguments.profile = profile
      arguments.plant = plant
      arguments.isReplay = true
      let runner = SimulationRunner(arguments: arguments)
      var failing: SimulationReport?
      var seed: UInt64 = 0
      while failing == nil, seed < 40 {
        seed += 1
        let report = try await runner.run(seed, faults: nil, variant: 0)
        if report.violations.first?.check == .stateMachineSafety
          || report.violations.first?.check == .leaderCompleteness
        {
          failing = report
        }
      }
      let report = try #require(failing)
      var shrink = SimulationShrink(runner: runner, report: report)
      shrink.maximumTime = .seconds(3600)
      shrink.maximumRuns = 200
      let found = try #require(try await shrink.run())
      #expect(found.schedule.faults.kept.count <= 4)
      #expect(found.report.violations.first?.check == report.violations.first?.check)
      let lines = SimulationShrink.lines(found, of: report, arguments)
      let command = try #require(lines.last?.split(separator: "jepsen-lite sim ").last)
      let parsed = try SimulationArguments(command.split(separator: " ").map(String.init))
      let again = try await SimulationRunner(arguments: parsed)
        .run(parsed.seeds.lowerBound, faults: parsed.faults, variant: parsed.variant)
      #expect(again.traceHash == found.report.traceHash)
    }
  #endif
}
