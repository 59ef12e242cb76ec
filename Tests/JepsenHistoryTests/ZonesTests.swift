import Foundation
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
      var steps = makes.next()
      // Values far apart take another way than those close together.
      let initial = index % 3 == 0 ? Self.spread(0) : 0
      if index % 3 == 0 { Self.spread(&steps) }
      let truth = BruteForce.isLinearizable(steps, initial: initial)
      switch RegisterZones.decide(steps, initial: initial) {
      case .linearizable:
        tally.linearizable += 1
        if !truth { tally.wrong.append("seed \(seed), history \(index): \(steps)") }
      case .violated(let positions):
        tally.violated += 1
        if truth || positions.isEmpty {
          tally.wrong.append("seed \(seed), history \(index): \(steps)")
        }
      case .notApplicable: tally.undecided += 1
      }
    }
    return tally
  }

  private static func spread(_ value: Int64) -> Int64 { value * 1_000_003 - 77_000 }

  private static func spread(_ steps: inout [LinearizabilityStep]) {
    for position in steps.indices {
      switch steps[position].action {
      case .read(let value): steps[position].action = .read(spread(value))
      case .write(let value): steps[position].action = .write(spread(value))
      case .differs(let value): steps[position].action = .differs(from: spread(value))
      case .compareAndSet(let expected, let new):
        steps[position].action = .compareAndSet(expected: spread(expected), new: spread(new))
      case .add, .addGiving: break
      }
    }
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
    let seeds = ProcessInfo.processInfo.environment["KV_ZONES_SEEDS"].flatMap { Int($0) } ?? 10
    for seed in 1...seeds {
      var shape = shape
      shape.seed = UInt64(seed)
      switch RegisterZones.decide(shape.steps(1_000)) {
      case .linearizable: counts["linearizable", default: 0] += 1
      case .violated: counts["violated", default: 0] += 1
      case .notApplicable(let why): counts[why, default: 0] += 1
      }
    }
    #expect(counts["linearizable"] == seeds, "\(counts)")
  }

  private static func step(
    _ action: LinearizabilityStep.Action, _ start: UInt64, _ end: UInt64?
  ) -> LinearizabilityStep {
    LinearizabilityStep(action: action, start: start, end: end, source: 0)
  }

  @Test func touchingOperationsAreConcurrent() {
    let touching = [Self.step(.write(1), 5, 9), Self.step(.read(0), 9, 12)]
    #expect(RegisterZones.decide(touching) == .linearizable)
    let apart = [Self.step(.write(1), 5, 9), Self.step(.read(0), 10, 12)]
    #expect(RegisterZones.decide(apart) == .violated(steps: [0, 1]))
  }

  @Test func unknownOutcomesMayTakeEffectLate() {
    let late = [
      Self.step(.write(1), 0, nil), Self.step(.write(2), 1, 2), Self.step(.read(2), 3, 4),
      Self.step(.read(1), 5, 6),
    ]
    #expect(RegisterZones.decide(late) == .linearizable)
    #expect(
      RegisterZones.decide(late + [Self.step(.read(2), 7, 8)]) != .linearizable)
    // A mismatch that only a write which nobody saw explains.
    let missed = [
      Self.step(.write(1), 0, nil), Self.step(.write(2), 1, 2),
      Self.step(.differs(from: 2), 3, 4),
    ]
    #expect(RegisterZones.decide(missed) == .linearizable)
    #expect(RegisterZones.decide(Array(missed.dropFirst())) == .violated(steps: [0, 1]))
  }

  @Test func whatTheZonesCannotTellIsLeftToTheSearch() {
    let cases = [
      [Self.step(.write(1), 0, 1), Self.step(.write(1), 2, 3)],
      // A delete is a write of what was there at first.
      [Self.step(.write(0), 0, 1)],
      [Self.step(.add(1), 0, 1)],
      [Self.step(.read(0), 4, 3)],
    ]
    for steps in cases {
      guard case .notApplicable = RegisterZones.decide(steps) else {
        Issue.record("decided \(steps)")
        continue
      }
    }
    #expect(RegisterZones.decide([]) == .linearizable)
    #expect(RegisterZones.decide([Self.step(.read(7), 0, 1)], initial: 7) == .linearizable)
    #expect(RegisterZones.decide([Self.step(.read(0), 0, 1)], initial: 7) == .violated(steps: [0]))
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
