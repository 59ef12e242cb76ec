import JepsenHistory
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
    case append(String)
  }

  var kind: Kind
  var key: String

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
    case .append(let element):
      return .mutate(key: key, .append(suffix: Bytes(element + Workload.separator)))
    }
  }
}

/// What clients do: registers with unique values, counters, and lists of unique elements, on few
/// keys at a time. The keys change every few seconds, so that each key's history stays short enough
/// to be judged.
package struct Workload: Sendable {
  package var registers = 4
  package var counters = 1
  package var lists = 1
  /// Nanoseconds before the next set of keys.
  package var epochLength: UInt64 = 5_000_000_000
  /// Mean pause of a lane between two operations.
  package var meanPause: UInt64 = 110_000_000
  package var clients = 6
  /// Stale reads of ten reads.
  package var staleOfTen: UInt64 = 1
  package var lanes = 2
  private var nextValue: UInt64 = 0

  package init() {}

  /// After each element of a list.
  static let separator = ";"

  /// What a key is, by its first letter.
  static func model(of key: String) -> LinearizabilityChecker.Model {
    switch key.utf8.first {
    case UInt8(ascii: "c"): .counter
    case UInt8(ascii: "l"): .list
    default: .register
    }
  }

  /// What a read of a key found, as histories have it.
  static func historyValue(_ text: String?, of key: String) -> HistoryValue? {
    guard model(of: key) == .list else { return text.map { .text($0) } }
    return .list((text ?? "").split(separator: separator).map { .text(String($0)) })
  }

  func pause(_ random: inout SeededRandom) -> UInt64 {
    random.below(2 * meanPause)
  }

  mutating func next(
    time: UInt64, lastSeen: [String: String?], random: inout SeededRandom
  ) -> PlannedOperation {
    let epoch = time / epochLength
    let number = Int(random.below(UInt64(registers + counters + lists)))
    guard number < registers else {
      return nextOfMany(number - registers, epoch, &random)
    }
    let key = "r\(epoch)-\(number)"
    let kind: PlannedOperation.Kind
    switch random.below(20) {
    case 0..<8: kind = .read(level(&random))
    case 8..<14: kind = .write(unique())
    case 14..<18: kind = .cas(expected: lastSeen[key] ?? nil, new: unique())
    default: kind = .delete
    }
    return PlannedOperation(kind: kind, key: key)
  }

  /// The next operation of a counter or, above those, of a list.
  private mutating func nextOfMany(
    _ number: Int, _ epoch: UInt64, _ random: inout SeededRandom
  ) -> PlannedOperation {
    let isCounter = number < counters
    let key = isCounter ? "c\(epoch)-\(number)" : "l\(epoch)-\(number - counters)"
    guard random.chance(3, in: 5) else {
      return PlannedOperation(kind: .read(level(&random)), key: key)
    }
    // Sums and elements of different lengths.
    let size = Int(random.below(3))
    return PlannedOperation(
      kind: isCounter
        ? .add(Int64(size) + 1) : .append(unique() + String(repeating: "+", count: size)),
      key: key)
  }

  private mutating func unique() -> String {
    nextValue += 1
    return "v\(nextValue)"
  }

  private func level(_ random: inout SeededRandom) -> Consistency {
    let number = random.below(10)
    if number < staleOfTen { return .stale }
    return switch number - staleOfTen {
    case 0: .session
    case 1: .quorum
    default: .linearizable
    }
  }

  /// Every key used up to `time`.
  func keys(until time: UInt64) -> [String] {
    var keys: [String] = []
    for epoch in 0...(time / epochLength) {
      for number in 0..<registers { keys.append("r\(epoch)-\(number)") }
      for number in 0..<counters { keys.append("c\(epoch)-\(number)") }
      for number in 0..<lists { keys.append("l\(epoch)-\(number)") }
    }
    return keys
  }
}
