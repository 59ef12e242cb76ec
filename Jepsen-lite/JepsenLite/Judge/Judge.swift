internal import JepsenHistory

/// Carries out the checks of a workload on a history.
struct Judge {
  private let history: [HistoryOperation]
  /// From when on everything was read once more.
  private let finalFrom: UInt64
  private let promises: Promises
  private var checker = LinearizabilityChecker(bounds: .init())

  init(_ history: [HistoryOperation], finalFrom: UInt64) {
    self.history = history
    self.finalFrom = finalFrom
    promises = Promises(history)
  }

  func verdicts(of checks: [Check]) -> [Verdict] { checks.flatMap { verdicts(of: $0) } }

  private func verdicts(of check: Check) -> [Verdict] {
    switch check {
    case .linearizable(let model): [checker.check(history, model: model)]
    case .scans: [ScanCheck.verdict(history, checker)]
    case .fencing(let lease): locks(lease)
    case .noLostWrites: [promises.noLostWrites(finalFrom: finalFrom)]
    case .noResurrection: [promises.noResurrection()]
    case .readYourWrites: [promises.readYourWrites()]
    case .monotonicReads: [promises.monotonicReads()]
    case .sessionOrder: [promises.writesInOrder()]
    case .staleness: [staleness]
    case .maximumAge(let age):
      [promises.timeStaleness(boundNanoseconds: UInt64(age / .nanoseconds(1)))]
    }
  }

  private func locks(_ lease: Duration) -> [Verdict] {
    var checker = checker
    checker.lockLeaseNanoseconds = UInt64(lease / .nanoseconds(1))
    return [checker.check(history, model: .locks), FencingCheck.verdict(history, checker)]
  }

  /// How old what stale reads found was: nothing is promised but that somebody had written it.
  private var staleness: Verdict {
    let name = "staleness is measured"
    let found = Promises(history.filter { $0.startNanoseconds < finalFrom }).staleness()
    guard let oldest = found.times.last, let furthest = found.versions.last else {
      return Verdict(name, .invalid, method: "counting", text: "nothing was read")
    }
    let stale = found.versions.count { $0 > 0 }
    func milliseconds(_ percent: Double) -> UInt64 {
      (Promises.Staleness.percentile(found.times, percent) ?? 0) / 1_000_000
    }
    let text =
      "\(stale) of \(found.versions.count) reads were stale, by \(milliseconds(50)) ms (p50), "
      + "\(milliseconds(99)) ms (p99), \(oldest / 1_000_000) ms and \(furthest) writes at most"
    guard found.unwritten == 0 else {
      return Verdict(
        name, .violated, method: "counting",
        text: "\(found.unwritten) reads found what nobody had begun to write; " + text + ".")
    }
    return Verdict(name, .passed, method: "counting", text: text + ".")
  }
}
