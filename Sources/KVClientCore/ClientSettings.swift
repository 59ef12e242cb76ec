package import KVBase
package import KVLink

/// What a client is started with.
package struct ClientSettings: Sendable {
  package var endpoints: [Endpoint]
  package var software: String = ""

  /// Of the connections. The bounds of its back-off are also those of how long a peer that leaves
  /// requests unanswered is suspected.
  package var link: LinkSettings = .toServer
  /// How long an attempt may stay unanswered before another replica is tried; doubled with each
  /// retry of the same call.
  package var attemptTimeout: TimeAmount = .milliseconds(800)
  /// The same for scans and multi-gets.
  package var longAttemptTimeout: TimeAmount = .seconds(3)
  /// How long a call waits for a connection before it looks elsewhere; connecting goes on.
  package var connectionWait: TimeAmount = .milliseconds(250)
  /// Between rounds over all replicas: doubled with each round, with jitter.
  package var shortestBackoff: TimeAmount = .milliseconds(5)
  package var longestBackoff: TimeAmount = .milliseconds(200)
  /// A group without a quorum is given up on no sooner than this after the call began: about two
  /// election time-outs.
  package var noQuorumTimeout: TimeAmount = .milliseconds(600)
  /// Between two fetches of the map.
  package var mapInterval: TimeAmount = .milliseconds(20)

  package init(endpoints: [Endpoint]) {
    self.endpoints = endpoints
  }
}
