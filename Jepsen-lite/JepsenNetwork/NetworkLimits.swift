/// The limits of the proxies. What happens at a limit is said with it.
package enum NetworkLimits {
  /// Connections at one time; one more is reset, and counted as refused.
  package static var connections: Int { 4096 }
  /// Bytes of one direction of a connection that wait to be forwarded; then the sender is read no
  /// further. Bounds what a delay lets through: 4 MiB in each delay.
  package static var waitingBytes: Int { 4 << 20 }
  /// The same while the direction is cut.
  package static var heldBytes: Int { 256 << 10 }
  /// The same while the direction is throttled, so that a slow link is no long queue as well.
  package static func throttledBytes(rate: Int) -> Int {
    min(waitingBytes, max(16 << 10, rate / 4))
  }
  /// Pieces in which those bytes arrived; then the sender is read no further.
  package static var waitingPieces: Int { 16_384 }
  /// One read of a socket.
  package static var readBytes: Int { 256 << 10 }
  /// A longer frame is neither sent twice nor moved.
  package static var movedFrameBytes: Int { 2 << 20 }
  /// A frame that is to change places with the next one goes alone where none comes for so long.
  package static var reorderTimeoutNanoseconds: UInt64 { 100_000_000 }
  /// Sockets that one turn serves before the rules may change.
  package static var readyPerTurn: Int { 64 }
  package static var listenBacklog: Int { 1024 }
  /// Times that the opener of a connection is looked for; then it counts as a client.
  package static var sourceSearches: Int { 4 }
  /// Between two of them.
  package static var sourceSearchMicroseconds: UInt32 { 10_000 }
}

/// Why the proxies could not be set up.
package struct NetworkError: Error, CustomStringConvertible {
  package let description: String

  init(_ what: String, error: Int32) { description = "\(what): error \(error)" }
  init(_ description: String) { self.description = description }
}
