/// Lists that are only appended to.
///
/// Fields: `append` has the element in `value`; a `read` has the whole list in `value` as a
/// `.list`, absent being empty. Each key is a list of its own.
///
/// Where no element is appended twice the decision is direct. All lists that were read are states
/// of one list that only grows, so each is a beginning of the longest one. That fixes the order:
/// the append of the i-th element of the longest has rank 2i, a read of i elements rank 2i + 1, and
/// an acknowledged append that no read found comes after all of them. Operations of one rank are
/// reads that found the same, or appends after the last read, and may stand in any order: the rest
/// is `RankedOrder`. An append with an unknown outcome that was found has happened and has no end;
/// one that was not found may never have happened. The work is linear in what was read, but for
/// sorting. Where elements repeat, the searches decide.
enum ListModel {
  static let name = "linearizability of lists"

  static func check(
    _ history: [HistoryOperation], _ bounds: LinearizabilityChecker.Bounds
  ) -> Verdict {
    let deadline = Deadline(bounds.seconds)
    return ModelOutcome.verdict(name, history) { _, positions in
      let positions = positions.map { Int($0) }
      return AnyTimeWitness(history, positions, update: .append, bounds).reduce(
        decide(history, positions, bounds, deadline)
      ) { part in decide(part, Array(part.indices), bounds.ofPart, Deadline(bounds.ofPart.seconds))
      }
    }
  }

  private static func decide(
    _ history: [HistoryOperation], _ positions: [Int], _ bounds: LinearizabilityChecker.Bounds,
    _ deadline: Deadline
  ) -> ModelOutcome {
    let method = "order of the elements"
    /// By element: its append.
    var appends: [HistoryValue: Int] = [:]
    var refused: [HistoryValue: Int] = [:]
    var reads: [(source: Int, elements: [HistoryValue])] = []
    var repeats = false
    for position in positions {
      switch history[position].kind {
      case .append:
        guard let element = history[position].value else {
          return .invalid("an append without an element: \(history[position].jsonLine)")
        }
        if !history[position].mayHaveHappened {
          refused[element] = position
        } else if appends.updateValue(position, forKey: element) != nil {
          repeats = true
        }
      case .read:
        guard history[position].outcome == .ok else { continue }
        guard let elements = history[position].elements else {
          return .invalid("a read of something else than a list: \(history[position].jsonLine)")
        }
        reads.append((position, elements))
      default:
        return .invalid("an operation of another model: \(history[position].jsonLine)")
      }
    }
    reads.sort { ($0.elements.count, $0.source) < ($1.elements.count, $1.source) }
    for (shorter, longer) in zip(reads, reads.dropFirst())
    where !longer.elements.starts(with: shorter.elements) {
      let pair = (history[shorter.source], history[longer.source])
      return .violated(
        "two reads found lists of which neither begins the other", [shorter.source, longer.source],
        method: method,
        [
          "Process \(pair.0.process) and process \(pair.1.process) found "
            + "\(difference(shorter.elements, longer.elements)): "
            + "no list that is only appended to begins with both."
        ])
    }
    if repeats {
      return ListSearch.decide(
        history, positions, longest: reads.last?.elements ?? [], bounds, deadline)
    }
    return decide(history, positions, appends, refused, reads, method)
  }

  private static func decide(
    _ history: [HistoryOperation], _ positions: [Int], _ appends: [HistoryValue: Int],
    _ refused: [HistoryValue: Int], _ reads: [(source: Int, elements: [HistoryValue])],
    _ method: String
  ) -> ModelOutcome {
    let longest = reads.last
    var ranks: [HistoryValue: Int] = [:]
    for (rank, element) in (longest?.elements ?? []).enumerated() {
      let source = longest?.source ?? 0
      if ranks.updateValue(rank, forKey: element) != nil {
        return .violated(
          "\(element.json) is in the list twice, and was appended once",
          [source] + (appends[element].map { [$0] } ?? []), method: method)
      }
      if appends[element] == nil {
        return .violated(
          refused[element] == nil
            ? "\(element.json) was read and never appended"
            : "\(element.json) was read, and its append refused",
          [source] + (refused[element].map { [$0] } ?? []), method: method)
      }
    }
    var ranked: [RankedOrder.Operation] = []
    for position in positions where history[position].kind == .append {
      guard let element = history[position].value, history[position].mayHaveHappened else {
        continue
      }
      let end = history[position].knownEnd
      guard let rank = ranks[element] ?? (end == nil ? nil : ranks.count) else { continue }
      ranked.append(
        RankedOrder.Operation(
          source: position, start: history[position].startNanoseconds, end: end, rank: rank * 2 + 2)
      )
    }
    for read in reads {
      ranked.append(
        RankedOrder.Operation(
          source: read.source, start: history[read.source].startNanoseconds,
          end: history[read.source].knownEnd, rank: read.elements.count * 2 + 1))
    }
    guard let (ended, began) = RankedOrder.inversion(ranked) else { return .fine(method: method) }
    return .violated(
      sentence(history[ended], history[began]),
      [ended, began]
        + (history[ended].kind == history[began].kind
          && history[began].kind == .append ? (longest.map { [$0.source] } ?? []) : []),
      method: method)
  }

  /// Where two lists part.
  private static func difference(_ one: [HistoryValue], _ other: [HistoryValue]) -> String {
    var position = 0
    while position < one.count && position < other.count && one[position] == other[position] {
      position += 1
    }
    func shown(_ elements: [HistoryValue]) -> String {
      let from = max(0, position - 2)
      let to = min(elements.count, position + 3)
      return "[" + (from > 0 ? "… " : "") + elements[from..<to].map(\.json).joined(separator: " ")
        + (to < elements.count ? " …" : "") + "]"
    }
    return "\(shown(one)) and \(shown(other))"
  }

  private static func sentence(
    _ ended: HistoryOperation, _ began: HistoryOperation
  ) -> String {
    let element = { (operation: HistoryOperation) in operation.value?.json ?? "null" }
    return switch (ended.kind, began.kind) {
    case (.append, .append):
      "the append of \(element(ended)) ended before that of \(element(began)) began, but "
        + "\(element(began)) is in the list and \(element(ended)) is not before it"
    case (.append, _):
      "the append of \(element(ended)) had ended before a read began that did not find it"
    case (_, .append):
      "a read had ended that found \(element(began)) before its append began"
    default: "a read found less than another that had ended before it began"
    }
  }
}
