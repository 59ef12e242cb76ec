extension LinearizabilityChecker {
  /// All keys of registers or counters. Each is given a slice of steps; those that are not decided
  /// get further and larger slices in turn, until the bounds are reached or one is violated.
  func checkKeys(_ history: [HistoryOperation], _ model: Model) -> Verdict {
    let name = "linearizability of \(model.rawValue)s"
    let groups = KeyGroups(history)
    let deadline = Deadline(bounds.seconds)
    var tally = Tally(operations: history.count, keys: groups.keys.count)
    var open: [(key: Int, decision: KeyDecision?)] = []
    for key in groups.keys.indices {
      if deadline.isOver {
        tally.undecided.append((groups.keys[key], "the time allowed was used up"))
        continue
      }
      var decision = KeyDecision(
        history, groups.operations(of: key), self, isCounter: model == .counter)
      decision.run(steps: KeyDecision.firstSlice, bounds)
      if decision.state == .open {
        open.append((key, decision))
      } else {
        tally.record(key, groups.keys[key], decision)
      }
    }
    var slice = KeyDecision.firstSlice * 2
    while !open.isEmpty && tally.violated == nil && !deadline.isOver {
      var left: [(key: Int, decision: KeyDecision?)] = []
      // What is undecided shares the memory.
      var share = bounds
      share.bytes /= open.count
      for position in open.indices {
        let isOver = deadline.isOver || tally.violated != nil
        // Taken out, so that it is not copied when it goes on.
        guard !isOver, var decision = open[position].decision.take() else {
          left.append(open[position])
          continue
        }
        decision.run(steps: slice, share)
        if decision.state == .open {
          left.append((open[position].key, decision))
        } else {
          tally.record(open[position].key, groups.keys[open[position].key], decision)
        }
      }
      open = left
      slice = min(slice * 2, KeyDecision.largestSlice)
    }
    for (key, _) in open { tally.undecided.append((groups.keys[key], "the time was used up")) }
    return tally.verdict(name, history, bounds)
  }
}

/// What the keys came to.
private struct Tally {
  var operations: Int
  var keys: Int
  var violated: (key: Int, name: String, decision: KeyDecision)?
  var violatedCount = 0
  /// The first key that has an operation of another model: nothing can be said of it.
  var foreign: KeyDecision?
  var undecided: [(key: String, why: String)] = []
  private var methods: [(name: String, keys: Int)] = []

  init(operations: Int, keys: Int) {
    self.operations = operations
    self.keys = keys
  }

  mutating func record(_ key: Int, _ name: String, _ decision: KeyDecision) {
    switch decision.state {
    case .linearizable: count(decision.method)
    case .violated where decision.problem?.isForeign ?? false:
      if foreign == nil { foreign = decision }
    case .violated:
      count(decision.method)
      violatedCount += 1
      if violated == nil || key < violated?.key ?? 0 { violated = (key, name, decision) }
    case .open, .givenUp: undecided.append((name, decision.reason))
    }
  }

  private mutating func count(_ method: String) {
    if let known = methods.firstIndex(where: { $0.name == method }) {
      methods[known].keys += 1
    } else {
      methods.append((method, 1))
    }
  }

  func verdict(
    _ name: String, _ history: [HistoryOperation], _ bounds: LinearizabilityChecker.Bounds
  ) -> Verdict {
    let all = methods.map(\.name).joined(separator: ", ")
    let size = "\(operations) operations on \(keys) key\(keys == 1 ? "" : "s")"
    if let (_, key, decision) = violated {
      let witness = decision.witness(key, history, bounds)
      let more = violatedCount > 1 ? " So are \(violatedCount - 1) more keys." : ""
      if let problem = decision.problem {
        return Verdict(name, .violated, method: decision.method, text: problem.text)
      }
      let text =
        "Of \(size): \(key) is not linearizable, \(decision.shortText(history)).\(more)"
      return Verdict(name, .violated, method: decision.method, text: text, witness: witness)
    }
    if let foreign, let problem = foreign.problem {
      return Verdict(name, .invalid, method: foreign.method, text: problem.text)
    }
    if !undecided.isEmpty {
      let named = undecided.prefix(5).map { "\($0.key) (\($0.why))" }.joined(separator: ", ")
      let more = undecided.count > 5 ? ", …" : ""
      return Verdict(
        name, .unknown, method: all.isEmpty ? "search" : all,
        text: "Of \(size), \(undecided.count) of the keys are undecided: \(named)\(more).")
    }
    let by = methods.map { "\($0.keys) by \($0.name)" }.joined(separator: ", ")
    return Verdict(
      name, .passed, method: all.isEmpty ? "counting" : all,
      text: "\(size): every key is linearizable\(by.isEmpty ? "" : " (\(by))").")
  }
}
