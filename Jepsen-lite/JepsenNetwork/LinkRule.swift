/// What happens to bytes on their way from one endpoint to another. Several can hold at once.
package struct LinkRule: Hashable, Sendable {
  /// Nothing passes: bytes are held back, as by a firewall that drops packets, and what was held
  /// back is lost when the connection ends. New connections get no answer.
  package var isCut = false
  /// With `isCut`: connections are reset instead, and new ones refused.
  package var resets = false
  package var delayNanoseconds: UInt64 = 0
  /// Added to the delay, uniformly at random up to this.
  package var jitterNanoseconds: UInt64 = 0
  /// 0: no limit.
  package var bytesPerSecond: Int = 0
  /// Of a thousand frames, so many are sent twice; only on framed links.
  package var duplicatePerThousand: Int = 0
  /// Of a thousand frames, so many change places with the next one; only on framed links.
  package var reorderPerThousand: Int = 0
  /// Of a thousand pieces of a stream, in so many one bit is flipped.
  package var flipPerThousand: Int = 0

  /// Whether bytes pass as they come.
  var isPlain: Bool { self == .open }
  var resetsNow: Bool { isCut && resets }
  /// Whether frames must be told apart.
  var movesFrames: Bool { duplicatePerThousand > 0 || reorderPerThousand > 0 }

  package static let open = LinkRule()
  package static let cut: LinkRule = {
    var rule = LinkRule()
    rule.isCut = true
    return rule
  }()

  package init() {}
}

/// What a link has done so far.
package struct LinkCounters: Hashable, Sendable {
  package var forwardedBytes: UInt64 = 0
  /// Arrived while the link was cut, or lost with a connection.
  package var blockedBytes: UInt64 = 0
  /// New connections that got no answer while the link was cut.
  package var heldConnections: UInt64 = 0
  /// New connections that were reset at once.
  package var refusedConnections: UInt64 = 0
  package var resetConnections: UInt64 = 0
  /// Bytes that waited for a delay or a throttle.
  package var delayedBytes: UInt64 = 0
  package var duplicatedFrames: UInt64 = 0
  package var reorderedFrames: UInt64 = 0
  package var flippedBits: UInt64 = 0

  package init() {}
}

/// One end of a link.
package enum Endpoint: Hashable, Sendable {
  case node(Int)
  /// All clients, as one.
  case clients
}
