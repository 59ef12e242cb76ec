internal import KVWire

/// What a link that is ready carries, seen from this side: the frames that have a place on it.
package enum Traffic: UInt8, Hashable, Sendable {
  /// This side is a client: it sends REQUEST, and receives RESPONSE.
  case client
  /// The other side is a client.
  case server
  /// This side dialed another node: it sends PEER, and receives only PONG and GOAWAY.
  case peerSender
  /// Another node dialed this one.
  case peerReceiver

  /// Whether a frame of this type is for the owner of the link.
  @inline(__always)
  func delivers(_ type: FrameType) -> Bool {
    switch self {
    case .client: type == .response
    case .server: type == .request || type == .cancel
    case .peerSender: false
    case .peerReceiver: type == .peer
    }
  }

  /// Reserved for streams of answers: a sender of a later version may use it unasked.
  func ignores(_ type: FrameType) -> Bool { self == .client && type == .window }
}
