import Foundation
import KVBase
import Testing

@testable import JepsenHistory

@Suite struct SearchedWitnessTests {
  private static let isTimed = ProcessInfo.processInfo.environment["KV_WITNESS_TIMES"] != nil

  private func parts(_ steps: [LinearizabilityStep], isCounter: Bool) throws -> StepParts {
    var key = try PreparedKey([], [], isCounter: isCounter, initial: nil, failedCas: .observed)
    key.steps = steps
    return StepParts(key, LinearizabilityChecker().bounds)
  }

  /// Any part of any small history.
  @Test(arguments: [false, true])
  func partsAgreeWithAllOrders(isCounter: Bool) throws {
    var histories = RepeatedHistories(random: SeededRandom(seed: isCounter ? 41 : 43))
    var random = SeededRandom(seed: 47)
    var violated = [0, 0]
    let runs = 6_000
    for _ in 0..<runs {
      let steps = histories.next(isCounter: isCounter)
      let witness = try parts(steps, isCounter: isCounter).witness
      let dumb = DumbOwnTime(steps: steps, starts: Array(isCounter ? -30...30 : -1...4))
      let kept = steps.indices.filter { _ in random.chance(3, in: 4) }
      guard !kept.isEmpty else { continue }
      for isFromAnyState in [false, true] {
        var work = 0
        let found = witness.isViolated(
          kept, Array(steps.indices), isFromAnyState: isFromAnyState, &work)
        let expected = dumb.isViolated(keeping: kept, isFromAnyState: isFromAnyState)
        if expected == true { violated[isFromAnyState ? 1 : 0] += 1 }
        if found != expected {
          let answers = "\(found as Any), not \(expected as Any)"
          Issue.record("\(answers), from any state \(isFromAnyState): \(kept) of \(steps)")
          return
        }
      }
    }
    #expect(violated[0] > runs / 20 && violated[1] > runs / 100, "\(violated)")
  }

