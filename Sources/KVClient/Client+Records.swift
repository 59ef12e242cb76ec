internal import KVBase
package import KVClientCore
internal import KVCommand
internal import KVWire

/// Reads and writes of single records, and of several by their keys.
extension Client {
  /// What a write did.
  public struct Written: Hashable, Sendable {
    /// The record's version from now on.
    public var version: UInt64
    /// How it was written.
    public var receipt: Receipt
  }

  /// What an append did.
  public struct Appended: Hashable, Sendable {
    /// Bytes of the value from now on.
    public var length: Int
    /// The record's version from now on.
    public var version: UInt64
    /// How it was written.
    public var receipt: Receipt
  }

  /// What a delete did.
  public struct Deleted: Hashable, Sendable {
    /// Whether there was a record.
    public var existed: Bool
    /// How it was written.
    public var receipt: Receipt
  }

  /// What an addition did.
  public struct Added: Hashable, Sendable {
    /// The counter from now on.
    public var value: Int64
    /// The record's version from now on.
    public var version: UInt64
    /// How it was written.
    public var receipt: Receipt
  }

  /// What a read found.
  public struct Found: Hashable, Sendable {
    /// `nil`: there is no such record.
    public var value: Value?
    /// How it was read.
    public var receipt: Receipt
  }

  /// The value of `key`; `nil` where there is none.
  public func get(
    _ key: some KeyConvertible, consistency: Consistency = .linearizable,
    options: Options = Options()
  ) async throws(KVError) -> Value? {
    try await find(key, consistency: consistency, options: options).value
  }

  /// The value of `key`, with how it was read.
  public func find(
    _ key: some KeyConvertible, consistency: Consistency = .linearizable,
    options: Options = Options()
  ) async throws(KVError) -> Found {
    let outcome = await perform(.get(key: Bytes(key.keyBytes)), options.core(consistency))
    guard case .record(let record, let receipt) = outcome else { throw KVError(outcome) }
    return Found(value: record.map { Value($0) }, receipt: Receipt(receipt))
  }

  /// The values of `keys`, in their order. Keys of one partition are read from one snapshot; over
  /// several partitions there is none.
  public func multiGet(
    _ keys: [some KeyConvertible], consistency: Consistency = .linearizable,
    options: Options = Options()
  ) async throws(KVError) -> [Value?] {
    let outcome = await perform(
      .multiGet(keys: keys.map { Bytes($0.keyBytes) }), options.core(consistency))
    guard case .records(let records, _) = outcome else { throw KVError(outcome) }
    return records.map { $0.map { Value($0) } }
  }

  /// Sets `key` to `value`. Throws `conditionFailed` where the condition does not hold.
  @discardableResult
  public func put(
    _ key: some KeyConvertible, _ value: some KeyConvertible, if condition: Condition = .always,
    options: Options = Options()
  ) async throws(KVError) -> Written {
    let outcome = await perform(
      .mutate(
        key: Bytes(key.keyBytes),
        .put(value: Bytes(value.keyBytes), condition: condition.core)), options.core())
    guard case .applied(.written(let version), let receipt) = outcome else {
      throw KVError(outcome)
    }
    return Written(version: version.rawValue, receipt: Receipt(receipt))
  }

  /// Deletes `key`, and says whether there was a record. Throws `conditionFailed` where the
  /// condition does not hold.
  @discardableResult
  public func delete(
    _ key: some KeyConvertible, if condition: Condition = .always, options: Options = Options()
  ) async throws(KVError) -> Deleted {
    let outcome = await perform(
      .mutate(key: Bytes(key.keyBytes), .delete(condition: condition.core)), options.core())
    guard case .applied(.deleted(let existed, _), let receipt) = outcome else {
      throw KVError(outcome)
    }
    return Deleted(existed: existed, receipt: Receipt(receipt))
  }

