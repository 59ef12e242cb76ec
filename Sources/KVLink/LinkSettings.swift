package import KVBase

/// What bounds a `Link` in time.
package struct LinkSettings: Hashable, Sendable {
  /// From `open` until the transport is open.
  package var connectTimeout: TimeAmount = .seconds(1)
  /// From the open transport until the other side's HELLO.
  package var helloTimeout: TimeAmount = Limits.helloTimeout
  /// The wait after a failure: doubled with each, with jitter.
  package var shortestBackoff: TimeAmount = .milliseconds(20)
  package var longestBackoff: TimeAmount = .milliseconds(500)
  /// A link that was ready for so long is stable: its loss is followed by a new transport at once,
  /// and its earlier failures no longer count.
  package var stableAfter: TimeAmount = .seconds(1)
  /// A watched link that has heard nothing for this long sends PING. Zero: never.
  package var pingInterval: TimeAmount = Limits.peerPingInterval
  /// A watched link that has heard nothing for this long is closed.
  package var silenceLimit: TimeAmount = Limits.peerSilenceLimit
  /// From GOAWAY until the connection is closed, whatever is still in flight.
  package var drainLimit: TimeAmount = .seconds(10)
  /// Whether the link keeps itself connected once it was dialed, or dials only when it is told to.
  package var staysConnected = false

  package init() {}

  /// From one node to another.
  package static var toNode: LinkSettings {
    var settings = LinkSettings()
    settings.helloTimeout = Limits.peerSilenceLimit
    settings.staysConnected = true
    return settings
  }

  /// From a client to a node: connected when a call needs it.
  package static var toServer: LinkSettings {
    var settings = LinkSettings()
    settings.helloTimeout = .seconds(1)
    settings.shortestBackoff = .milliseconds(50)
    settings.silenceLimit = .seconds(2)
    return settings
  }

  /// Of a connection that somebody opened to this node.
  package static var accepted: LinkSettings { LinkSettings() }
}
