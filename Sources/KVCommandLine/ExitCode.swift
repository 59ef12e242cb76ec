internal import Glibc
package import KVClient

/// How a tool ends. Scripts rely on the numbers.
package enum ExitCode: Int32, Sendable, CaseIterable {
  case ok = 0
  case other = 1
  case usage = 2
  case notFound = 3
  /// A precondition failed, or there was a conflict.
  case conflict = 4
  /// No node or no quorum: nothing was done.
  case unavailable = 5
  /// The time was over, or it is not known what was done.
  case unknown = 6
  case notAuthorised = 7

  package init(_ error: KVError) {
    if error.outcome == .unknown {
      self = .unknown
      return
    }
    self =
      switch error.kind {
      case .invalidArgument: .usage
      case .notFound: .notFound
      case .alreadyExists, .conditionFailed, .outOfRange: .conflict
      case .unavailable, .resourceExhausted: .unavailable
      case .deadlineExceeded: .unknown
      case .permissionDenied: .notAuthorised
      case .cancelled, .unimplemented, .internal: .other
      }
  }

  /// Ends the process.
  package func exit() -> Never { Glibc.exit(rawValue) }

  /// Ends the process while other threads run: nothing of what they may still use is taken down.
  package func exitAtOnce() -> Never {
    fflush(nil)
    _exit(rawValue)
  }
}
