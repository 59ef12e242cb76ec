internal import KVBase

/// Seeded histories that show how fast the checks decide.
package enum HistoryBench {
  // MARK: Generators

  /// What clients of a correct register would record: each operation takes effect at one moment
  /// between its start and its end.
  package struct Load: Sendable {
    package var operations = 1_000_000
    package var clients = 32
    package var seed: UInt64 = 1
    /// 0: every value is written once.
    package var distinctValues: UInt64 = 0
    /// Of 1,000 operations.
    package var unknown: UInt64 = 2
    package var reads: UInt64 = 500
    package var compareAndSets: UInt64 = 150

    package init() {}
  }

  private struct Pending {
    var operation: HistoryOperation
    var effect: UInt64
  }

  package static func register(_ load: Load) -> [HistoryOperation] {
    var random = SeededRandom(seed: load.seed)
    var history: [HistoryOperation] = []
    history.reserveCapacity(load.operations)
    var state: HistoryValue?
    var written: UInt64 = 0
    /// What each client will begin next.
    var nextStart: [UInt64] = (0..<load.clients).map { _ in random.below(1_000) }
    /// By effect: begun, and not yet effective.
    var waiting: [Pending] = []
    /// What a client last saw, which is what it expects in a cas.
    var lastSeen: [HistoryValue?] = Array(repeating: nil, count: load.clients)
    func complete(until time: UInt64) {
      while let first = waiting.last, first.effect <= time {
        waiting.removeLast()
        var operation = first.operation
        switch operation.kind {
        case .read: operation.value = state
        case .write: state = operation.value
        case .delete: state = nil
        default:
          if state == operation.expected {
            state = operation.value
          } else if operation.outcome == .ok {
            operation.outcome = .mismatch
          }
        }
        if operation.outcome != .unknown {
          lastSeen[operation.process] = state
        } else if operation.kind == .read {
          operation.value = nil
        }
        history.append(operation)
      }
    }
    for _ in 0..<load.operations {
      var client = 0
      for other in nextStart.indices where nextStart[other] < nextStart[client] { client = other }
      let start = nextStart[client]
      complete(until: start)
      let duration = 20_000 + random.below(80_000)
      let isUnknown = random.below(1_000) < load.unknown
      var operation = begin(load, client, &random, &written, expecting: lastSeen[client])
      operation.startNanoseconds = start
      operation.endNanoseconds = isUnknown ? nil : start + duration
      operation.outcome = isUnknown ? .unknown : .ok
      // An unknown one takes effect much later, or never: long after its client went on.
      let effect = start + 1 + (isUnknown ? random.below(1_000_000) : random.below(duration - 1))
      if isUnknown && random.chance(1, in: 2) {
        if operation.kind != .read { history.append(operation) }
      } else {
        let position = waiting.firstIndex { $0.effect <= effect } ?? waiting.count
        waiting.insert(Pending(operation: operation, effect: effect), at: position)
      }
      nextStart[client] = start + duration + 1 + random.below(5_000)
    }
    complete(until: UInt64.max)
    history.sort { ($0.startNanoseconds, $0.process) < ($1.startNanoseconds, $1.process) }
    return history
  }

  private static func begin(
    _ load: Load, _ client: Int, _ random: inout SeededRandom, _ written: inout UInt64,
    expecting expected: HistoryValue?
  ) -> HistoryOperation {
    var operation = HistoryOperation(
      process: client, kind: .read, key: "hot", startNanoseconds: 0, endNanoseconds: nil,
      outcome: .ok)
    let kind = random.below(1_000)
    if kind < load.reads { return operation }
    written += 1
    operation.value = .text(
      String(load.distinctValues == 0 ? written : random.below(load.distinctValues)))
    operation.kind = .write
    if kind < load.reads + load.compareAndSets {
      operation.kind = .cas
      operation.expected = expected
    }
    return operation
  }

  /// A correct history but for one read, in its middle, of a value that had long been overwritten.
  package static func violated(_ load: Load) -> [HistoryOperation] {
    var history = register(load)
    var old: HistoryValue?
    for position in history.indices {
      guard history[position].kind == .read, history[position].outcome == .ok else { continue }
      if position < history.count / 4 {
        old = history[position].value ?? old
      } else if position >= history.count / 2 {
        history[position].value = old
        break
      }
    }
    return history
  }

  /// Repeated values, many unknown outcomes, 5 processes at a time. Half of them have one read or
  /// cas changed, which makes most of those impossible.
  package static func hard(seed: UInt64, operations: Int = 100) -> [HistoryOperation] {
    var random = SeededRandom(seed: seed)
    var load = Load()
    load.operations = operations
    load.clients = 5
    load.seed = random.next()
    load.distinctValues = 2 + random.below(4)
    load.unknown = 200 + random.below(101)
    load.reads = 300 + random.below(200)
    load.compareAndSets = 200 + random.below(200)
    var history = register(load)
    guard random.chance(1, in: 2) else { return history }
    let seen = history.indices.filter {
      history[$0].outcome == .ok && (history[$0].kind == .read || history[$0].kind == .cas)
    }
    guard !seen.isEmpty else { return history }
    let position = seen[Int(random.below(UInt64(seen.count)))]
    let other = HistoryValue.text(String(random.below(load.distinctValues)))
    if history[position].kind == .read {
      history[position].value = other
    } else {
      history[position].expected = other
    }
    return history
  }

  // MARK: Runs

  /// Lines of text: what was decided, by what, in which time. `which`: `hot`, `repeated`,
  /// `violated`, `hard` or `all`.
  package static func run(_ which: String = "all", hardHistories: Int = 1_000) -> [String] {
    var lines: [String] = []
    var load = Load()
    if which == "all" || which == "hot" {
      lines.append(line("1,000,000 operations on one key, 32 clients", register(load)))
    }
    if which == "all" || which == "repeated" {
      load.operations = 100_000
      load.distinctValues = 50
      lines.append(
        line("100,000 operations on one key, 32 clients, 50 values", register(load)))
    }
    if which == "all" || which == "violated" {
      load.operations = 100_000
      load.distinctValues = 0
      lines.append(line("100,000 operations, one planted violation", violated(load)))
    }
    if which == "all" || which == "hard" { lines.append(hardLine(hardHistories)) }
    return lines
  }

  private static func line(_ name: String, _ history: [HistoryOperation]) -> String {
    let clock = RunClock()
    let verdict = LinearizabilityChecker(bounds: LinearizabilityChecker.Bounds()).check(
      history, model: .register)
    let taken = clock.now
    let witness = verdict.witness.map { ", witness of \($0.operations.count) operations" } ?? ""
    return "\(name): \(verdict.status.rawValue) by \(verdict.method) in "
      + "\(milliseconds(taken))\(witness)"
  }

  private static func hardLine(_ count: Int) -> String {
    var times: [UInt64] = []
    var statuses: [Verdict.Status: Int] = [:]
    var methods: [String: Int] = [:]
    let checker = LinearizabilityChecker(
      bounds: LinearizabilityChecker.Bounds(seconds: 10, bytes: 1 << 30))
    for seed in 0..<count {
      let history = hard(seed: UInt64(seed))
      let clock = RunClock()
      let verdict = checker.check(history, model: .register)
      times.append(clock.now)
      statuses[verdict.status, default: 0] += 1
      methods[verdict.method, default: 0] += 1
    }
    times.sort()
    guard let longest = times.last else { return "no hard histories" }
    let by = methods.keys.sorted().map { "\(methods[$0] ?? 0) by \($0)" }.joined(separator: ", ")
    return "\(count) histories of 100 operations, repeated values, 20–30 % unknown: "
      + "\(statuses[.passed] ?? 0) linearizable, \(statuses[.violated] ?? 0) violated, "
      + "\(statuses[.unknown] ?? 0) unknown; p50 \(milliseconds(times[times.count / 2])), "
      + "p99 \(milliseconds(times[times.count * 99 / 100])), most \(milliseconds(longest)) (\(by))"
  }

  private static func milliseconds(_ nanoseconds: UInt64) -> String {
    let hundredths = nanoseconds / 10_000
    let fraction = hundredths % 100
    return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction) ms"
  }
}
