/// One operation of a recorded history, as ARCHITECTURE.md ("Histories") describes the format.
///
/// An unknown operation may take effect once at any time after its start, or never. Intervals are
/// closed: operations that touch at one instant are concurrent.
package struct HistoryOperation: Hashable, Sendable {
  package enum Kind: String, Sendable, CaseIterable {
    /// `value` is what was read; `nil`: absent. A list or a set is a `.list`, a bank a `.map`.
    case read
    /// `value` is written.
    case write
    /// `value` replaces `expected` (`nil`: absent).
    case cas
    case delete
    /// Counter: `value` is the number added, `result` the sum that was answered. Set: `value` is
    /// the element added.
    case add
    /// `value` is the element put at the end of the list.
    case append
    /// `value` has the fields `from`, `to`, `amount`.
    case transfer
    /// `value` is the list of the keys found under the prefix `key`, in order.
    case scan
    /// `value` is the id that was handed out.
    case generate
    /// `result` is the fencing token of the lock `key`, taken by this process.
    case acquire
    case release
  }

  package enum Outcome: Hashable, Sendable {
    case ok
    /// A `cas` that found something else than `expected`: an observation.
    case mismatch
    /// The system refused it, and it did not happen.
    case refused(String)
    case unknown
  }

  package var process: Int
  package var kind: Kind
  package var key: String
  package var value: HistoryValue?
  package var expected: HistoryValue?
  package var result: HistoryValue?
  package var startNanoseconds: UInt64
  /// `nil`: no answer came.
  package var endNanoseconds: UInt64?
  package var outcome: Outcome
  /// Further fields, which decide nothing: the node that answered, where the call said so.
  package var node: UInt32?
  /// A version or index that the answer named: higher is newer, for one key.
  package var index: UInt64?
  /// How the answer was served (`commit`, `read-index`, `lease`, `session`, `stale`).
  package var served: String?

  package init(
    process: Int, kind: Kind, key: String, value: HistoryValue? = nil,
    expected: HistoryValue? = nil, result: HistoryValue? = nil, startNanoseconds: UInt64,
    endNanoseconds: UInt64?, outcome: Outcome
  ) {
    self.process = process
    self.kind = kind
    self.key = key
    self.value = value
    self.expected = expected
    self.result = result
    self.startNanoseconds = startNanoseconds
    self.endNanoseconds = endNanoseconds
    self.outcome = outcome
  }
}
