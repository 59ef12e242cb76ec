internal import KVClient

/// What one client knows of the keys that only it writes, and of its part in shared counters. From
/// it follows what may be found in the end.
///
/// A write whose outcome is unknown may be there or not; it can't take effect after a later write
/// of the same client that was acknowledged, since that one told the partition to refuse it.
struct WriterLedger: Sendable {
  struct Key: Sendable {
    /// Of the last acknowledged write; 0: none.
    var acknowledged: UInt64 = 0
    var version: UInt64 = 0
    /// Later ones with unknown outcome, in order.
    var unknown: [UInt64] = []
  }

  struct Counter: Sendable {
    /// The sums that were answered.
    var sums: [Int64] = []
    var unknown = 0
  }

  let client: Int
  var keys: [Key]
  var counters: [Counter]
  private(set) var lastSequence: UInt64 = 0
  private(set) var acknowledged = 0
  private(set) var reads = 0
  private(set) var refused = 0
  private(set) var unknown = 0
  private(set) var violations: [String] = []
  /// What the first failed calls said.
  private(set) var failures: [String] = []

  init(client: Int, keys: Int, counters: Int) {
    self.client = client
    self.keys = Array(repeating: Key(), count: keys)
    self.counters = Array(repeating: Counter(), count: counters)
  }

  var operations: Int { acknowledged + reads + refused + unknown }

  func name(ofKey key: Int) -> String { "writer-\(client)-\(key)" }
  static func name(ofCounter counter: Int) -> String { "counter-\(counter)" }

  mutating func nextSequence() -> UInt64 {
    lastSequence += 1
    return lastSequence
  }

  func value(_ sequence: UInt64, bytes: Int) -> String {
    let text = "\(client).\(sequence)."
    return text + String(repeating: "x", count: max(0, bytes - text.utf8.count))
  }

  /// The sequence that a value carries; `nil` where it is none of this client's.
  func sequence(of value: Value) -> UInt64? {
    guard let text = value.text else { return nil }
    let parts = text.split(separator: ".", maxSplits: 2)
    guard parts.count >= 2, Int(parts[0]) == client else { return nil }
    return UInt64(parts[1])
  }

  // MARK: Writes

  mutating func wrote(_ key: Int, _ sequence: UInt64, version: UInt64) {
    acknowledged += 1
    if version <= keys[key].version {
      violations.append(
        "\(name(ofKey: key)): write \(sequence) was acknowledged with version \(version), and "
          + "version \(keys[key].version) had been acknowledged before")
    }
    keys[key] = Key(acknowledged: sequence, version: version)
  }

  mutating func added(_ counter: Int, sum: Int64) {
    acknowledged += 1
    counters[counter].sums.append(sum)
  }

  /// A condition that must hold, since nobody else writes the key, did not.
  mutating func conditionFailed(_ key: Int, _ sequence: UInt64, found: UInt64?) {
    violations.append(
      "\(name(ofKey: key)): write \(sequence) on version \(keys[key].version) was answered with "
        + "a failed condition (version \(found ?? 0) was there), and nobody else writes this key: "
        + "an acknowledged write is gone, or this one took effect twice")
  }

  mutating func failed(_ what: String, _ error: KVError, key: Int? = nil, counter: Int? = nil) {
    if failures.count < 4 { failures.append("\(what): \(error.message)") }
    guard error.outcome == .unknown else {
      refused += 1
      return
    }
    unknown += 1
    if let key { keys[key].unknown.append(lastSequence) }
    if let counter { counters[counter].unknown += 1 }
  }

  mutating func readFailed(_ what: String, _ error: KVError) {
    if failures.count < 4 { failures.append("\(what): \(error.message)") }
    refused += 1
  }

  // MARK: Reads

  /// Judges what a linearizable read of the client's own key found, while nothing is in flight.
  mutating func found(_ key: Int, _ value: Value?) {
    reads += 1
    let known = keys[key]
    guard let value else {
      if known.acknowledged > 0 {
        violations.append(
          "\(name(ofKey: key)) is absent, and write \(known.acknowledged) was acknowledged")
      }
      return
    }
    guard let sequence = sequence(of: value) else {
      violations.append("\(name(ofKey: key)) holds a value that its only writer never wrote")
      return
    }
    if sequence == known.acknowledged {
      if value.version != known.version, known.version > 0 {
        violations.append(
          "\(name(ofKey: key)): write \(sequence) was acknowledged with version \(known.version)"
            + " and is found with version \(value.version): it was applied twice")
      }
    } else if known.unknown.contains(sequence) {
      keys[key] = Key(
        acknowledged: sequence, version: value.version,
        unknown: known.unknown.filter { $0 > sequence })
    } else {
      let later = known.unknown.map { "\($0)" }.joined(separator: ", ")
      violations.append(
        "\(name(ofKey: key)) holds write \(sequence), and write \(known.acknowledged) was "
          + "acknowledged last" + (later.isEmpty ? "" : " (unknown since: \(later))"))
    }
  }

  /// What is wrong with the final value of a shared counter.
  static func problems(
    withCounter counter: Int, final: Int64, _ ledgers: [WriterLedger]
  ) -> [String] {
    var sums: [Int64] = []
    var unknown: Int64 = 0
    for ledger in ledgers {
      sums += ledger.counters[counter].sums
      unknown += Int64(ledger.counters[counter].unknown)
    }
    let name = name(ofCounter: counter)
    let known = Int64(sums.count)
    var problems: [String] = []
    if final < known {
      problems.append(
        "\(name) is \(final), and \(known) increments were acknowledged: some are gone")
    }
    if final > known + unknown {
      problems.append(
        "\(name) is \(final), and only \(known) increments were acknowledged and \(unknown) are "
          + "unknown: some were applied twice")
    }
    sums.sort()
    if let twice = zip(sums, sums.dropFirst()).first(where: { $0 == $1 }) {
      problems.append("\(name): two increments were both answered with the sum \(twice.0)")
    }
    if let last = sums.last, last > final {
      problems.append("\(name) is \(final), and an increment was answered with the sum \(last)")
    }
    return problems
  }
}
