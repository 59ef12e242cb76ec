package import KVBase
package import KVWire

/// What a link knows in the states that last.
extension Link {
  package struct Greeting: Hashable, Sendable {
    package var giveUpAt: Instant
    /// The role in the other side's HELLO, which the owner judges; `nil` before it has come.
    package var judged: Hello.Role?
  }

  package struct Ready: Hashable, Sendable {
    package var since: Instant
    package var traffic: Traffic
    /// Whether silence is noticed.
    package var isWatched: Bool
    /// Since when nothing was heard; at the earliest, since the link is watched.
    package var silentSince: Instant
    package var pingedAt: Instant
  }

  package struct Draining: Hashable, Sendable {
    package var since: Instant
    package var giveUpAt: Instant
    package var traffic: Traffic
    /// What the end will be put down to.
    package var cause: LinkEnd.Cause
  }
}
