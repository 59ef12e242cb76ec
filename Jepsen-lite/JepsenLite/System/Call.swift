internal import JepsenHistory

/// What a workload asks of a system: the least that a key-value store offers. Values are text.
package enum Call: Hashable, Sendable {
  case read(key: String, Level)
  case write(key: String, value: String)
  /// Sets `new` where the value is `expected` (`nil`: where there is none).
  case compareAndSet(key: String, expected: String?, new: String)
  /// Sets `new` where the record's version is that of an earlier answer (0: where there is none).
  case replace(key: String, version: UInt64, new: String)
  case delete(key: String)
  /// Deletes where the record's version is that of an earlier answer.
  case deleteVersion(key: String, version: UInt64)
  case add(key: String, delta: Int64)
  /// All keys that begin so, with their values, in order.
  case scan(prefix: String)

  package enum Level: Hashable, Sendable {
    case linearizable
    /// Not older than what this client's earlier calls have shown it.
    case session
    /// Whatever a replica has.
    case stale
    /// What a replica has, if nothing is missing from it that is older than this.
    case staleWithin(Duration)
  }
}

/// What came of a call.
package struct Answer: Hashable, Sendable {
  package enum Outcome: Hashable, Sendable {
    case done
    /// A condition did not hold when the call was carried out.
    case mismatch
    /// It did not happen and will not.
    case refused(String)
    /// It may have happened, or may yet.
    case unknown(String)
    /// The system has no such call.
    case unsupported
  }

  package var outcome: Outcome
  /// `read`: what was found.
  package var value: String?
  /// `read`, `write`, …: the record's version; higher is newer. 0 where there is none.
  package var version: UInt64 = 0
  /// `add`: the sum.
  package var sum: Int64?
  /// `scan`: what was found.
  package var entries: [Entry] = []
  /// The node that answered, where the answer says so.
  package var node: UInt32?
  /// How it was served, in the system's words: `commit`, `read-index`, `lease`.
  package var served: String?

  package struct Entry: Hashable, Sendable {
    package var key: String
    package var value: String

    package init(key: String, value: String) {
      self.key = key
      self.value = value
    }
  }

  package init(_ outcome: Outcome) { self.outcome = outcome }
}
