internal import JepsenHistory

/// From a history to a verdict.
enum CheckDecision {
  /// Below this share of definite outcomes a history proves nothing, whatever a check says.
  static let definiteShare = 0.1

  static func decide(
    _ history: [HistoryOperation], _ model: LinearizabilityChecker.Model, initial: HistoryValue?,
    _ arguments: CheckArguments
  ) -> Verdict {
    // What a failed cas says was settled when the history was read.
    let bounds = LinearizabilityChecker.Bounds(
      seconds: arguments.seconds, bytes: arguments.megabytes << 20)
    var checker = LinearizabilityChecker(bounds: bounds, initial: initial)
    checker.lockLeaseNanoseconds = arguments.leaseSeconds.map { UInt64($0 * 1e9) }
    checker.allowsNegativeBalances = arguments.isOverdraftAllowed
    return checker.check(history, model: model)
  }

  /// A violation stands whatever else is unknown. All other verdicts need something that was seen.
  static func withDoubt(
    _ verdict: Verdict, _ history: [HistoryOperation], _ model: LinearizabilityChecker.Model
  ) -> Verdict {
    guard verdict.status != .violated, let doubt = doubt(history, model) else { return verdict }
    return Verdict(verdict.name, .invalid, method: "counting", text: doubt)
  }

  private static func doubt(
    _ history: [HistoryOperation], _ model: LinearizabilityChecker.Model
  ) -> String? {
    guard !history.isEmpty else { return "The history is empty, which proves nothing." }
    var minimums = OutcomeMinimums()
    minimums.definiteShare = definiteShare
    minimums.definiteSharePerKind = 0
    minimums.answeredPerKind = 0
    minimums.okPerKind = 1
    minimums.triesPerOK = 10
    let counts = OutcomeCounts.verdict(history, minimums)
    if counts.status == .invalid {
      return "Too little is known to prove anything: \(counts.text)."
    }
    guard history.contains(where: { $0.isObserved(by: model) }) else {
      return
        "No operation saw anything (\(observations(of: model))), so that nothing could have been"
        + " wrong: this proves nothing."
    }
    return nil
  }

  private static func observations(of model: LinearizabilityChecker.Model) -> String {
    switch model {
    case .register: "a read, or a cas that was answered"
    case .counter: "a read, or an add that was answered with the sum"
    case .list, .set, .bank: "a read that was answered"
    case .scan: "a scan that was answered"
    case .ids: "an id that was handed out"
    case .locks: "an acquire that was answered"
    }
  }
}

extension HistoryOperation {
  /// Whether its answer says something that the model could contradict.
  fileprivate func isObserved(by model: LinearizabilityChecker.Model) -> Bool {
    if outcome == .mismatch { return kind == .cas && model == .register }
    guard outcome == .ok else { return false }
    return switch model {
    case .register: kind == .read || kind == .cas
    case .counter: kind == .read || kind == .add && result != nil
    case .list, .set, .bank: kind == .read
    case .scan: kind == .scan
    case .ids: kind == .generate && value != nil
    case .locks: kind == .acquire || kind == .write && result != nil
    }
  }
}
