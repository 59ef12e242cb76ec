package import KVBase

extension Link {
  /// What does not hold in this link; `nil` where all does. Cheap: for every step of a simulation.
  package func brokenInvariant(now: Instant) -> String? {
    switch state {
    case .connecting, .backingOff:
      if side == .accepted { return "an accepted link is \(state)" }
    case .ready(let ready):
      if let problem = problem(with: ready, now) { return problem }
    case .greeting(let greeting):
      if greeting.giveUpAt > now + settings.helloTimeout {
        return "it waits for HELLO longer than \(settings.helloTimeout)"
      }
    case .draining(let draining):
      if draining.giveUpAt > now + settings.drainLimit {
        return "it drains longer than \(settings.drainLimit)"
      }
    case .idle: break
    }
    if case .connecting(let giveUpAt) = state, giveUpAt > now + settings.connectTimeout {
      return "it connects for longer than \(settings.connectTimeout)"
    }
    if case .backingOff(let until) = state, until > now + settings.longestBackoff {
      return "it backs off for longer than \(settings.longestBackoff)"
    }
    return nil
  }

  private func problem(with ready: Ready, _ now: Instant) -> String? {
    if ready.since > now || ready.silentSince > now { return "it is ready from the future on" }
    if ready.silentSince < ready.since { return "it is silent since before it was ready" }
    switch (side, ready.traffic) {
    case (.dialsAsClient, .client), (.dialsAsNode, .peerSender), (.accepted, .server),
      (.accepted, .peerReceiver):
      return nil
    default: return "a link of the side \(side) carries what a \(ready.traffic) does"
    }
  }
}
