import KVBase
import Testing

/// The dumb version: every entry since the beginning, and where the log begins now.
private struct Model {
  struct Entry {
    var term: Term
    var configuration: GroupConfiguration?
  }

  var entries: [Entry] = []
  var base = 0

  var last: Int { entries.count }

  func term(at index: Int) -> Term? {
    guard index >= base, index <= last else { return nil }
    return index == 0 ? .zero : entries[index - 1].term
  }

  var termRuns: [TermRun] {
    var runs: [TermRun] = []
    for index in (base + 1)..<(last + 1) where runs.last?.term != entries[index - 1].term {
      runs.append(TermRun(term: entries[index - 1].term, firstIndex: LogIndex(UInt64(index))))
    }
    return runs
  }

  func configurations(initially first: GroupConfiguration) -> [IndexedConfiguration] {
    var all = [IndexedConfiguration(index: .zero, configuration: first)]
    for index in 1..<(last + 1) {
      guard let configuration = entries[index - 1].configuration else { continue }
      if index <= base { all = [] }
      all.append(
        IndexedConfiguration(index: LogIndex(UInt64(index)), configuration: configuration))
    }
    return all
  }

  func highestIndex(upTo limit: Int, termAtMost term: Term) -> Int {
    guard limit >= base else { return limit }
    var index = min(limit, last)
    while index > base, let its = self.term(at: index), its > term { index -= 1 }
    if index == base, let its = self.term(at: base), its > term { return max(0, base - 1) }
    return index
  }
}

@Suite struct LogOutlineTests {
  private func configuration(_ voters: UInt64...) -> GroupConfiguration {
    GroupConfiguration(voters: voters.map { ReplicaID(rawValue: $0) })
  }

  /// Appends, truncations and compactions in random order, and a store that gives it back.
  @Test(arguments: 1...40)
  func saysWhatTheEntriesWouldSay(_ seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let first = configuration(1, 2, 3)
    var outline = LogOutline(baseIndex: .zero, baseTerm: .zero, configuration: first)
    var model = Model()
    for _ in 0..<300 {
      switch random.below(10) {
      case 0:
        let kept = model.base + Int(random.below(UInt64(model.last - model.base + 1)))
        let before = outline.configuration
        let rollsBack = outline.truncate(after: LogIndex(UInt64(kept)))
        model.entries.removeLast(model.last - kept)
        #expect(rollsBack == (outline.configuration != before))
      case 1:
        let base = model.base + Int(random.below(UInt64(model.last - model.base + 1)))
        outline.compact(through: LogIndex(UInt64(base)))
        model.base = base
      default:
        let present = model.entries.last?.term ?? .zero
        let entry = Model.Entry(
          term: random.chance(1, in: 4) ? Term(present.rawValue + 1 + random.below(2)) : present,
          configuration: random.chance(1, in: 6) ? configuration(random.below(9)) : nil)
        model.entries.append(entry)
        outline.append(
          index: LogIndex(UInt64(model.last)), term: entry.term, configuration: entry.configuration)
      }
      expect(outline, is: model, initially: first)
      let limit = Int(random.below(UInt64(model.last + 3)))
      let term = Term(random.below((model.entries.last?.term.rawValue ?? 0) + 2))
      let highest = outline.highestIndex(upTo: LogIndex(UInt64(limit)), termAtMost: term)
      #expect(highest == LogIndex(UInt64(model.highestIndex(upTo: limit, termAtMost: term))))
    }
  }

  private func expect(
    _ outline: LogOutline, is model: Model, initially first: GroupConfiguration
  ) {
    #expect(outline.brokenInvariant == nil)
    #expect(outline.baseIndex == LogIndex(UInt64(model.base)))
    #expect(outline.lastIndex == LogIndex(UInt64(model.last)))
    #expect(outline.baseTerm == model.term(at: model.base))
    #expect(outline.lastTerm == model.term(at: model.last))
    for index in 0..<(model.last + 2) {
      #expect(outline.term(at: LogIndex(UInt64(index))) == model.term(at: index))
    }
    #expect(outline.termRuns == model.termRuns)
    let configurations = model.configurations(initially: first)
    #expect(outline.configurations == configurations)
    #expect(outline.configuration == configurations.last)
    let restored = LogOutline(
      baseIndex: outline.baseIndex, baseTerm: outline.baseTerm, lastIndex: outline.lastIndex,
      termRuns: outline.termRuns, configurations: outline.configurations)
    #expect(restored == outline)
  }

  /// Bytes from a disk may say anything.
  @Test func whatIsTrueOfNoLogIsRefused() {
    func outline(
      base: UInt64 = 5, last: UInt64 = 9, runs: [(term: UInt64, first: UInt64)] = [],
      configurations: [UInt64] = [0]
    ) -> LogOutline? {
      LogOutline(
        baseIndex: LogIndex(base), baseTerm: Term(3), lastIndex: LogIndex(last),
        termRuns: runs.map { TermRun(term: Term($0.term), firstIndex: LogIndex($0.first)) },
        configurations: configurations.map {
          IndexedConfiguration(index: LogIndex($0), configuration: configuration(1))
        })
    }
    #expect(outline(runs: [(3, 6), (4, 9)], configurations: [2, 6, 9]) != nil)
    #expect(
      outline(runs: [(1, 1), (3, 4), (4, 7)])?.termRuns.map(\.firstIndex.rawValue) == [6, 7])
    #expect(outline(base: 5, last: 4) == nil)
    #expect(outline(runs: [(2, 6)]) == nil)
    #expect(outline(runs: [(4, 6), (3, 8)]) == nil)
    #expect(outline(runs: [(4, 7), (5, 7)]) == nil)
    #expect(outline(runs: [(4, 8), (5, 7)]) == nil)
    #expect(outline(runs: [(4, 10)]) == nil)
    #expect(outline(configurations: [6]) == nil)
    #expect(outline(configurations: [0, 7, 7]) == nil)
    #expect(outline(configurations: [0, 10]) == nil)
  }
}
