/// Parts of the history of one register, made so that a violation of a part is one of the whole.
///
/// To drop what was observed is to know less. To drop a write is not to deny that it happened, so
/// it stays as one that may have happened once: at any time (`.anyTime`), or while it was under way
/// in truth and its value had not been found yet (`.ownTime`). A dropped cas is weakened to such a
/// write. Of the dropped writes only those are kept that could matter: of values that the part
/// speaks of, and as many others as there are mismatches to explain.
struct WitnessRegister {
  enum DroppedWrites: Sendable { case anyTime, ownTime }

  let steps: [LinearizabilityStep]
  let initial: Int64
  /// The writes and compare-and-sets by their new value, then position.
  private let writers: [(value: Int64, position: Int)]
  private let unusedValue: Int64
  /// By position in `writers`: when the value had been found, so that it must have been written.
  /// Never, where it could have come from elsewhere.
  private var foundBy: [UInt64] = []

  init(_ steps: [LinearizabilityStep], initial: Int64) {
    self.steps = steps
    self.initial = initial
    var writers: [(value: Int64, position: Int)] = []
    var highest = initial
    for (position, step) in steps.enumerated() {
      switch step.action {
      case .write(let value), .compareAndSet(_, let value): writers.append((value, position))
      default: break
      }
      highest = max(highest, Self.greatest(step.action))
    }
    var isSorted = true
    for index in writers.indices.dropFirst() where writers[index].value < writers[index - 1].value {
      isSorted = false
    }
    if !isSorted {
      writers.sort { $0.value != $1.value ? $0.value < $1.value : $0.position < $1.position }
    }
    self.writers = writers
    unusedValue = highest + 1
    foundBy = Array(repeating: .max, count: writers.count)
    for step in steps {
      switch (step.action, step.end) {
      case (.read(let value), let end?), (.compareAndSet(let value, _), let end?):
        let index = firstWriter(of: value)
        guard value != initial, index < writers.count, writers[index].value == value,
          index + 1 == writers.count || writers[index + 1].value != value
        else { continue }
        foundBy[index] = min(foundBy[index], end)
      default: continue
      }
    }
  }

  /// When a write that is dropped had happened, if it ever did; `nil`: not known.
  private func latestEnd(ofWriter index: Int) -> UInt64? {
    let end = steps[writers[index].position].end
    return foundBy[index] == .max ? end : min(foundBy[index], end ?? .max)
  }

  private static func greatest(_ action: LinearizabilityStep.Action) -> Int64 {
    switch action {
    case .read(let value), .write(let value), .differs(let value): value
    case .compareAndSet(let expected, let new): max(expected, new)
    case .add, .addGiving: 0
    }
  }

