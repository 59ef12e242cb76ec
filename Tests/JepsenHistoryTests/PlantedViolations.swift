import KVBase

@testable import JepsenHistory

/// Puts one violation into a history that has none.
enum PlantedViolation: String, CaseIterable, Sendable {
  case staleRead, lostWrite, valueReplacedTwice, readFromTheFuture, neverWritten, missedValue
  case writeFromTheFuture, mismatchInCalm

  /// Unknown operations whose values nobody ever saw.
  private static func removeUnseen(from history: inout [HistoryOperation]) {
    var seen: Set<HistoryValue?> = []
    for _ in 0..<10 {
      for operation in history
      where operation.outcome == .ok
        || operation.outcome == .unknown && seen.contains(operation.value)
      {
        if operation.kind == .read { seen.insert(operation.value) }
        if operation.kind == .cas { seen.insert(operation.expected) }
      }
    }
    history.removeAll { $0.outcome == .unknown && !seen.contains($0.value) }
  }

  func plant(
    in operations: [HistoryOperation], random: inout SeededRandom
  ) -> [HistoryOperation] {
    var history = operations
    func pick(_ isFit: (HistoryOperation) -> Bool) -> Int {
      let from = history.count / 4 + Int(random.below(UInt64(history.count / 2)))
      return history[from...].firstIndex(where: isFit) ?? history.firstIndex(where: isFit) ?? 0
    }
    func add(
      _ kind: HistoryOperation.Kind, _ value: HistoryValue?, expected: HistoryValue? = nil,
      from start: UInt64, to end: UInt64, outcome: HistoryOperation.Outcome = .ok
    ) {
      history.append(
        HistoryOperation(
          process: 77, kind: kind, key: "k", value: value, expected: expected,
          startNanoseconds: start, endNanoseconds: end, outcome: outcome))
    }
    switch self {
    case .staleRead:
      let read = pick { $0.kind == .read && $0.value != nil }
      let old = history[..<(read / 2)].last { $0.kind == .write && $0.outcome == .ok }
      history[read].value = old?.value
    case .lostWrite:
      let write = history[pick { $0.kind == .write && $0.outcome == .ok }]
      let end = write.endNanoseconds ?? 0
      let earlier = history.last {
        $0.kind == .read && ($0.endNanoseconds ?? .max) < write.startNanoseconds
      }
      add(.read, earlier?.value, from: end + 1, to: end + 1_000)
    case .valueReplacedTwice:
      let cas = history[pick { $0.kind == .cas && $0.outcome == .ok }]
      add(
        .cas, 900_000_001, expected: cas.expected, from: cas.startNanoseconds,
        to: (cas.endNanoseconds ?? 0) + 10_000)
    case .readFromTheFuture:
      let write = history[pick { $0.kind == .write && $0.outcome == .ok }]
      add(
        .read, write.value, from: write.startNanoseconds - 9_000,
        to: write.startNanoseconds - 1)
    case .neverWritten:
      let read = pick { $0.kind == .read }
      history[read].value = 900_000_002
    case .missedValue:
      let write = history[pick { $0.kind == .write && $0.outcome == .ok }]
      let end = write.endNanoseconds ?? 0
      add(
        .cas, 900_000_003, expected: write.value, from: end + 1, to: end + 1_000,
        outcome: .mismatch)
      add(.read, write.value, from: end + 2_000, to: end + 3_000)
    case .writeFromTheFuture:
      let cas = pick { $0.kind == .cas && $0.outcome == .ok }
      let end = history[cas].endNanoseconds ?? 0
      add(.write, 900_000_004, from: end + 50_000_000, to: end + 60_000_000)
      add(.read, 900_000_004, from: end + 1, to: end + 2_000)
    case .mismatchInCalm:
      // After everything: nothing can have replaced the last value.
      let end = (history.compactMap(\.endNanoseconds).max() ?? 0) + 1_000
      Self.removeUnseen(from: &history)
      add(.write, 900_000_005, from: end, to: end + 1_000)
      add(
        .cas, 900_000_006, expected: 900_000_005, from: end + 2_000, to: end + 3_000,
        outcome: .mismatch)
      add(.write, 900_000_007, from: end + 4_000, to: end + 5_000)
    }
    return history.sorted { $0.startNanoseconds < $1.startNanoseconds }
  }
}
