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
    return LinearizabilityChecker(bounds: bounds, initial: initial)
      .check(history, model: model)
  }

  /// A violation stands whatever else is unknown. All other verdicts need something that was seen.
  static func withDoubt(
    _ verdict: Verdict, _ history: [HistoryOperation]
  ) -> Verdict {
    guard verdict.status != .violated, let doubt = doubt(history) else { return verdict }
    return Verdict(verdict.name, .invalid, method: "counting", text: doubt)
  }

  private static func doubt(_ history: [HistoryOperation]) -> String? {
    guard !history.isEmpty else { return "The history is empty, which proves nothing." }
    var minimums = OutcomeMinimums()
    minimums.definiteShare = definiteShare
    minimums.definiteSharePerKind = 0
    minimums.answeredPerKind = 0
    let counts = OutcomeCounts.verdict(history, minimums)
    if counts.status == .invalid {
      return "Too little is known to prove anything: \(counts.text)."
    }
    guard history.contains(where: { $0.isObservation }) else {
      return "No operation saw anything (a read, or a cas that was answered), so that nothing could"
        + " have been wrong: this proves nothing."
    }
    return nil
  }
}

extension HistoryOperation {
  /// Whether its answer says something of the state.
  fileprivate var isObservation: Bool {
    guard outcome == .ok || outcome == .mismatch else { return false }
    switch kind {
    case .read, .cas, .scan, .generate, .acquire, .transfer: return true
    case .write, .delete, .add, .append, .release: return result != nil
    }
  }
}
