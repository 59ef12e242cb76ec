package import KVBase

extension Link {
  /// What does not hold in this link; `nil` where all does. Cheap: for every step of a simulation.
  ///
  /// - Parameter isAfterTick: its owner has just ticked every link at `now`, so that no deadline
  ///   may have passed: one would be missed for good where the owner forgets the link.
  package func brokenInvariant(now: Instant, isAfterTick: Bool = false) -> String? {
    brokenState(now: now) ?? (isAfterTick ? missedDeadline(now: now) : nil)
  }

  /// Asks the states themselves, and not `nextDeadline`, which may be what is wrong.
  private func missedDeadline(now: Instant) -> String? {
    switch state {
    case .idle: return nil
    case .connecting(let giveUpAt):
      return giveUpAt <= now ? "it still connects \(now - giveUpAt) after it had to give up" : nil
    case .greeting(let greeting):
      guard greeting.giveUpAt <= now else { return nil }
      return "it still waits for HELLO \(now - greeting.giveUpAt) after it had to give up"
    case .ready(let ready):
      let limit = ready.silentSince + settings.silenceLimit
      guard ready.isWatched, limit <= now else { return nil }
      return "it is kept \(now - limit) after its silence had to be noticed"
    case .draining(let draining):
      guard draining.giveUpAt <= now else { return nil }
      return "it still drains \(now - draining.giveUpAt) after it had to end"
    case .backingOff(let until):
      guard settings.staysConnected, until <= now else { return nil }
      return "it still backs off \(now - until) after it had to be dialed again"
    }
  }

  private func brokenState(now: Instant) -> String? {
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
