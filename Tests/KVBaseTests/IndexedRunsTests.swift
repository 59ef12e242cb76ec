import KVBase
import Testing

@Suite struct IndexedRunsTests {
  /// Against an array that holds the value of every index.
  @Test(arguments: 1...20)
  func behavesAsAnArrayOfValues(_ seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var base = random.below(4)
    var runs = IndexedRuns(UInt64(0), from: LogIndex(base))
    /// From the first index on.
    var model: [UInt64] = [0]
    var last: UInt64 { base + UInt64(model.count) - 1 }
    for _ in 0..<2_000 {
      switch random.below(8) {
      case 0..<4:
        let value = model[model.count - 1] + (random.chance(1, in: 3) ? 1 : 0)
        if value != model[model.count - 1] { runs.append(value, from: LogIndex(last + 1)) }
        model.append(value)
      case 4:
        let kept = 1 + random.below(UInt64(model.count))
        runs.truncate(after: LogIndex(base + kept - 1))
        model.removeLast(model.count - Int(kept))
      case 5:
        let through = base + random.below(UInt64(model.count))
        runs.rebase(to: LogIndex(through))
        model.removeFirst(Int(through - base))
        base = through
      default: break
      }
      #expect(runs.brokenInvariant == nil)
      #expect(runs.first == .init(firstIndex: LogIndex(base), value: model[0]))
      #expect(runs.last.value == model[model.count - 1])
      #expect(base == 0 || runs.value(at: LogIndex(base - 1)) == nil)
      for (offset, value) in model.enumerated() {
        #expect(runs.value(at: LogIndex(base + UInt64(offset))) == value)
      }
      // No two neighbours share a value: a run for each change, and no more.
      var changes = 1
      for position in 1..<model.count where model[position] != model[position - 1] { changes += 1 }
      #expect(runs.runs.count == changes)
    }
  }

  /// What was there before the base is forgotten, but for when the first run began.
  @Test func compactionKeepsWhereTheFirstRunBegan() {
    var runs = IndexedRuns("a", from: LogIndex(1))
    runs.append("b", from: LogIndex(4))
    runs.append("c", from: LogIndex(9))
    var compacted = runs
    compacted.compact(through: LogIndex(8))
    #expect(compacted.runs.map(\.firstIndex) == [LogIndex(4), LogIndex(9)])
    #expect(compacted.value(at: LogIndex(8)) == "b")
    var rebased = runs
    rebased.rebase(to: LogIndex(8))
    #expect(rebased.runs.map(\.firstIndex) == [LogIndex(8), LogIndex(9)])
    rebased.rebase(to: LogIndex(9))
    #expect(rebased.runs == [.init(firstIndex: LogIndex(9), value: "c")])
  }
}