  /// Every violated hard history has a witness that is violated, and irreducible, for another
  /// search too.
  @Test func hardHistoriesHaveIrreducibleWitnesses() throws {
    var (violated, flagged, undecided, most) = (0, 0, 0, 0)
    for seed in 0..<(Self.isTimed ? 2_000 : 200) {
      let history = HistoryBench.hard(seed: UInt64(seed))
      let checker = LinearizabilityChecker()
      let positions = history.indices.map { Int32($0) }[...]
      var decision = KeyDecision(history, positions, checker, isCounter: false)
      while decision.state == .open { decision.run(steps: 100_000, checker.bounds) }
      guard decision.state == .violated, let stuckAt = decision.stuckAt,
        let key = decision.prepared
      else { continue }
      violated += 1
      let found = try #require(
        StepParts(key, checker.bounds).witness.reduce(stuckAt: stuckAt), "seed \(seed)")
      most = max(most, found.positions.count)
      if !found.isIrreducible { flagged += 1 }
      let values = key.steps.count + 2
      var steps = key.steps
      let horizon = steps[stuckAt].end ?? .max
      for position in steps.indices {
        // What was open when the search got stuck may have happened.
        guard case .compareAndSet = steps[position].action else { continue }
        if steps[position].end ?? .max > horizon { steps[position].end = nil }
      }
      let dumb = DumbOwnTime(steps: steps, starts: (-1...Int64(min(values, 8))).map { $0 })
      func judge(_ kept: [Int], _ expected: Bool) {
        let answer = dumb.isViolated(keeping: kept, isFromAnyState: found.isFromAnyState)
        if answer == nil { undecided += 1 }
        #expect(answer ?? expected == expected, "seed \(seed): \(kept) of \(found)")
      }
      judge(found.positions, true)
      for position in found.positions where found.isIrreducible {
        judge(found.positions.filter { $0 != position }, false)
      }
      let witness = try #require(
        decision.witness("k", history, checker.bounds), "seed \(seed)")
      #expect(witness.operations.count == found.positions.count)
      #expect(checker.check(witness.operations, model: .register).status == .violated)
    }
    print("hard: \(violated) violated, \(flagged) flagged, \(undecided) undecided, most \(most)")
    #expect(violated > 5 && flagged * 20 <= violated)
  }

  // MARK: Planted violations

  /// Operations of 16 clients that take effect in order, each within its interval.
  private func history(
    _ count: Int, seed: UInt64, read: UInt64,
    update: (inout SeededRandom, Int) -> (HistoryOperation.Kind, HistoryValue),
    state: (HistoryOperation) -> HistoryValue?
  ) -> [HistoryOperation] {
    var random = SeededRandom(seed: seed)
    var history: [HistoryOperation] = []
    for number in 0..<count {
      let moment = UInt64(number) * 1_000 + 20_000
      var new = operation(
        .read, nil, moment - random.below(8_000), moment + random.below(8_000),
        process: number % 16)
      if !random.chance(1, in: read) {
        (new.kind, new.value) = update(&random, number)
        if random.chance(1, in: UInt64(max(200, count / 25))) {
          (new.outcome, new.endNanoseconds) = (.unknown, nil)
        }
      }
      let seen = state(new)
      if new.kind == .read { new.value = seen }
      history.append(new)
    }
    return history
  }

  private func expectSmallWitness(
    _ history: [HistoryOperation], _ model: LinearizabilityChecker.Model, _ what: String,
    initial: HistoryValue? = nil
  ) {
    var checker = LinearizabilityChecker(
      bounds: LinearizabilityChecker.Bounds(seconds: 60), initial: initial)
    let clock = RunClock()
    let verdict = checker.check(history, model: model)
    let taken = clock.now
    #expect(verdict.status == .violated, "\(what): \(verdict.text.prefix(300))")
    guard let witness = verdict.witness else {
      Issue.record("\(what): no witness")
      return
    }
    print(
      "witness: \(what), \(history.count) operations: \(witness.operations.count) by",
      "\(verdict.method) in \(taken / 1_000_000) ms")
    if ProcessInfo.processInfo.environment["KV_ZONES_SAY"] != nil {
      print(witness.explanation.map { String($0.prefix(300)) }.joined(separator: "\n  "))
    }
    #expect(!witness.operations.isEmpty && witness.operations.count <= 20, "\(what)")
    #expect(
      witness.explanation.last == SearchedWords.necessity(witness.operations.count, true),
      "\(what): \(witness.explanation.suffix(2))")
    checker.bounds.seconds = nil
    #expect(checker.check(witness.operations, model: model).status == .violated, "\(what)")
    if Self.isTimed { #expect(taken < 10_000_000_000, "\(what)") }
  }

  private var size: Int { Self.isTimed ? 100_000 : 5_000 }

  @Test(arguments: [1, -1, 40, -40], [false, true])
  func counters(change: Int64, isAnswered: Bool) {
    var sum: Int64 = 0
    var history = history(size, seed: 3, read: 3) { random, _ in
      (.add, .integer(1 + Int64(random.below(4))))
    } state: { operation in
      if operation.kind == .add { sum += operation.value?.integer ?? 0 }
      return .integer(sum)
    }
    if isAnswered {
      sum = 0
      for position in history.indices where history[position].kind == .add {
        sum += history[position].value?.integer ?? 0
        if history[position].outcome == .ok { history[position].result = .integer(sum) }
      }
    }
    let position = history[(size / 2)...].firstIndex { $0.kind == .read } ?? 0
    // Far enough from what is under way, or else in a quiet moment.
    if abs(change) == 1 {
      history[position].startNanoseconds = UInt64(position) * 1_000 + 20_000
      history[position].endNanoseconds = history[position].startNanoseconds
      for other in history.indices.dropFirst(position - 20).prefix(40) where other != position {
        let moment = UInt64(other) * 1_000 + 20_000
        history[other].startNanoseconds = moment
        if history[other].outcome == .ok { history[other].endNanoseconds = moment }
      }
    }
    history[position].value = .integer((history[position].value?.integer ?? 0) + change)
    expectSmallWitness(history, .counter, "counter \(change), answered \(isAnswered)")
  }

  @Test(arguments: ["order", "lost", "future", "twice"], [false, true])
  func lists(_ violation: String, isRepeated: Bool) {
    var elements: [HistoryValue] = []
    var history = history(size, seed: 5, read: UInt64(size / 50)) { random, number in
      (.append, .integer(isRepeated ? Int64(random.below(40)) : Int64(number)))
    } state: { operation in
      if operation.kind == .append { elements.append(operation.value ?? 0) }
      return operation.kind == .read ? .list(elements) : nil
    }
    let reads = history.indices.filter { history[$0].kind == .read }
    let position = reads[reads.count / 2]
    guard case .list(var found)? = history[position].value else { return }
    switch violation {
    case "order":
      let other = found.lastIndex { $0 != found[found.count - 1] } ?? 0
      found.swapAt(found.count - 1, other)
    case "lost": found.removeLast(20)
    case "future":
      // The list as it will be.
      guard case .list(let later)? = history[reads[reads.count / 2 + 1]].value else { return }
      found = Array(later.prefix(found.count + 20))
    default: found.append(found[found.count - 1])
    }
    history[position].value = .list(found)
    expectSmallWitness(history, .list, "list \(violation), repeated \(isRepeated)")
  }

  @Test(arguments: ["other", "lost", "never"], [false, true])
  func sets(_ violation: String, isRepeated: Bool) {
    var elements: [HistoryValue] = []
    var known: Set<HistoryValue> = []
    var history = history(size, seed: 7, read: UInt64(size / 50)) { random, number in
      (.add, .integer(Int64(isRepeated ? number / 3 : number)))
    } state: { operation in
      if operation.kind == .add, known.insert(operation.value ?? 0).inserted {
        elements.append(operation.value ?? 0)
      }
      return operation.kind == .read ? .list(elements) : nil
    }
    let reads = history.indices.filter { history[$0].kind == .read }
    let position = reads[reads.count / 2]
    guard case .list(var found)? = history[position].value else { return }
    switch violation {
    case "other": found[found.count / 2] = elements[elements.count - 1]
    case "lost": found.removeLast(20)
    default: found.append(.integer(-1))
    }
    history[position].value = .list(found)
    expectSmallWitness(history, .set, "set \(violation), repeated \(isRepeated)")
  }

  @Test(arguments: [true, false])
  func banks(givesInitial: Bool) {
    var accounts: [Int64] = [50, 50]
    var history = history(size, seed: 9, read: 2) { random, _ in
      let isFromA = random.chance(1, in: 2)
      return (
        .transfer,
        transfer(isFromA ? "a" : "b", isFromA ? "b" : "a", 1 + Int64(random.below(3)))
      )
    } state: { operation in
      if case .map(let fields)? = operation.value, let amount = fields[0].value.integer {
        let moved = fields[1].value.text == "a" ? amount : -amount
        accounts[0] -= moved
        accounts[1] += moved
      }
      return balances(accounts[0], accounts[1])
    }
    let position = history[(size / 2)...].firstIndex { $0.kind == .read } ?? 0
    guard case .map(let fields)? = history[position].value, let a = fields[0].value.integer,
      let b = fields[1].value.integer
    else { return }
    history[position].value = balances(a + 60, b - 60)
    expectSmallWitness(
      history, .bank, "bank, initial \(givesInitial)",
      initial: givesInitial ? balances(50, 50) : nil)
  }
}
