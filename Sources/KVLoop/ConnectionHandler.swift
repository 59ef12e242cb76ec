package import KVBase

/// Why a connection ended.
package enum CloseReason: Hashable, Sendable, CustomStringConvertible {
  /// This side closed it.
  case requested
  /// The peer closed it.
  case endOfStream
  /// It could not be made, or broke: `kind` tells refused, timed out and reset apart.
  case failed(LoopError)
  /// The peer did not take what it was sent.
  case outputLimit(bytes: Int)
  case loopStopped

  package var description: String {
    switch self {
    case .requested: "closed by this side"
    case .endOfStream: "closed by the peer"
    case .failed(let error): error.description
    case .outputLimit(let bytes): "the peer left \(bytes) bytes unread"
    case .loopStopped: "the event loop is stopping"
    }
  }
}

/// What is told of a connection's events, on its loop's thread: one call per event.
///
/// An actor on that loop enters itself with `assumeIsolated`. A handler with state of its own for
/// each connection is confined to that thread as the connection is, and may for that reason be
/// `@unchecked Sendable`.
package protocol ConnectionHandler: AnyObject {
  /// An outgoing connection is made.
  func connectionDidOpen(_ connection: Connection)
  /// What one read brought, in a buffer of its own.
  func connection(_ connection: Connection, didRead bytes: Bytes)
  /// A connection that was congested no longer is.
  func connectionDidDrain(_ connection: Connection)
  /// The last call for this connection.
  func connection(_ connection: Connection, didClose reason: CloseReason)
}

extension ConnectionHandler {
  package func connectionDidOpen(_ connection: Connection) {}
  package func connectionDidDrain(_ connection: Connection) {}
}
