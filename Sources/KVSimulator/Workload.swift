import KVBase
import KVClientCore
import KVCommand
import KVWire

/// An operation that a client is about to do.
struct PlannedOperation: Sendable {
  enum Kind: Sendable {
    case read(Consistency)
    case write(String)
    case cas(expected: String?, new: String)
    case delete
    case add(Int64)
  }

  var kind: Kind
  var key: String

  var isCounter: Bool { Workload.isCounter(key) }

  /// The call, as the client's core takes it.
  var call: ClientOperation {
    let key = Bytes(key)
    switch kind {
    case .read: return .get(key: key)
    case .write(let value): return .mutate(key: key, .put(value: Bytes(value)))
    case .cas(let expected, let new):
      return .mutate(
        key: key,
        .put(value: Bytes(new), condition: expected.map { .ifValue(Bytes($0)) } ?? .ifAbsent))
    case .delete: return .mutate(key: key, .delete())
    case .add(let delta):
      return .mutate(key: key, .add(delta: delta, minimum: .min, maximum: .max))
    }
  }
}

/// What clients do: registers with unique values, and counters, on few keys at a time. The keys
/// change every few seconds, so that each key's history stays short enough to be judged.
package struct Workload: Sendable {
  package var registers = 4
  package var counters = 2
  /// Nanoseconds before the next set of keys.
  package var epochLength: UInt64 = 5_000_000_000
  /// Mean pause of a lane between two operations.
  package var meanPause: UInt64 = 110_000_000
  package var clients = 6
  package var lanes = 2
  private var nextValue: UInt64 = 0

  package init() {}

  package static func isCounter(_ key: String) -> Bool { key.utf8.first == UInt8(ascii: "c") }

  func pause(_ random: inout SeededRandom) -> UInt64 {
    random.below(2 * meanPause)
  }

  mutating func next(
    time: UInt64, lastSeen: [String: String?], random: inout SeededRandom
  ) -> PlannedOperation {
    let epoch = time / epochLength
    let place = Int(random.below(UInt64(registers + counters)))
    let isCounter = place >= registers
    let key = isCounter ? "c\(epoch)-\(place - registers)" : "r\(epoch)-\(place)"
    if isCounter {
      let kind: PlannedOperation.Kind =
        random.chance(3, in: 5)
        ? .add(Int64(random.below(3)) + 1) : .read(Self.level(&random))
      return PlannedOperation(kind: kind, key: key)
    }
    let kind: PlannedOperation.Kind
    switch random.below(20) {
    case 0..<8: kind = .read(Self.level(&random))
    case 8..<14: kind = .write(unique())
    case 14..<18: kind = .cas(expected: lastSeen[key] ?? nil, new: unique())
    default: kind = .delete
    }
    return PlannedOperation(kind: kind, key: key)
  }

  private mutating func unique() -> String {
    nextValue += 1
    return "v\(nextValue)"
  }

  private static func level(_ random: inout SeededRandom) -> Consistency {
    switch random.below(10) {
    case 0: .stale
    case 1: .session
    case 2: .quorum
    default: .linearizable
    }
  }

  /// Every key used up to `time`.
  func keys(until time: UInt64) -> [String] {
    var keys: [String] = []
    for epoch in 0...(time / epochLength) {
      for place in 0..<registers { keys.append("r\(epoch)-\(place)") }
      for place in 0..<counters { keys.append("c\(epoch)-\(place)") }
    }
    return keys
  }
}
