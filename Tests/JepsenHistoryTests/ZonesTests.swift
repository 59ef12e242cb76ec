import Foundation
import KVBase
import Testing

@testable import JepsenHistory

@Suite struct ZonesTests {
  struct Tally: Sendable {
    var linearizable = 0
    var violated = 0
    var undecided = 0
    var wrong: [String] = []
  }

  private static func run(seed: UInt64, histories: Int, maximumOperations: Int) -> Tally {
    var tally = Tally()
    var makes = SmallHistories(seed: seed)
    makes.maximumOperations = maximumOperations
    for index in 0..<histories {
      let steps = makes.next()
      let truth = BruteForce.isLinearizable(steps)
      switch RegisterZones.decide(steps) {
      case .linearizable:
        tally.linearizable += 1
        if !truth { tally.wrong.append("seed \(seed), history \(index): \(steps)") }
      case .violated(let places):
        tally.violated += 1
        if truth || places.isEmpty {
          tally.wrong.append("seed \(seed), history \(index): \(steps)")
        }
      case .notApplicable: tally.undecided += 1
      }
    }
    return tally
  }

  /// KV_ZONES_HISTORIES=1000000 for the whole million.
  @Test func agreesWithBruteForceOnSmallHistories() async {
    let wanted = ProcessInfo.processInfo.environment["KV_ZONES_HISTORIES"].flatMap { Int($0) }
    let perTask = (wanted ?? 100_000) / 8
    let tally = await withTaskGroup(of: Tally.self) { group in
      for task in 0..<8 {
        group.addTask {
          Self.run(seed: 7_000 + UInt64(task), histories: perTask, maximumOperations: 7)
        }
      }
      return await group.reduce(into: Tally()) {
        $0.linearizable += $1.linearizable
        $0.violated += $1.violated
        $0.undecided += $1.undecided
        $0.wrong += $1.wrong
      }
    }
    print(
      "zones: \(tally.linearizable) linearizable, \(tally.violated) violated,",
      "\(tally.undecided) undecided")
    #expect(tally.wrong.isEmpty, "\(tally.wrong.count): \(tally.wrong.first ?? "")")
    let all = tally.linearizable + tally.violated + tally.undecided
    #expect(tally.linearizable * 5 > all)
    #expect(tally.violated * 5 > all)
    #expect(tally.undecided * 100 < all)
  }

  /// Histories as clients make them are decided, whatever they do most.
  @Test(arguments: [
    ClientHistories(), ClientHistories(reads: 10, writes: 10),
    ClientHistories(reads: 10, writes: 2),
    ClientHistories(clients: 5, reads: 20, writes: 20, unknown: 1_000, guesses: 50),
    ClientHistories(reads: 20, writes: 20, unknown: 300, guesses: 80, slowness: 200),
    ClientHistories(clients: 100, reads: 20, writes: 40, slowness: 1),
  ])
  func decidesWhatClientsDo(_ shape: ClientHistories) {
    var counts: [String: Int] = [:]
    for seed in 1...20 {
      var shape = shape
      shape.seed = UInt64(seed)
      switch RegisterZones.decide(shape.steps(1_000)) {
      case .linearizable: counts["linearizable", default: 0] += 1
      case .violated: counts["violated", default: 0] += 1
      case .notApplicable(let why): counts[why, default: 0] += 1
      }
    }
    #expect(counts["linearizable"] == 20, "\(counts)")
  }

  /// KV_ZONES_TIMES=1: how long a million operations on one key take, in a release build.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["KV_ZONES_TIMES"] != nil))
  func timesOfAMillion() {
    for shape in [ClientHistories(), ClientHistories(reads: 10, writes: 10, guesses: 30)] {
      let steps = shape.steps(1_000_000)
      var decision = RegisterZones.Decision.linearizable
      for _ in 0..<3 {
        let before = Self.processorSeconds()
        let time = ContinuousClock().measure { decision = RegisterZones.decide(steps) }
        let worked = Self.processorSeconds() - before
        print("zones: \(steps.count) operations, \(decision), \(time), \(worked) s of work")
      }
      #expect(decision == .linearizable)
    }
  }

  /// What this thread has worked, whatever else the machine does.
  private static func processorSeconds() -> Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
