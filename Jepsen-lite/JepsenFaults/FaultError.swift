internal import Glibc

/// Why a fault could not be set, applied or taken back.
package struct FaultError: Error, Hashable, CustomStringConvertible {
  package var description: String

  package init(_ description: String) { self.description = description }

  /// With what the system said about the last call on this thread.
  static func system(_ what: String) -> FaultError {
    let code = errno
    return FaultError("can't \(what): \(unsafe String(cString: strerror(code)))")
  }
}
