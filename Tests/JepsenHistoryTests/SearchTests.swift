import KVBase
import Testing

@testable import JepsenHistory

/// Small histories of a register with few values, or of a counter: effects in order, intervals
/// around them, some answers changed.
struct RepeatedHistories {
  var random: SeededRandom

  mutating func next(isCounter: Bool) -> [LinearizabilityStep] {
    let count = 4 + Int(random.below(7))
    let reach = 2 + random.below(12)
    let values = 2 + random.below(2)
    var state: Int64 = 0
    var steps: [LinearizabilityStep] = []
    for source in 0..<count {
      let moment = 20 + UInt64(source) * 3
      let start = moment - random.below(reach)
      var end: UInt64? = moment + random.below(reach)
      let isUnknown = random.chance(1, in: 4)
      let value = 1 + Int64(random.below(values))
      var action: LinearizabilityStep.Action
      switch random.below(isCounter ? 6 : 10) {
      case 0..<3: action = .read(random.chance(1, in: 9) ? value : state)
      case 3 where isCounter: action = .addGiving(value, sum: state + value)
      case _ where isCounter: action = .add(value)
      case 3..<8: action = .write(value)
      case 8: action = .compareAndSet(expected: random.chance(1, in: 9) ? value : state, new: value)
      default: action = .differs(from: value == state ? value % Int64(values) + 1 : value)
      }
      switch action {
      case .write, .compareAndSet, .add: if isUnknown { end = nil }
      default: break
      }
      if end != nil || random.chance(1, in: 2) { state = action.next(after: state) ?? state }
      steps.append(LinearizabilityStep(action: action, start: start, end: end, source: source))
    }
    return steps
  }
}

@Suite struct SearchTests {
  /// Each search for itself, in small slices.
  @Test(arguments: [false, true])
  func searchesAgreeWithAllOrders(isCounter: Bool) {
    var histories = RepeatedHistories(random: SeededRandom(seed: isCounter ? 31 : 37))
    let runs = 40_000
    var good = 0
    for _ in 0..<runs {
      let steps = histories.next(isCounter: isCounter)
      let expected = BruteForce.isLinearizable(steps)
      if expected { good += 1 }
      let (space, model) = PreparedKey.space(steps, isCounter: isCounter)
      var breadth = BreadthFirstSearch(space, model, initial: [0])
      var depth = DepthFirstSearch(space, model, initial: [0])
      var ends: [SearchEnd?] = [nil, nil]
      while ends[0] == nil { ends[0] = breadth.run(steps: 7, maximumBytes: 1 << 20) }
      while ends[1] == nil { ends[1] = depth.run(steps: 7, maximumBytes: 1 << 20) }
      if ends.contains(where: { ($0 == .linearizable) != expected }) {
        Issue.record("\(ends) where all orders say \(expected): \(steps)")
        return
      }
    }
    #expect(good > runs / 10 && good < runs * 9 / 10, "\(good) of \(runs)")
  }

  @Test func memoryIsBounded() {
    var load = HistoryBench.Load()
    load.operations = 2_000
    load.distinctValues = 3
    let checker = LinearizabilityChecker(
      bounds: LinearizabilityChecker.Bounds(seconds: nil, bytes: 4_000))
    let verdict = checker.check(HistoryBench.register(load), model: .register)
    #expect(verdict.status == .unknown)
    #expect(verdict.text.contains("memory"))
  }

  /// What the search finds is a violation by itself, and far shorter than the history.
  @Test func reducedViolationsAreViolations() {
    var reduced = 0
    for seed in 0..<60 {
      let history = HistoryBench.hard(seed: UInt64(seed))
      let checker = LinearizabilityChecker()
      let verdict = checker.check(history, model: .register)
      guard verdict.status == .violated, let witness = verdict.witness else { continue }
      reduced += 1
      #expect(witness.operations.count < history.count)
      #expect(checker.check(witness.operations, model: .register).status == .violated)
    }
    #expect(reduced > 0)
  }
}
