package import KVBase
package import KVWire

/// What the owner of a `Link` must do after an event. One for each event.
package enum LinkAction: Hashable, Sendable {
  case none
  /// Open a transport to the other side. Answer with `opened`, or with `closed` where it fails.
  case open
  /// Send HELLO.
  case sendHello
  /// Judge who the other side is. Answer with `accept` or `refuse`.
  indirect case judge(Hello)
  /// The frame that was received is for the owner.
  case deliver
  /// Send an empty PING.
  case sendPing
  /// Send the payload and stream of the PING that was received back as PONG.
  case sendPong
  /// Send this, then nothing new. Answer with `drained` once nothing is in flight any more.
  indirect case sendGoaway(Goaway)
  /// The other side is about to close the connection: send nothing new. Answer with `drained` once
  /// nothing is in flight any more.
  indirect case drain(Goaway)
  /// The connection is no more.
  indirect case end(LinkEnd)
}

/// How a connection, or the attempt to make one, ended.
package struct LinkEnd: Hashable, Sendable {
  package enum Cause: Hashable, Sendable {
    /// Nobody listens at the other side's address.
    case refused
    /// The transport failed, or the other side closed it.
    case lost
    /// The transport was not open within `connectTimeout`.
    case connectTimeout
    /// The other side said no HELLO within `helloTimeout`.
    case helloTimeout
    /// Nothing was heard for `silenceLimit`.
    case silence
    /// The other side said so.
    case goaway(Goaway)
    /// The owner refused the other side.
    case rejected(Goaway)
    /// The other side speaks other versions of the protocol.
    case version(lowest: UInt16, highest: UInt16)
    /// Protocol violation: bytes that are no frame, or a payload that can't be decoded.
    case unreadable(WireError)
    /// Protocol violation: a frame that has no place in the link's state.
    case unexpected(FrameType)
    /// The owner asked for it.
    case requested
  }

  /// What remains to be done with the transport. In any case it gives the link no further event.
  package enum Transport: Hashable, Sendable {
    /// It has ended by itself.
    case gone
    /// Close it, or give up opening it.
    case close
    /// Send this, and close it when that has left, or soon after.
    case closeAfter(Goaway)
  }

  package var cause: Cause
  package var transport: Transport
  /// HELLO had been accepted: what is in flight has no answer.
  package var wasReady: Bool
  /// Open a new transport now, as for `LinkAction.open`.
  package var reopens: Bool
}

extension LinkEnd.Cause {
  /// Neither side wanted it.
  var isOfTheNetwork: Bool {
    switch self {
    case .lost, .silence: true
    case .refused, .connectTimeout, .helloTimeout, .goaway, .rejected, .version, .unreadable,
      .unexpected, .requested:
      false
    }
  }
}
