extension Promises {
  /// After healing all replicas hold the same: final reads of each key, one from each of `nodes`
  /// (reads that began at `finalFrom` or later, and say which node answered).
  package func convergence(finalFrom: UInt64, nodes: [UInt32]) -> Verdict {
    let name = "convergence"
    var compared = 0
    var incomplete = 0
    var findings = Findings()
    for key in keys {
      var latest: [UInt32: Int] = [:]
      for read in key.reads where history[read].startNanoseconds >= finalFrom {
        if let node = history[read].node { latest[node] = read }
      }
      guard nodes.allSatisfy({ latest[$0] != nil }) else {
        incomplete += 1
        continue
      }
      compared += 1
      let reads = nodes.compactMap { latest[$0] }
      guard let first = reads.first else { continue }
      if let other = reads.first(where: { history[$0].value != history[first].value }) {
        findings.violated(
          witness(key.key, [first, other]) { names in
            [
              "\(names[first] ?? "") was answered by node \(history[first].node ?? 0), and"
                + " \(names[other] ?? "") by node \(history[other].node ?? 0)."
            ]
          })
      }
    }
    let among = "on \(nodes.count) nodes"
    if findings.violations > 0 {
      return Verdict(
        name, .violated, method: "comparison",
        text: "\(findings.violations) of \(compared) keys differ \(among)",
        witness: findings.witness)
    }
    guard compared > 0 else {
      return Verdict(
        name, .invalid, method: "comparison",
        text: "no key was read from all of \(nodes.count) nodes at the end")
    }
    guard incomplete == 0 else {
      return Verdict(
        name, .unknown, method: "comparison",
        text: "\(compared) keys are equal \(among); \(incomplete) were not read from all of them")
    }
    return Verdict(
      name, .passed, method: "comparison", text: "all \(compared) keys are equal \(among)")
  }
}

/// What a history must have to prove anything.
package struct OutcomeMinimums: Sendable {
  /// Of all operations, and of those of each kind: the share with a definite outcome.
  package var definiteShare = 0.5
  package var definiteSharePerKind = 0.1
  /// Operations that were carried out, or whose condition was found not to hold.
  package var answered = 1
  package var answeredPerKind = 1
  /// Of each kind, how many must have had their effect: so many, fewer where less than `triesPerOK`
  /// times as many were tried, and more where that share of all tries is more.
  package var okPerKind = 0
  package var triesPerOK = 20
  package var okSharePerKind = 0.0
  /// Kinds that must have been tried at all.
  package var kinds: [HistoryOperation.Kind] = []

  package init() {}
}

extension OutcomeMinimums {
  func leastOK(of tries: Int) -> Int {
    max(min(okPerKind, tries / max(triesPerOK, 1)), Int(okSharePerKind * Double(tries)))
  }
}

/// How the operations of a history ended.
package struct OutcomeCounts: Hashable, Sendable {
  package var total = 0
  package var ok = 0
  package var mismatched = 0
  package var refused = 0
  package var unknown = 0

  package init(_ operations: some Sequence<HistoryOperation>) {
    for operation in operations { add(operation) }
  }

  package mutating func add(_ operation: HistoryOperation) {
    total += 1
    switch operation.outcome {
    case .ok: ok += 1
    case .mismatch: mismatched += 1
    case .refused: refused += 1
    case .unknown: unknown += 1
    }
  }

  package var answered: Int { ok + mismatched }
  package var definite: Int { total - unknown }

  /// Whether the history has too few definite outcomes to prove anything: a check of it passes
  /// because it knows nothing.
  package static func verdict(
    _ history: [HistoryOperation], _ minimums: OutcomeMinimums = OutcomeMinimums()
  ) -> Verdict {
    let name = "enough definite outcomes"
    var byKind: [HistoryOperation.Kind: OutcomeCounts] = [:]
    for operation in history {
      byKind[operation.kind, default: OutcomeCounts([])].add(operation)
    }
    let all = OutcomeCounts(history)
    var problems = all.problems(
      "operations", share: minimums.definiteShare, answered: minimums.answered)
    for kind in HistoryOperation.Kind.allCases {
      guard let counts = byKind[kind] else {
        if minimums.kinds.contains(kind) {
          problems.append("no \(kind.rawValue) operation was tried")
        }
        continue
      }
      problems += counts.problems(
        "\(kind.rawValue) operations", share: minimums.definiteSharePerKind,
        answered: minimums.answeredPerKind)
      let least = minimums.leastOK(of: counts.total)
      if counts.ok < least {
        problems.append(
          "\(counts.ok) of \(counts.total) \(kind.rawValue) operations had their effect, at least "
            + "\(least) must have had it")
      }
    }
    let summary =
      "\(all.total) operations: \(all.ok) ok, \(all.mismatched) found another value,"
      + " \(all.refused) refused, \(all.unknown) unknown"
    guard problems.isEmpty else {
      return Verdict(
        name, .invalid, method: "counting",
        text: problems.joined(separator: "; ") + " (\(summary))")
    }
    return Verdict(name, .passed, method: "counting", text: summary)
  }

  private func problems(_ what: String, share: Double, answered least: Int) -> [String] {
    var problems: [String] = []
    if answered < least {
      problems.append("\(answered) of \(total) \(what) were answered, at least \(least) must be")
    }
    if total > 0, Double(definite) < share * Double(total) {
      let percent = Int((Double(definite) / Double(total) * 100).rounded(.down))
      problems.append(
        "\(percent) % of \(total) \(what) have a definite outcome, at least"
          + " \(Int(share * 100)) % must")
    }
    return problems
  }
}