  /// Sets `key` to `value` where `expected` holds. `nil`: it did not, and nothing was changed.
  public func compareAndSet(
    _ key: some KeyConvertible, expected: Condition, _ value: some KeyConvertible,
    options: Options = Options()
  ) async throws(KVError) -> Written? {
    do {
      return try await put(key, value, if: expected, options: options)
    } catch {
      guard error.kind == .conditionFailed, error.outcome == .rejected else { throw error }
      return nil
    }
  }

  /// Adds `delta` to the counter at `key`, which begins at 0; the answer has the sum.
  /// Throws `outOfRange` where the sum would leave `bounds` or the record is no integer.
  @discardableResult
  public func add(
    _ key: some KeyConvertible, _ delta: Int64 = 1,
    within bounds: ClosedRange<Int64> = Int64.min...Int64.max, options: Options = Options()
  ) async throws(KVError) -> Added {
    let outcome = await perform(
      .mutate(
        key: Bytes(key.keyBytes),
        .add(delta: delta, minimum: bounds.lowerBound, maximum: bounds.upperBound)),
      options.core())
    guard case .applied(.added(let value, let version), let receipt) = outcome else {
      throw KVError(outcome)
    }
    return Added(value: value, version: version.rawValue, receipt: Receipt(receipt))
  }

  /// Puts `suffix` after the end of the value of `key`, which begins empty; the answer has the new
  /// length. Throws `outOfRange`, and nothing is changed, where the value would become longer than
  /// 1 MiB.
  @discardableResult
  public func append(
    _ key: some KeyConvertible, _ suffix: some KeyConvertible, options: Options = Options()
  ) async throws(KVError) -> Appended {
    let outcome = await perform(
      .mutate(key: Bytes(key.keyBytes), .append(suffix: Bytes(suffix.keyBytes))), options.core())
    guard case .applied(.appended(let length, let version), let receipt) = outcome else {
      throw KVError(outcome)
    }
    return Appended(
      length: Int(length), version: version.rawValue, receipt: Receipt(receipt))
  }
}

/// What can be a key or a value: text, or bytes.
public protocol KeyConvertible: Sendable {
  /// The bytes as they are stored.
  var keyBytes: [UInt8] { get }
}

extension String: KeyConvertible {
  /// The text in UTF-8.
  public var keyBytes: [UInt8] { Array(utf8) }
}

extension [UInt8]: KeyConvertible {
  /// The bytes themselves.
  public var keyBytes: [UInt8] { self }
}

extension KVError {
  /// The error that an outcome other than the wanted one is.
  package init(_ outcome: KVClientCore.Outcome) {
    switch outcome {
    case .rejected(let failure): self.init(.rejected, failure)
    case .unknown(let failure): self.init(.unknown, failure)
    case .applied(let result, _): self.init(result)
    case .record, .records, .page, .sessionsEnded, .map, .status, .health:
      self.init(.unknown, .internal, "the answer does not fit the request")
    }
  }

  private init(_ result: CommandResult) {
    switch result.conclusion {
    case .conditionFailed(let current):
      let found =
        current.rawValue == 0 ? "there is no record" : "the record's version is \(current)"
      self.init(
        .rejected, .conditionFailed, "the condition does not hold: \(found)",
        currentVersion: current.rawValue)
    case .outOfRange(let reason): self.init(.rejected, .outOfRange, reason)
    case .keyspaceDropped: self.init(.rejected, .notFound, "the keyspace was dropped")
    case .effective, .sessionRefused, .misuse, .other: self.init(ofMap: result)
    }
  }

  private init(ofMap result: CommandResult) {
    switch result {
    case .keyspaceExists(let descriptor):
      self.init(.rejected, .alreadyExists, "the keyspace '\(descriptor.name)' exists already")
    case .noSuchKeyspace: self.init(.rejected, .notFound, "there is no such keyspace")
    case .tooManyKeyspaces:
      self.init(
        .rejected, .resourceExhausted,
        "there are \(Limits.keyspaces) keyspaces already, or too many were ever dropped")
    case .invalidName:
      self.init(.rejected, .invalidArgument, "that is no name for a keyspace")
    default:
      self.init(.unknown, .internal, "the answer '\(result)' does not fit the request")
    }
  }
}
