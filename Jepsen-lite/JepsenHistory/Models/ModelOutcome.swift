/// What one key, or one history, comes to under a model.
enum ModelOutcome {
  case fine(method: String)
  case violated(ModelFinding, method: String)
  case undecided(String)
  /// The history can't be understood.
  case invalid(String)
}

/// A violation: what it is, and the positions in the history that show it.
struct ModelFinding {
  var text: String
  var operations: [Int]
  var explanation: [String] = []
  /// Nothing more need be left out, or can be.
  var isReduced = false
}

extension ModelOutcome {
  static func violated(
    _ text: String, _ operations: [Int], method: String, _ explanation: [String] = []
  ) -> ModelOutcome {
    .violated(
      ModelFinding(text: text, operations: operations, explanation: explanation), method: method)
  }

  /// Decides each key for itself and puts one verdict together: that of the first violated key.
  static func verdict(
    _ name: String, _ history: [HistoryOperation],
    decide: (_ key: String, _ positions: ArraySlice<Int32>) -> ModelOutcome
  ) -> Verdict {
    let groups = KeyGroups(history)
    var methods: [String] = []
    var undecided: [String] = []
    var invalid: String?
    for (number, key) in groups.keys.enumerated() {
      switch decide(key, groups.operations(of: number)) {
      case .fine(let method): if !methods.contains(method) { methods.append(method) }
      case .violated(let finding, let method):
        return verdict(name, history, key: key, finding, method)
      case .undecided(let why): undecided.append("\(key) (\(why))")
      case .invalid(let why):
        // A violation of a later key stands all the same.
        if invalid == nil { invalid = why }
      }
    }
    if let invalid {
      return Verdict(name, .invalid, method: "reading the history", text: invalid)
    }
    let count = groups.keys.count
    let size = "\(history.count) operations on \(count) key\(count == 1 ? "" : "s")"
    let method = methods.isEmpty ? "counting" : methods.joined(separator: ", ")
    if !undecided.isEmpty {
      return Verdict(
        name, .unknown, method: method,
        text: "Of \(size), \(undecided.count) of the keys are undecided: "
          + "\(undecided.prefix(5).joined(separator: ", ")).")
    }
    return Verdict(name, .passed, method: method, text: "\(size): no contradiction.")
  }

  static func verdict(
    _ name: String, _ history: [HistoryOperation], key: String, _ finding: ModelFinding,
    _ method: String
  ) -> Verdict {
    let shown = Set(finding.operations).map { history[$0] }.sorted {
      ($0.startNanoseconds, $0.process) < ($1.startNanoseconds, $1.process)
    }
    return Verdict(
      name, .violated, method: method, text: "\(key): \(finding.text)",
      witness: Witness(
        key: key, operations: shown,
        explanation: finding.explanation.isEmpty ? [finding.text] : finding.explanation))
  }
}

extension HistoryOperation {
  /// It had its effect, or may have had it.
  var mayHaveHappened: Bool {
    switch outcome {
    case .ok, .unknown: true
    case .mismatch, .refused: false
    }
  }

  /// The end of an operation that surely happened.
  var knownEnd: UInt64? { outcome == .ok ? (endNanoseconds ?? UInt64.max) : nil }

  /// The elements that a read found; absent is empty. `nil`: something else than a list.
  var elements: [HistoryValue]? {
    switch value {
    case nil: []
    case .list(let elements): elements
    case .text, .integer, .map: nil
    }
  }
}

/// Operations whose order is known but for those that real time may forbid.
///
/// Each has a rank, and every order that explains the answers has the ranks rising; operations of
/// one rank may stand in any order. Those that are not fixed may be ranked higher. Then there is an
/// order that respects real time if and only if no operation ended before another of a lower rank
/// began: sorted by rank, and by start within a rank, all is in its place.
struct RankedOrder {
  struct Operation {
    var source: Int
    var start: UInt64
    /// `nil`: it need not have ended.
    var end: UInt64?
    var rank: Int
    var isFixed = true
  }

  /// The first that began after the end of one that must come later.
  static func inversion(_ operations: [Operation]) -> (ended: Int, began: Int)? {
    var operations = operations
    operations.sort { ($0.start, $0.source) < ($1.start, $1.source) }
    var ends = operations.indices.filter { operations[$0].end != nil }
    ends.sort { operations[$0].end ?? 0 < operations[$1].end ?? 0 }
    var ended = 0
    var highest: (rank: Int, source: Int) = (Int.min, -1)
    for position in operations.indices {
      // An operation that ended before this start has been ranked already.
      while ended < ends.count, let end = operations[ends[ended]].end,
        end < operations[position].start
      {
        let earlier = operations[ends[ended]]
        if earlier.rank > highest.rank { highest = (earlier.rank, earlier.source) }
        ended += 1
      }
      if highest.rank > operations[position].rank {
        if operations[position].isFixed { return (highest.source, operations[position].source) }
        operations[position].rank = highest.rank
      }
    }
    return nil
  }
}
