internal import JepsenHistory
import KVBase
import KVClientCore
import KVCommand
import KVWire

/// Judges what clients are answered: at once against what was applied and acknowledged, and at the
/// end of a run as a history.
struct AnswerJudge {
  private(set) var history: [HistoryOperation] = []
  /// By `Receipt.Served`.
  private var servedCounts = [UInt64](repeating: 0, count: 8)

  func count(of served: Receipt.Served) -> UInt64 { servedCounts[Int(served.rawValue)] }

  mutating func judge(
    _ outcome: Outcome, _ pending: SimulatedClient.Pending, _ client: SimulatedClient, lane: Int,
    _ world: inout World
  ) {
    var operation = Self.historyOperation(pending, process: client.process(lane: lane))
    operation.endNanoseconds = world.time
    switch outcome {
    case .applied(let result, let receipt):
      add(receipt, pending, client)
      world.observer.effects.checkRealTime(
        receipt.index, group: receipt.group, floors: pending.floors,
        what: "c\(client.index + 1)'s \(operation.kind.rawValue) of \(operation.key)")
      world.observer.effects.acknowledge(receipt.index, group: receipt.group)
      world.observer.staleness.acknowledge(receipt.index, group: receipt.group, at: world.time)
      Self.record(result, in: &operation)
    case .record(let record, let receipt):
      add(receipt, pending, client)
      Self.judge(record, receipt, pending, client, &world.observer.effects)
      Self.judgeAge(receipt, pending, client, &world.observer.staleness)
      operation.value = Workload.historyValue(record?.value.text, of: operation.key)
      operation.outcome = .ok
      client.lanes[lane].lastSeen[operation.key] = .some(record?.value.text)
    case .rejected(let failure):
      operation.outcome = .refused(failure.message)
      world.observer.counts.refusals += 1
    case .unknown:
      operation.outcome = .unknown
      operation.endNanoseconds = nil
    case .records, .page, .sessionsEnded, .map, .status, .health:
      return world.violate(
        .readContent, "\(operation.kind.rawValue) was answered by \(outcome)")
    }
    let kind = pending.operation.counted.index
    world.observer.counts.kinds[kind].tried += 1
    if operation.outcome == .ok { world.observer.counts.kinds[kind].succeeded += 1 }
    switch operation.outcome {
    case .ok, .mismatch: world.observer.counts.definite += 1
    case .refused: break
    case .unknown: world.observer.counts.unknown += 1
    }
    if case .read(let level) = pending.operation.kind, level == .stale || level == .session {
      return
    }
    history.append(operation)
  }

  private mutating func add(
    _ receipt: Receipt, _ pending: SimulatedClient.Pending, _ client: SimulatedClient
  ) {
    client.seen.add(receipt, of: pending.operation.key)
    servedCounts[Int(receipt.served.rawValue)] += 1
  }

  private static func judge(
    _ record: Record?, _ receipt: Receipt, _ pending: SimulatedClient.Pending,
    _ client: SimulatedClient, _ effects: inout EffectChecks
  ) {
    let key = pending.operation.key
    let what = "c\(client.index + 1)'s read of \(key) on \(receipt.node) (\(receipt.served))"
    effects.checkContent(
      record, key: Bytes(key), keyspace: .default, group: receipt.group, at: receipt.index,
      what: what)
    guard case .read(let level) = pending.operation.kind else { return }
    switch level {
    case .linearizable, .quorum:
      effects.checkRealTime(
        receipt.index, group: receipt.group, floors: pending.floors, what: what)
      // What was read has happened, for everybody who asks from now on.
      effects.acknowledge(receipt.index, group: receipt.group)
    case .session:
      effects.checkSession(
        receipt.index, group: receipt.group, after: pending.after, what: what)
    case .stale, .one, .all: break
    }
  }

  private static func judgeAge(
    _ receipt: Receipt, _ pending: SimulatedClient.Pending, _ client: SimulatedClient,
    _ staleness: inout StalenessChecks
  ) {
    guard let limit = pending.maximumAge else { return }
    staleness.check(
      receipt.index, group: receipt.group, maximumAge: limit, start: pending.start,
      what: "c\(client.index + 1)'s read of \(pending.operation.key) on \(receipt.node)")
  }

  private static func record(_ result: CommandResult, in operation: inout HistoryOperation) {
    switch result.conclusion {
    case .effective:
      operation.outcome = .ok
      if case .added(let sum, _) = result { operation.result = .integer(sum) }
    case .conditionFailed: operation.outcome = .mismatch
    case .sessionRefused:
      operation.outcome = .unknown
      operation.endNanoseconds = nil
    case .outOfRange, .keyspaceDropped, .misuse, .other: operation.outcome = .refused("\(result)")
    }
  }

  private static func historyOperation(
    _ pending: SimulatedClient.Pending, process: Int
  ) -> HistoryOperation {
    var operation = HistoryOperation(
      process: process, kind: .read, key: pending.operation.key, startNanoseconds: pending.start,
      endNanoseconds: nil, outcome: .unknown)
    switch pending.operation.kind {
    case .read: break
    case .write(let value):
      operation.kind = .write
      operation.value = .text(value)
    case .cas(let expected, let new):
      operation.kind = .cas
      operation.expected = expected.map { .text($0) }
      operation.value = .text(new)
    case .delete: operation.kind = .delete
    case .add(let delta):
      operation.kind = .add
      operation.value = .integer(delta)
    case .append(let element):
      operation.kind = .append
      operation.value = .text(element)
    }
    return operation
  }

  /// Whether the history of each key has an order that explains it.
  func checkHistory() -> [LinearizabilityFinding] {
    let checker = LinearizabilityChecker()
    var findings: [LinearizabilityFinding] = []
    var hasWitness = false
    for (key, verdict) in checker.check(history, model: Workload.model(of:)) {
      switch verdict {
      case .linearizable: break
      case .violated(let what):
        // One witness shows it; each takes a while to be found.
        var witness: Witness?
        if !hasWitness {
          let operations = history.filter { $0.key == key }
          witness = checker.check(operations, model: Workload.model(of: key)).witness
        }
        hasWitness = true
        findings.append(.violated("\(key): \(what)", witness))
      case .unknown: findings.append(.undecided(key: key))
      }
    }
    return findings
  }
}

enum LinearizabilityFinding {
  case violated(String, Witness?)
  /// The checker gave up on the key.
  case undecided(key: String)
}
