import Testing

@testable import JepsenLite

@Suite struct NemesisScheduleTests {
  private static let five = StageAbilities(
    nodes: 5, hasFramedLinks: true, usesFaultLibrary: true)
  private static let names = (NemesisCatalog.nemeses + [NemesisCatalog.mix]).map(\.name)

  @Test(arguments: names) func theSameSeedGivesTheSameSchedule(_ name: String) {
    let one = FaultSchedule.make([name], milliseconds: 60_000, seed: 7, Self.five)
    let again = FaultSchedule.make([name], milliseconds: 60_000, seed: 7, Self.five)
    #expect(one == again)
    #expect(one.map { $0.plans.map(\.description) } == again.map { $0.plans.map(\.description) })
  }

  @Test(arguments: names.filter { $0 != "none" }, [60_000, 90_000, 600_000])
  func aRunHasEnoughFaultsAndEndsCalmly(_ name: String, _ milliseconds: Int) {
    for seed in 1...20 as ClosedRange<UInt64> {
      let rounds = FaultSchedule.make([name], milliseconds: milliseconds, seed: seed, Self.five)
      #expect(rounds.count >= milliseconds / 20_000)
      #expect(rounds.allSatisfy { !$0.plans.isEmpty && $0.plans.count <= 3 })
      var before = 0
      for round in rounds {
        #expect(round.startMilliseconds >= before + 2_000)
        before = round.endMilliseconds
      }
      #expect(before <= milliseconds - FaultSchedule.quietEndMilliseconds)
    }
  }

  @Test func shortRunsHaveAFault() {
    for milliseconds in [3_000, 10_000, 20_000] {
      let rounds = FaultSchedule.make(
        ["kill-one"], milliseconds: milliseconds, seed: 1, Self.five)
      #expect(rounds.count == 1)
      #expect(rounds[0].endMilliseconds < milliseconds)
    }
    #expect(FaultSchedule.make(["none"], milliseconds: 60_000, seed: 1, Self.five).isEmpty)
  }

  @Test func severalTakeTurns() {
    let rounds = FaultSchedule.make(
      ["halves", "kill-all"], milliseconds: 120_000, seed: 3, Self.five)
    let names = rounds.flatMap { $0.plans.map(\.nemesis) }
    #expect(names.prefix(4) == ["halves", "kill-all", "halves", "kill-all"])
  }

  @Test func aMixtureHasManyKindsAndNoTwoOfAFamilyAtOnce() {
    var seen: Set<String> = []
    var most = 0
    for seed in 1...30 as ClosedRange<UInt64> {
      for round in FaultSchedule.make(["mix"], milliseconds: 600_000, seed: seed, Self.five) {
        most = max(most, round.plans.count)
        let families = round.plans.map(\.action.families)
        #expect(
          families.reduce(0) { $0 + $1.count } == families.reduce(Set()) { $0.union($1) }.count)
        seen.formUnion(round.plans.map(\.nemesis))
      }
    }
    #expect(most == 3)
    #expect(seen == Set(NemesisCatalog.mixture(Self.five).map(\.name)))
    #expect(!seen.contains("clock-rate-beyond") && seen.contains("ring"))
  }

  @Test func aLongMixtureHasEveryKind() {
    let three = StageAbilities(nodes: 3, hasFramedLinks: true, usesFaultLibrary: true)
    for seed in 1...20 as ClosedRange<UInt64> {
      let rounds = FaultSchedule.make(["mix"], milliseconds: 600_000, seed: seed, three)
      let kinds = rounds.flatMap { $0.plans.map(\.nemesis) }
      let missing = Set(NemesisCatalog.mixture(three).map(\.name)).subtracting(kinds)
      #expect(missing.isEmpty, "seed \(seed): \(missing)")
    }
  }

  @Test func everyNemesisHasATurnOrTheRunIsRefused() {
    for (names, seconds) in [(3, 30), (4, 60), (6, 60), (10, 85)] {
      let given = Array(Self.names.filter { !["none", "mix"].contains($0) }.prefix(names))
      #expect(FaultSchedule.problem(given, seconds: Double(seconds)) == nil)
      let rounds = FaultSchedule.make(
        given, milliseconds: seconds * 1000, seed: 1, Self.five)
      #expect(Set(rounds.flatMap { $0.plans.map(\.nemesis) }) == Set(given))
      #expect(
        zip(rounds, rounds.dropFirst()).allSatisfy { $0.endMilliseconds < $1.startMilliseconds })
    }
    let refused = FaultSchedule.problem(["halves", "ring", "kill-all"], seconds: 28)
    #expect(refused?.contains("--seconds 29") == true)
    #expect(FaultSchedule.problem(["halves"], seconds: 1) == nil)
  }

  @Test func whatCannotBeDoneIsRefusedInASentence() throws {
    let three = StageAbilities(nodes: 3, hasFramedLinks: false, usesFaultLibrary: false)
    #expect(NemesisCatalog.problem(["isolate-leader", "kill-all"], three) == nil)
    #expect(NemesisCatalog.problem(["ring"], three)?.contains("needs 5 nodes") == true)
    #expect(NemesisCatalog.problem(["duplicate"], three)?.contains("frames") == true)
    #expect(NemesisCatalog.problem(["slow-disk"], three)?.contains("fault library") == true)
    #expect(NemesisCatalog.problem(["membership"], Self.five)?.contains("not available") == true)
    #expect(NemesisCatalog.problem(["no-such"], three)?.contains("choose among none") == true)
    #expect(NemesisCatalog.problem([], three) != nil)
    // A mixture has only what the stage can do.
    let mixture = NemesisCatalog.mixture(three).map(\.name)
    #expect(mixture.contains("halves") && !mixture.contains("ring"))
    #expect(!mixture.contains("fsync-error") && !mixture.contains("reorder"))
  }

  @Test func everyNameHasItsLine() {
    let all = NemesisCatalog.all
    #expect(Set(all.map(\.name)).count == all.count)
    #expect(all.allSatisfy { !$0.text.isEmpty && $0.name.count + $0.text.count < 110 })
    let wanted =
      "none isolate-leader isolate-follower halves bridge ring one-way swizzle flapping slow-links "
      + "throttle duplicate reorder flip-bytes reset-connections kill-one kill-leader "
      + "kill-majority kill-all pause-leader pause-one clock-jump clock-strobe clock-rate "
      + "clock-rate-beyond power-loss-one power-loss-majority power-loss-all fsync-error full-disk "
      + "slow-disk stalled-disk flip-bits membership mix"
    #expect(Set(all.map(\.name)) == Set(wanted.split(separator: " ").map(String.init)))
  }
}
