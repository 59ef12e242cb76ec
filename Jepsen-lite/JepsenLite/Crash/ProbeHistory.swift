internal import JepsenHistory
internal import KVBase
internal import KVClient

/// Judges what the probe saw: every key's history must be linearizable, with what is found there in
/// the end as its last reads.
enum ProbeHistory {
  static func problems(
    _ operations: [Probe.Operation], _ plan: Probe.Plan, reader: Client
  ) async -> (violations: [String], undecided: [String]) {
    var histories: [String: [HistoryOperation]] = [:]
    for (number, operation) in operations.enumerated() {
      let name = plan.name(operation.target, operation.key)
      histories[name, default: []].append(
        Self.history(operation, number, name, plan.value(number)))
    }
    var violations: [String] = []
    var undecided: [String] = []
    let end = operations.map(\.end.nanoseconds).max() ?? 0
    for name in histories.keys.sorted() {
      guard var history = histories[name] else { continue }
      do {
        let final = try await reader.get(name, options: Options(timeout: .seconds(20)))
        history.append(
          HistoryOperation(
            process: -1, kind: .read, key: name, value: final?.text.map { .text($0) },
            startNanoseconds: end + 1,
            endNanoseconds: end + 2, outcome: .ok))
      } catch {
        violations.append("\(name) can't be read: \(error.message)")
        continue
      }
      switch LinearizabilityChecker(maximumSteps: 1_000_000).checkKey(history, model: .register) {
      case .linearizable: break
      case .violated(let why): violations.append("\(name) is not linearizable: \(why)")
      case .unknown(let steps): undecided.append("\(name): undecided after \(steps) steps")
      }
    }
    return (violations, undecided)
  }

  private static func history(
    _ operation: Probe.Operation, _ number: Int, _ name: String, _ value: String
  ) -> HistoryOperation {
    var entry = HistoryOperation(
      process: number, kind: operation.isPut ? .write : .read, key: name,
      value: operation.isPut ? .text(value) : nil, startNanoseconds: operation.start.nanoseconds,
      endNanoseconds: operation.end.nanoseconds, outcome: .ok)
    switch operation.result {
    case .written: break
    case .found(let text, _): entry.value = text.map { .text($0) }
    case .refused(let why): entry.outcome = .refused(why)
    case .unknown, .pending:
      entry.outcome = .unknown
      entry.endNanoseconds = nil
    }
    return entry
  }
}
