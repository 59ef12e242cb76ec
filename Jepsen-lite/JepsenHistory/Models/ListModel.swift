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
    return ModelOutcome.verdict(name, history) { _, places in
      decide(history, places.map { Int($0) }, bounds, deadline)
    }
  }

  private static func decide(
    _ history: [HistoryOperation], _ places: [Int], _ bounds: LinearizabilityChecker.Bounds,
    _ deadline: Deadline
  ) -> ModelOutcome {
    let method = "order of the elements"
    /// By element: its append.
    var appends: [HistoryValue: Int] = [:]
    var refused: [HistoryValue: Int] = [:]
    var reads: [(source: Int, elements: [HistoryValue])] = []
    var repeats = false
    for place in places {
      switch history[place].kind {
      case .append:
        guard let element = history[place].value else {
          return .invalid("an append without an element: \(history[place].jsonLine)")
        }
        if !history[place].mayHaveHappened {
          refused[element] = place
        } else if appends.updateValue(place, forKey: element) != nil {
          repeats = true
        }
      case .read:
        guard history[place].outcome == .ok else { continue }
        guard let elements = history[place].elements else {
          return .invalid("a read of something else than a list: \(history[place].jsonLine)")
        }
        reads.append((place, elements))
      default:
        return .invalid("an operation of another model: \(history[place].jsonLine)")
      }
    }
    if repeats { return ListSearch.decide(history, places, bounds, deadline) }
    reads.sort { ($0.elements.count, $0.source) < ($1.elements.count, $1.source) }
    for (shorter, longer) in zip(reads, reads.dropFirst())
    where !longer.elements.starts(with: shorter.elements) {
      return .violated(
        "two reads found lists of which neither begins the other", [shorter.source, longer.source],
        method: method)
    }
    return decide(history, places, appends, refused, reads, method)
  }

  private static func decide(
    _ history: [HistoryOperation], _ places: [Int], _ appends: [HistoryValue: Int],
    _ refused: [HistoryValue: Int], _ reads: [(source: Int, elements: [HistoryValue])],
    _ method: String
  ) -> ModelOutcome {
    let longest = reads.last
    var positions: [HistoryValue: Int] = [:]
    for (position, element) in (longest?.elements ?? []).enumerated() {
      let source = longest?.source ?? 0
      if positions.updateValue(position, forKey: element) != nil {
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
    for place in places where history[place].kind == .append {
      guard let element = history[place].value, history[place].mayHaveHappened else { continue }
      let end = history[place].knownEnd
      guard let rank = positions[element] ?? (end == nil ? nil : positions.count) else { continue }
      ranked.append(
        RankedOrder.Operation(
          source: place, start: history[place].startNanoseconds, end: end, rank: rank * 2 + 2))
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

/// Lists in which elements repeat: states are the nodes of a tree of all lists that can be.
final class ListSearch: SearchModel {
  private enum Action {
    case append(Int)
    /// Of exactly the list that this node stands for.
    case read(Int64)
  }

  private struct Edge: Hashable {
    var from: Int64
    var element: Int
  }

  private var actions: [Action] = []
  private var children: [Edge: Int64] = [:]
  private var nodes: Int64 = 1

  private func child(_ from: Int64, _ element: Int) -> Int64 {
    let edge = Edge(from: from, element: element)
    if let known = children[edge] { return known }
    children[edge] = nodes
    nodes += 1
    return nodes - 1
  }

  func next(_ action: Int, after state: Int64) -> Int64? {
    switch actions[action] {
    case .append(let element): child(state, element)
    case .read(let node): node == state ? state : nil
    }
  }

  func isObservation(_ action: Int) -> Bool {
    if case .read = actions[action] { true } else { false }
  }

  func produced(by action: Int) -> Int64? { nil }

  func needed(by action: Int) -> Int64? {
    if case .read(let node) = actions[action] { node } else { nil }
  }

  func observesAny(_ action: Int) -> Bool { false }
  func commutes(_ action: Int) -> Bool { false }

  static func decide(
    _ history: [HistoryOperation], _ places: [Int], _ bounds: LinearizabilityChecker.Bounds,
    _ deadline: Deadline
  ) -> ModelOutcome {
    let model = ListSearch()
    var elements: [HistoryValue: Int] = [:]
    var actionOfElement: [Int32] = []
    var actionOfNode: [Int64: Int32] = [:]
    func number(_ element: HistoryValue) -> Int {
      if let known = elements[element] { return known }
      elements[element] = elements.count
      actionOfElement.append(Int32(model.actions.count))
      model.actions.append(.append(elements.count - 1))
      return elements.count - 1
    }
    var sources: [Int] = []
    var input: [SearchSpace.Input] = []
    for place in places where history[place].mayHaveHappened {
      let action: Int32
      if history[place].kind == .append, let element = history[place].value {
        action = actionOfElement[number(element)]
      } else if let found = history[place].elements, history[place].outcome == .ok {
        var node: Int64 = 0
        for element in found { node = model.child(node, number(element)) }
        action = actionOfNode[node] ?? Int32(model.actions.count)
        if actionOfNode[node] == nil {
          actionOfNode[node] = action
          model.actions.append(.read(node))
        }
      } else {
        continue
      }
      sources.append(place)
      input.append(
        SearchSpace.Input(
          action: action, start: history[place].startNanoseconds, end: history[place].knownEnd))
    }
    return SearchedOutcome.decide(
      history, sources, input, model, initial: [0], bounds, deadline)
  }
}
