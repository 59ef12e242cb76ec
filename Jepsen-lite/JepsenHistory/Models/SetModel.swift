/// Sets that are only added to.
///
/// Fields: `add` has the element in `value`; a `read` has all elements in `value` as a `.list`, in
/// any order, absent being empty. Each key is a set of its own.
///
/// The sets that were read are states of one set that only grows, so of any two one holds the
/// other; in order of size they are S1 ⊂ S2 ⊂ … . An element that is in Sk and not before was added
/// after all reads of the earlier sets and before the reads of Sk: rank 2k, where a read of Sk has
/// rank 2k + 1. If it was added several times, all of these come no earlier than that, and one of
/// them exactly then; it may as well be the one that began first, since the others are bound by
/// later starts. The rest may come at any later time, as may an acknowledged add that no read
/// found, which comes after the last read. So the ranks are fixed but for those that may only go
/// up, each of which is put as low as what ended before it allows: `RankedOrder`. Adds with unknown
/// outcomes have no end; what was not needed may never have happened. The work is linear in what
/// was read, but for sorting.
enum SetModel {
  static let name = "linearizability of sets"
  private static let method = "order by inclusion"

  static func check(
    _ history: [HistoryOperation], _ bounds: LinearizabilityChecker.Bounds
  ) -> Verdict {
    ModelOutcome.verdict(name, history) { _, positions in
      let positions = positions.map { Int($0) }
      return AnyTimeWitness(history, positions, update: .add, bounds).reduce(
        decide(history, positions)
      ) { part in decide(part, Array(part.indices)) }
    }
  }

  private struct Read {
    var source: Int
    /// Numbers of elements, rising.
    var elements: [Int32]
  }

  private static func decide(_ history: [HistoryOperation], _ positions: [Int]) -> ModelOutcome {
    var numbers: [HistoryValue: Int32] = [:]
    var values: [HistoryValue] = []
    func number(_ value: HistoryValue) -> Int32 {
      if let known = numbers[value] { return known }
      numbers[value] = Int32(values.count)
      values.append(value)
      return Int32(values.count - 1)
    }
    var adds: [(source: Int, element: Int32)] = []
    var refused: [Int32: Int] = [:]
    var reads: [Read] = []
    for position in positions {
      switch history[position].kind {
      case .add:
        guard let value = history[position].value else {
          return .invalid("an add without an element: \(history[position].jsonLine)")
        }
        if history[position].mayHaveHappened {
          adds.append((position, number(value)))
        } else {
          refused[number(value)] = position
        }
      case .read:
        guard history[position].outcome == .ok else { continue }
        guard let found = history[position].elements else {
          return .invalid("a read of something else than a list: \(history[position].jsonLine)")
        }
        let elements = found.map { number($0) }.sorted()
        for (one, other) in zip(elements, elements.dropFirst()) where one == other {
          return .violated(
            "\(values[Int(one)].json) is in the set twice", [position], method: method)
        }
        reads.append(Read(source: position, elements: elements))
      default: return .invalid("an operation of another model: \(history[position].jsonLine)")
      }
    }
    return order(history, values, adds, refused, reads)
  }

  private static func order(
    _ history: [HistoryOperation], _ values: [HistoryValue],
    _ adds: [(source: Int, element: Int32)], _ refused: [Int32: Int], _ reads: [Read]
  ) -> ModelOutcome {
    let reads = reads.sorted { ($0.elements.count, $0.source) < ($1.elements.count, $1.source) }
    /// By element: the first of the sets that holds it, and a read of that.
    var firstSet = [Int](repeating: -1, count: values.count)
    var ranked: [RankedOrder.Operation] = []
    var sets = 0
    var isAdded = [Bool](repeating: false, count: values.count)
    for add in adds { isAdded[Int(add.element)] = true }
    for (position, read) in reads.enumerated() {
      if position == 0 || reads[position - 1].elements.count < read.elements.count { sets += 1 }
      if position > 0, let missing = missing(reads[position - 1].elements, in: read.elements) {
        return .violated(
          "two reads found sets of which neither holds the other: "
            + "\(values[Int(missing)].json) is only in the smaller",
          [reads[position - 1].source, read.source], method: method)
      }
      for element in read.elements where firstSet[Int(element)] < 0 {
        firstSet[Int(element)] = sets
        if !isAdded[Int(element)] {
          let value = values[Int(element)].json
          return .violated(
            refused[element] == nil
              ? "\(value) was read and never added" : "\(value) was read, and its add refused",
            [read.source] + (refused[element].map { [$0] } ?? []), method: method)
        }
      }
      ranked.append(
        RankedOrder.Operation(
          source: read.source, start: history[read.source].startNanoseconds,
          end: history[read.source].knownEnd, rank: sets * 2 + 1))
    }
    var earliest = [Int](repeating: -1, count: values.count)
    for add in adds {
      let known = earliest[Int(add.element)]
      if known < 0 || history[add.source].startNanoseconds < history[known].startNanoseconds {
        earliest[Int(add.element)] = add.source
      }
    }
    for add in adds {
      let first = firstSet[Int(add.element)]
      let end = history[add.source].knownEnd
      let isFixed = first >= 0 && earliest[Int(add.element)] == add.source
      if end == nil && !isFixed { continue }
      ranked.append(
        RankedOrder.Operation(
          source: add.source, start: history[add.source].startNanoseconds, end: end,
          rank: (first >= 0 ? first : sets + 1) * 2, isFixed: isFixed))
    }
    guard let (ended, began) = RankedOrder.inversion(ranked) else { return .fine(method: method) }
    return .violated(
      sentence(history[ended], history[began]),
      [ended, began] + proof(history, reads, firstSet, adds, [ended, began]), method: method)
  }

  /// Where both are adds, the first read that found the later one and not the other shows it.
  private static func proof(
    _ history: [HistoryOperation], _ reads: [Read], _ firstSet: [Int],
    _ adds: [(source: Int, element: Int32)], _ pair: [Int]
  ) -> [Int] {
    guard pair.allSatisfy({ history[$0].kind == .add }),
      let began = adds.first(where: { $0.source == pair[1] })?.element,
      let read = reads.first(where: { $0.elements.contains(began) })
    else { return [] }
    return [read.source]
  }

  private static func missing(_ smaller: [Int32], in larger: [Int32]) -> Int32? {
    var position = 0
    for element in smaller {
      while position < larger.count && larger[position] < element { position += 1 }
      if position == larger.count || larger[position] != element { return element }
    }
    return nil
  }

  private static func sentence(_ ended: HistoryOperation, _ began: HistoryOperation) -> String {
    let element = { (operation: HistoryOperation) in operation.value?.json ?? "null" }
    return switch (ended.kind, began.kind) {
    case (.add, .add):
      "the add of \(element(ended)) ended before that of \(element(began)) began, and a read "
        + "found \(element(began)) without \(element(ended))"
    case (.add, _): "the add of \(element(ended)) ended before a read began that did not find it"
    case (_, .add): "a read had ended that found \(element(began)) before its add began"
    default: "a read found less than another that had ended before it began"
    }
  }
}