  private func firstWriter(of value: Int64) -> Int {
    var low = 0
    var high = writers.count
    while low < high {
      let middle = (low + high) / 2
      if writers[middle].value < value { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private struct Part {
    /// Values that something of the part found, or looked for.
    var mentioned: Set<Int64> = []
    var mismatches = 0
    var writers = 0

    init(_ steps: [LinearizabilityStep], _ kept: [Int]) {
      for position in kept {
        switch steps[position].action {
        case .read(let value): mentioned.insert(value)
        case .differs(let value):
          mentioned.insert(value)
          mismatches += 1
        case .compareAndSet(let expected, _):
          mentioned.insert(expected)
          writers += 1
        case .write: writers += 1
        case .add, .addGiving: break
        }
      }
    }
  }

  /// The dropped writes of mentioned values, as positions in `writers`.
  private func mentionedWriters(_ part: Part, _ kept: [Int]) -> [Int] {
    let isKept = Set(kept)
    var indices: [Int] = []
    for value in part.mentioned {
      var index = firstWriter(of: value)
      var found = 0
      while index < writers.count && writers[index].value == value && found < kept.count {
        if !isKept.contains(writers[index].position) {
          indices.append(index)
          found += 1
        }
        index += 1
      }
    }
    return indices.sorted()
  }

  /// The kept steps, then dropped writes, which may have happened at any time; the kept ones keep
  /// their order.
  func part(keeping kept: [Int]) -> [LinearizabilityStep] {
    let part = Part(steps, kept)
    var result = kept.map { steps[$0] }
    func addWrite(_ value: Int64) {
      result.append(LinearizabilityStep(action: .write(value), start: 0, end: nil, source: -1))
    }
    let mentioned = mentionedWriters(part, kept)
    for index in mentioned { addWrite(writers[index].value) }
    let others = writers.count - part.writers - mentioned.count
    for index in 0..<max(0, min(others, part.mismatches)) { addWrite(unusedValue + Int64(index)) }
    return result
  }

  /// Whether the kept steps are violated by themselves; `nil`: not known.
  func isViolated(keeping kept: [Int], _ dropped: DroppedWrites) -> Bool? {
    switch dropped {
    case .anyTime:
      let part = part(keeping: kept)
      switch RegisterZones.decide(part, initial: initial) {
      case .linearizable: return false
      case .violated: return true
      case .notApplicable:
        let items = part.map {
          WitnessSearch.Item(step: $0, end: $0.end, mayBeLeftOut: $0.end == nil)
        }
        return WitnessSearch.isLinearizable(items, initial: initial).map { !$0 }
      }
    case .ownTime:
      guard let items = itemsAtTheirTime(keeping: kept) else { return nil }
      return WitnessSearch.isLinearizable(items, initial: initial).map { !$0 }
    }
  }

  private func itemsAtTheirTime(keeping kept: [Int]) -> [WitnessSearch.Item]? {
    guard kept.count <= WitnessSearch.maximumItems else { return nil }
    let part = Part(steps, kept)
    var items = kept.map {
      WitnessSearch.Item(step: steps[$0], end: steps[$0].end, mayBeLeftOut: steps[$0].end == nil)
    }
    let mentioned = mentionedWriters(part, kept)
    for index in mentioned { items.append(writeAtItsTime(index)) }
    guard items.count <= WitnessSearch.maximumItems else { return nil }
    if part.mismatches > 0 {
      let isUsed = Set(kept + mentioned.map { writers[$0].position })
      items += widest(items, but: isUsed, copies: part.mismatches)
    }
    return items
  }

  private func writeAtItsTime(_ index: Int, value: Int64? = nil) -> WitnessSearch.Item {
    var step = steps[writers[index].position]
    step.action = .write(value ?? writers[index].value)
    step.end = latestEnd(ofWriter: index)
    return WitnessSearch.Item(step: step, end: step.end, mayBeLeftOut: true)
  }

  /// Other writes, as far as their times differ to the items: what lies within another counts as
  /// that other. As many copies of each as there are mismatches to explain.
  private func widest(
    _ items: [WitnessSearch.Item], but isUsed: Set<Int>, copies: Int
  ) -> [WitnessSearch.Item] {
    let ends = items.compactMap(\.end).sorted()
    let starts = items.map(\.step.start).sorted()
    func countBelow(_ bound: UInt64, _ sorted: [UInt64]) -> Int {
      var low = 0
      var high = sorted.count
      while low < high {
        let middle = (low + high) / 2
        if sorted[middle] < bound { low = middle + 1 } else { high = middle }
      }
      return low
    }
    // By how many items ended before it started: the write that the most items started before
    // the end of.
    var best: [(reach: Int, index: Int)?] = Array(repeating: nil, count: ends.count + 1)
    for (index, writer) in writers.enumerated() where !isUsed.contains(writer.position) {
      let after = countBelow(steps[writer.position].start, ends)
      let reach =
        latestEnd(ofWriter: index).map { $0 == .max ? starts.count : countBelow($0 + 1, starts) }
        ?? starts.count + 1
      if best[after].map({ $0.reach < reach }) ?? true { best[after] = (reach, index) }
    }
    var result: [WitnessSearch.Item] = []
    var furthest = -1
    for case let found? in best where found.reach > furthest {
      furthest = found.reach
      for _ in 0..<copies {
        result.append(writeAtItsTime(found.index, value: unusedValue + Int64(result.count)))
      }
    }
    return result
  }
}
