internal import CLibUV

/// What a system call of the loop answered, by the kinds that callers treat differently.
package struct LoopError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Kind: Hashable, Sendable {
    /// Nobody listens there.
    case refused
    /// No answer within the time given.
    case timedOut
    /// The peer gave the connection up.
    case reset
    /// No way to that host or network.
    case unreachable
    case nameNotFound
    case addressInUse
    /// To listen on an address that the machine does not have.
    case addressNotAvailable
    case permissionDenied
    case invalidAddress
    case tooManyFiles
    case cancelled
    /// The loop is stopping or has stopped.
    case loopStopped
    case other
  }

  package let kind: Kind
  /// libuv's number, 0 where the error is the loop's own.
  package let code: Int32
  /// What was tried, as `connect to 127.0.0.1:7401`.
  package let attempt: String

  init(_ kind: Kind, attempt: String) {
    self.kind = kind
    code = 0
    self.attempt = attempt
  }

  init(code: Int32, attempt: String) {
    kind = Self.kind(of: code)
    self.code = code
    self.attempt = attempt
  }

  private static func kind(of code: Int32) -> Kind {
    switch code {
    case UV_ECONNREFUSED.rawValue: .refused
    case UV_ETIMEDOUT.rawValue: .timedOut
    case UV_ECONNRESET.rawValue, UV_EPIPE.rawValue, UV_ECONNABORTED.rawValue: .reset
    case UV_EHOSTUNREACH.rawValue, UV_ENETUNREACH.rawValue, UV_EHOSTDOWN.rawValue: .unreachable
    case UV_EAI_NONAME.rawValue, UV_EAI_NODATA.rawValue, UV_EAI_FAIL.rawValue,
      UV_EAI_AGAIN.rawValue, UV_EAI_ADDRFAMILY.rawValue:
      .nameNotFound
    case UV_EADDRINUSE.rawValue: .addressInUse
    case UV_EADDRNOTAVAIL.rawValue: .addressNotAvailable
    case UV_EACCES.rawValue, UV_EPERM.rawValue: .permissionDenied
    case UV_EINVAL.rawValue, UV_EAFNOSUPPORT.rawValue: .invalidAddress
    case UV_EMFILE.rawValue, UV_ENFILE.rawValue: .tooManyFiles
    case UV_ECANCELED.rawValue, UV_EAI_CANCELED.rawValue: .cancelled
    default: .other
    }
  }

  package var description: String { "can't \(attempt): \(reason)" }

  private var reason: String {
    guard code == 0 else { return unsafe String(cString: uv_strerror(code)) }
    return switch kind {
    case .timedOut: "no answer in time"
    case .nameNotFound: "the name has no address"
    case .invalidAddress: "not a numeric address of the form host:port"
    case .loopStopped: "the event loop is stopping"
    default: "\(kind)"
    }
  }
}
