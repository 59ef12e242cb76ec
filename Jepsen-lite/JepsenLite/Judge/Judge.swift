internal import JepsenHistory

/// Carries out the checks of a workload on a history.
enum Judge {
  static func verdicts(
    of checks: [Check], _ history: [HistoryOperation], finalFrom: UInt64
  ) -> [Verdict] {
    checks.map { verdict(of: $0, history, finalFrom: finalFrom) }
  }

  private static func verdict(
    of check: Check, _ history: [HistoryOperation], finalFrom: UInt64
  ) -> Verdict {
    switch check {
    case .linearizable(let model): linearizable(history, model)
    case .scans: ScanCheck.verdict(history)
    case .uniqueIDs: UniqueIDCheck.verdict(history)
    case .fencing: FencingCheck.verdict(history)
    case .noLostWrites, .noResurrection, .readYourWrites, .monotonicReads, .staleness:
      Verdict("\(check)", .unknown, method: "none", text: "not there yet")
    }
  }

  static func linearizable(_ history: [HistoryOperation], _ model: Check.Model) -> Verdict {
    let name = "linearizability of \(model.rawValue)s"
    let checker = LinearizabilityChecker()
    guard model == .register || model == .counter else {
      return Verdict(name, .unknown, method: "none", text: "not there yet")
    }
    let found = checker.check(history) { _ in model == .counter ? .counter : .register }
    for (key, verdict) in found {
      guard case .violated(let why) = verdict else { continue }
      return Verdict(name, .violated, method: "depth-first search", text: "\(key): \(why)")
    }
    if let (key, _) = found.first {
      return Verdict(name, .unknown, method: "depth-first search", text: "\(key) was given up")
    }
    return Verdict(
      name, .passed, method: "depth-first search", text: "\(history.count) operations explained")
  }
}
