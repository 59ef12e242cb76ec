import KVBase
import Testing

@testable import KVSimulator

/// Reads with a maximum age, held against what was acknowledged.
@Suite struct StalenessChecksTests {
  private let group = GroupID(1)

  private func found(
    servedAt index: UInt64, start: UInt64, partsPerMillion: Int = 0
  ) -> [Check] {
    var checks = StalenessChecks(groups: 2, clockBoundPartsPerMillion: partsPerMillion)
    checks.acknowledge(LogIndex(5), group: group, at: 1_000_000_000)
    checks.acknowledge(LogIndex(6), group: group, at: 2_000_000_000)
    // One that was known already.
    checks.acknowledge(LogIndex(4), group: group, at: 2_500_000_000)
    checks.check(
      LogIndex(index), group: group, maximumAge: .seconds(1), start: start, what: "a read")
    return checks.removeFindings().map(\.check)
  }

  @Test func whatIsOlderThanTheLimitMustBeThere() {
    #expect(found(servedAt: 6, start: 9_000_000_000) == [])
    #expect(found(servedAt: 5, start: 3_100_000_000) == [.staleness])
    #expect(found(servedAt: 5, start: 2_990_000_000) == [])
    #expect(found(servedAt: 4, start: 2_990_000_000) == [.staleness])
    #expect(found(servedAt: 0, start: 900_000_000) == [])
  }

  /// A clock that runs at half the rate counts a second in two.
  @Test func aSlowClockAllowsMore() {
    #expect(found(servedAt: 5, start: 3_900_000_000, partsPerMillion: 500_000) == [])
    #expect(found(servedAt: 5, start: 4_100_000_000, partsPerMillion: 500_000) == [.staleness])
  }

  @Test(arguments: [1, 2, 3] as [UInt64])
  func readsOfSleepingReplicasKeepTheirMaximumAge(seed: UInt64) throws {
    let simulation = try Simulation(SimulationOptions(seed: seed, profile: .stale, seconds: 20))
    let report = simulation.run()
    #expect(report.violations == [])
    #expect(report.faults[FaultKind.pause.index].bit > 0)
    #expect(simulation.world.observer.staleness.readsChecked > 100)
  }
}
