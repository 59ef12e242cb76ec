internal import KVBase
internal import KVCommand
package import KVWire

/// Why a call did not do what was asked.
public struct KVError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What may be concluded of the call's effect.
  public enum Outcome: String, Hashable, Sendable {
    /// It had no effect and will have none.
    case rejected
    /// It may have taken effect, or may yet, at most once; or it did not. Read to find out.
    case unknown
  }

  /// What went wrong, by what a program would do about it.
  public enum Kind: String, Hashable, Sendable {
    /// The request can't be served by anyone: a bad key, value, name, level or address.
    case invalidArgument
    /// There is no such keyspace or node.
    case notFound
    /// The keyspace exists already.
    case alreadyExists
    /// The condition of a write did not hold; `currentVersion` says what was there.
    case conditionFailed
    /// The record that is there does not admit the write: a counter that is no integer, or that
    /// would leave its bounds.
    case outOfRange
    /// No node or no quorum can be reached.
    case unavailable
    /// A limit was reached: wait, then retry.
    case resourceExhausted
    /// No answer came in time.
    case deadlineExceeded
    /// The caller or `close` ended it.
    case cancelled
    case permissionDenied
    /// This cluster does not have that feature.
    case unimplemented
    /// A fault of a node.
    case `internal`
  }

  /// What may be concluded of the call's effect.
  public var outcome: Outcome
  /// What went wrong.
  public var kind: Kind
  /// What failed, why, and what to do.
  public var message: String
  /// With `conditionFailed`: the version of the record that was there, 0 where there was none.
  public var currentVersion: UInt64?
  /// No majority of a partition's replicas can be reached.
  public var isNoQuorum: Bool

  package init(
    _ outcome: Outcome, _ kind: Kind, _ message: String, currentVersion: UInt64? = nil,
    isNoQuorum: Bool = false
  ) {
    self.outcome = outcome
    self.kind = kind
    self.message = message
    self.currentVersion = currentVersion
    self.isNoQuorum = isNoQuorum
  }

  package init(_ outcome: Outcome, _ failure: Failure) {
    let kind: Kind =
      switch failure.code {
      case .invalidArgument: .invalidArgument
      case .notFound: .notFound
      case .alreadyExists: .alreadyExists
      case .failedPrecondition: failure.reason == .tooOld ? .unavailable : .conditionFailed
      case .outOfRange: .outOfRange
      case .unavailable, .aborted: .unavailable
      case .resourceExhausted: .resourceExhausted
      case .deadlineExceeded: .deadlineExceeded
      case .cancelled: .cancelled
      case .permissionDenied, .unauthenticated: .permissionDenied
      case .unimplemented: .unimplemented
      case .ok, .unknown, .internal, .dataLoss: .internal
      }
    self.init(outcome, kind, failure.message, isNoQuorum: failure.reason == .noQuorum)
  }

  /// The message.
  public var description: String { message }
}
