import KVBase
import Testing

@testable import JepsenHistory

/// Writes that nobody sees, overwritten at once by another: the searches do not choose when they
/// happen (`SearchExpansion`), and must not lose an order by that.
@Suite struct HiddenWriteTests {
  private func step(
    _ action: LinearizabilityStep.Action, _ start: UInt64, _ end: UInt64?
  ) -> LinearizabilityStep {
    LinearizabilityStep(action: action, start: start, end: end, source: 0)
  }

  /// What the checker and each search for itself say. The zones, where they apply, too.
  private func verdicts(_ steps: [LinearizabilityStep]) -> [String: Bool] {
    let (space, model) = PreparedKey.space(steps, isCounter: false)
    var breadth = BreadthFirstSearch(space, model, initial: [0])
    var depth = DepthFirstSearch(space, model, initial: [0])
    var ends: [SearchEnd?] = [nil, nil]
    while ends[0] == nil { ends[0] = breadth.run(steps: 50, maximumBytes: 1 << 20) }
    while ends[1] == nil { ends[1] = depth.run(steps: 50, maximumBytes: 1 << 20) }
    let checked = LinearizabilityChecker().checkKey(Self.operations(steps), model: .register)
    var found = [
      "breadth-first": ends[0] == .linearizable, "depth-first": ends[1] == .linearizable,
      "checker": checked == .linearizable,
    ]
    switch RegisterZones.decide(steps) {
    case .linearizable: found["zones"] = true
    case .violated: found["zones"] = false
    case .notApplicable: break
    }
    return found
  }

  /// The same as a recorded history; 0 is absent.
  private static func operations(_ steps: [LinearizabilityStep]) -> [HistoryOperation] {
    func value(_ number: Int64) -> HistoryValue? { number == 0 ? nil : .integer(number) }
    return steps.map { step in
      let outcome = step.end == nil ? HistoryOperation.Outcome.unknown : .ok
      switch step.action {
      case .read(let number):
        return operation(.read, value(number), step.start, step.end, outcome: outcome)
      case .write(0): return operation(.delete, nil, step.start, step.end, outcome: outcome)
      case .write(let number):
        return operation(.write, value(number), step.start, step.end, outcome: outcome)
      case .compareAndSet(let expected, let new):
        return operation(
          .cas, value(new), step.start, step.end, expected: value(expected), outcome: outcome)
      case .differs(let expected):
        return operation(
          .cas, .integer(1_000), step.start, step.end, expected: value(expected),
          outcome: .mismatch)
      case .add(let delta), .addGiving(let delta, _):
        return operation(.add, .integer(delta), step.start, step.end, outcome: outcome)
      }
    }
  }

  private func expect(
    _ steps: [LinearizabilityStep], isLinearizable: Bool,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(
      BruteForce.isLinearizable(steps) == isLinearizable, sourceLocation: sourceLocation)
    for (name, verdict) in verdicts(steps) {
      #expect(verdict == isLinearizable, "\(name)", sourceLocation: sourceLocation)
    }
  }

  /// Seed 343 of the profile cp: the key is absent, and the delete that got no answer makes it
  /// absent again after the write that was under way.
  @Test func aDeleteOfAnAbsentKeyHidesAWrite() {
    let write = step(.write(942), 41_396, 43_060)
    let delete = step(.write(0), 41_457, nil)
    let cas = step(.compareAndSet(expected: 0, new: 947), 42_861, 43_051)
    let read = step(.read(947), 43_190, 43_191)
    expect([write, delete, cas, read], isLinearizable: true)
    expect([write, cas, read], isLinearizable: false)
    // Begun too late for it.
    expect([write, step(.write(0), 43_061, nil), cas, read], isLinearizable: false)
    // It hides both writes at once, but not one that begins later.
    expect(
      [write, step(.write(943), 41_400, 43_055), delete, cas, read], isLinearizable: true)
    expect(
      [write, step(.write(943), 43_052, 43_055), delete, cas, read], isLinearizable: false)
  }

  @Test func anUnknownWriteOfThePresentValueHidesAWrite() {
    let seven = step(.write(7), 0, 1)
    let write = step(.write(8), 2, 10)
    let again = step(.write(7), 3, nil)
    let cas = step(.compareAndSet(expected: 7, new: 9), 4, 8)
    let read = step(.read(9), 12, 13)
    expect([seven, write, again, cas, read], isLinearizable: true)
    expect([seven, write, cas, read], isLinearizable: false)
  }

  /// The write of 5 may count as overwritten by that of 3, and yet it is the one that ends the
  /// absence before the mismatch.
  @Test func aHiddenWriteEndsAStateThatComesBeforeItsReturn() {
    let hiding = step(.write(3), 47, 55)
    let hidden = step(.write(5), 49, 59)
    let read = step(.read(0), 56, 61)
    let mismatch = step(.differs(from: 0), 65, 72)
    expect([hiding, hidden, read, step(.write(0), 56, nil), mismatch], isLinearizable: true)
    expect([hiding, hidden, read, step(.write(0), 56, 64), mismatch], isLinearizable: true)
    expect([hiding, read, step(.write(0), 56, nil), mismatch], isLinearizable: false)
  }

  @Test func aHiddenWriteEndsTheValueOfACas() {
    let steps = [
      step(.write(2), 43, 53), step(.compareAndSet(expected: 2, new: 3), 52, 63),
      step(.write(4), 53, 61), step(.differs(from: 3), 64, 69),
    ]
    expect(steps, isLinearizable: true)
    expect([steps[0], steps[1], steps[3]], isLinearizable: false)
  }

  /// The write of 1 may count as overwritten by that of 2, and it hides that of 3.
  @Test func aHiddenWriteHidesAnother() {
    let one = step(.write(1), 0, 10)
    let seen = [step(.write(2), 1, 3), step(.read(2), 1, 4)]
    let three = step(.write(3), 5, 12)
    let mismatch = step(.differs(from: 3), 13, 14)
    let end = step(.read(1), 15, 16)
    expect([one, three, mismatch] + seen, isLinearizable: true)
    expect([one, three, mismatch, end] + seen, isLinearizable: true)
    expect([three, mismatch] + seen, isLinearizable: false)
  }

  /// Seeds whose first histories have both of the faults above.
  @Test(arguments: [2, 3])
  func agreesWithAllOrders(seed: UInt64) {
    var histories = DeletingHistories(random: SeededRandom(seed: seed))
    let runs = 40_000
    var good = 0
    for _ in 0..<runs {
      let steps = histories.next()
      let expected = BruteForce.isLinearizable(steps)
      if expected { good += 1 }
      let found = verdicts(steps)
      if found.values.contains(!expected) {
        Issue.record("\(found) where all orders say \(expected): \(steps)")
        return
      }
    }
    // Both verdicts must be common, else the comparison says little.
    #expect(good > runs / 4 && good < runs * 19 / 20, "\(good) of \(runs)")
  }
}
