package import KVBase

/// What a client is started with.
package struct ClientSettings: Sendable {
  package var endpoints: [Endpoint]
  package var software: String = ""

  /// How long an attempt may stay unanswered before another replica is tried; doubled with each
  /// retry of the same call.
  package var attemptTimeout: TimeAmount = .milliseconds(800)
  /// The same for scans and multi-gets.
  package var longAttemptTimeout: TimeAmount = .seconds(3)
  /// How long a call waits for a connection before it looks elsewhere; connecting goes on.
  package var connectPatience: TimeAmount = .milliseconds(250)
  package var connectTimeout: TimeAmount = .seconds(1)
  /// How long a node that refused, or left an attempt unanswered, counts as unreachable.
  package var shortestRest: TimeAmount = .milliseconds(50)
  package var longestRest: TimeAmount = .milliseconds(500)
  /// Between rounds over all replicas: doubled with each round, with jitter.
  package var shortestBackoff: TimeAmount = .milliseconds(5)
  package var longestBackoff: TimeAmount = .milliseconds(200)
  /// A group without a quorum is given up on no sooner than this after the call began: about two
  /// election time-outs.
  package var noQuorumPatience: TimeAmount = .milliseconds(600)
  /// A connection that was silent for so long with a request on it is opened anew.
  package var silenceLimit: TimeAmount = .seconds(2)
  /// Between two fetches of the map.
  package var mapInterval: TimeAmount = .milliseconds(20)

  package init(endpoints: [Endpoint]) {
    self.endpoints = endpoints
  }
}
