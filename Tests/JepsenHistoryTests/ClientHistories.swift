import KVBase

@testable import JepsenHistory

/// What clients of one register do at the same time: each remembers the value that it last saw,
/// and its cas expects that one. Linearizable by the way it is made.
struct ClientHistories {
  var clients = 32
  /// In a hundred.
  var reads: UInt64 = 40
  var writes: UInt64 = 25
  /// In ten thousand.
  var unknown: UInt64 = 50
  /// In a hundred: a cas that expects any recent value, seen or not.
  var guesses: UInt64 = 10
  /// How much longer than usual one answer in a hundred takes.
  var slowness: UInt64 = 20
  var seed: UInt64 = 1

  private struct Call {
    var operation: HistoryOperation
    var effect: UInt64
    var client: Int
  }

  private static func value(_ number: Int64) -> HistoryValue? {
    number == 0 ? nil : .integer(number)
  }

  private static func carryOut(_ operation: inout HistoryOperation, _ state: inout Int64) {
    switch operation.kind {
    case .read: operation.value = value(state)
    case .write: state = operation.value?.integer ?? 0
    default:
      if operation.expected == value(state) {
        state = operation.value?.integer ?? 0
      } else if operation.outcome == .ok {
        operation.outcome = .mismatch
      }
    }
  }

  func make(_ count: Int) -> [HistoryOperation] {
    var random = SeededRandom(seed: seed)
    var history: [HistoryOperation] = []
    history.reserveCapacity(count)
    var state: Int64 = 0
    var fresh: Int64 = 0
    var known = Array(repeating: Int64(0), count: clients)
    var calls: [Call] = []
    var started = 0
    func start(_ client: Int, at now: UInt64) -> Call {
      started += 1
      var operation = HistoryOperation(
        process: client, kind: .read, key: "k", startNanoseconds: now, endNanoseconds: nil,
        outcome: .ok)
      let choice = random.below(100)
      if choice >= reads {
        fresh += 1
        operation.value = .integer(fresh)
        operation.kind = choice < reads + writes ? .write : .cas
      }
      if operation.kind == .cas {
        let guess = max(0, fresh - Int64(random.below(8)))
        let expected = random.chance(guesses, in: 100) ? guess : known[client]
        operation.expected = Self.value(expected)
        if expected == fresh { operation.expected = Self.value(fresh - 1) }
      }
      let slow = random.chance(1, in: 100) ? slowness : 1
      var effect = now + 10_000 + random.below(400_000 * slow)
      if operation.kind != .read && random.chance(unknown, in: 10_000) {
        operation.outcome = .unknown
        effect = random.chance(1, in: 2) ? UInt64.max : now + random.below(50_000_000)
      }
      return Call(operation: operation, effect: effect, client: client)
    }
    /// A client whose call gets no answer goes on after a while.
    func startKnown(_ client: Int, at now: UInt64) {
      var now = now
      while started < count {
        let call = start(client, at: now)
        calls.append(call)
        if call.operation.outcome != .unknown { return }
        now += 1_000_000
      }
    }
    for client in 0..<clients { startKnown(client, at: UInt64(client) * 1_000) }
    while !calls.isEmpty {
      var first = 0
      for index in calls.indices where calls[index].effect < calls[first].effect { first = index }
      let call = calls[first]
      calls.swapAt(first, calls.count - 1)
      calls.removeLast()
      var operation = call.operation
      if call.effect != .max { Self.carryOut(&operation, &state) }
      if operation.outcome != .unknown {
        let slow = random.chance(1, in: 100) ? slowness : 1
        operation.endNanoseconds = call.effect + 10_000 + random.below(300_000 * slow)
        if operation.kind == .read || operation.outcome == .mismatch { known[call.client] = state }
        if operation.kind == .write { known[call.client] = state }
      }
      history.append(operation)
      if let end = operation.endNanoseconds {
        startKnown(call.client, at: end + random.below(20_000))
      }
    }
    return history.sorted { $0.startNanoseconds < $1.startNanoseconds }
  }

  func steps(_ count: Int) -> [LinearizabilityStep] { Self.steps(of: make(count)) }

  static func steps(of operations: [HistoryOperation]) -> [LinearizabilityStep] {
    operations.enumerated().compactMap { source, operation in
      let value = operation.value?.integer ?? 0
      let expected = operation.expected?.integer ?? 0
      let action: LinearizabilityStep.Action
      switch (operation.kind, operation.outcome) {
      case (.read, _): action = .read(value)
      case (.write, _): action = .write(value)
      case (_, .mismatch): action = .differs(from: expected)
      default: action = .compareAndSet(expected: expected, new: value)
      }
      return LinearizabilityStep(
        action: action, start: operation.startNanoseconds,
        end: operation.outcome == .unknown ? nil : operation.endNanoseconds ?? .max,
        source: source)
    }
  }
}
