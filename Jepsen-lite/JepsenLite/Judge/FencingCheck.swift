internal import JepsenHistory

/// What locks with fencing guard: by rising version of the record, the tokens of its writers never
/// fall, and as a register it is linearizable. (The locks themselves are judged by their model.)
enum FencingCheck {
  static let name = "writes under locks are fenced"

  private struct Sight {
    var version: UInt64
    var token: Int64
    var operation: HistoryOperation
  }

  static func verdict(
    _ history: [HistoryOperation], _ checker: LinearizabilityChecker
  ) -> Verdict {
    let guarded = history.filter { $0.kind == .read || $0.kind == .write }
    var seen: [String: [Sight]] = [:]
    for operation in guarded where operation.outcome == .ok {
      guard let version = operation.index, let text = operation.value?.text else { continue }
      guard let token = Int64(text.prefix { $0 != ":" }) else {
        return violated(operation.key, [operation], "what is guarded holds something without token")
      }
      seen[operation.key, default: []].append(
        Sight(version: version, token: token, operation: operation))
    }
    for key in seen.keys.sorted() {
      let order = (seen[key] ?? []).sorted { $0.version < $1.version }
      for (older, newer) in zip(order, order.dropFirst()) where newer.token < older.token {
        return violated(
          key, [older.operation, newer.operation],
          "what \(key) guards accepted a write with the token \(newer.token) after one with "
            + "\(older.token): its writer had lost the lock")
      }
    }
    var verdict = checker.check(guarded, model: .register)
    verdict.name = name
    if verdict.status == .passed {
      let writes = guarded.count { $0.kind == .write && $0.outcome == .ok }
      verdict.text = "\(writes) guarded writes, none with a token below that of an earlier one."
    }
    return verdict
  }

  private static func violated(
    _ key: String, _ operations: [HistoryOperation], _ text: String
  ) -> Verdict {
    Verdict(
      name, .violated, method: "order of tokens and versions", text: text,
      witness: Witness(key: key, operations: operations, explanation: [text + "."]))
  }
}
