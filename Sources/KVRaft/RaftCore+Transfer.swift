package import KVBase

/// Handing leadership over (dissertation §3.10).
extension RaftCore {
  /// As leader, hands over to `target` once it has caught up; given up after an election time-out.
  /// False where it can't begin.
  package mutating func transferLeadership(
    to target: ReplicaID, now: Instant, into outputs: inout RaftOutputs
  ) -> Bool {
    guard isLeader, target != id, configuration.voters.contains(target),
      let position = position(of: target)
    else { return false }
    if let transfer = leadership.transfer { return transfer.target == target }
    guard now - quorumStart(ofPeerAt: position) < settings.electionTimeout else { return false }
    leadership.transfer = .init(target: target, deadline: now + settings.electionTimeout)
    continueTransfer(caughtUp: target, into: &outputs)
    return true
  }

  private func quorumStart(ofPeerAt position: Int) -> Instant {
    peers[position].lastContact ?? leadership.startedAt
  }

  /// The target may hold all there is by now: then it is told to campaign.
  mutating func continueTransfer(caughtUp replica: ReplicaID, into outputs: inout RaftOutputs) {
    guard let transfer = leadership.transfer, transfer.target == replica, !transfer.isAsked,
      let position = position(of: replica), peers[position].match == log.lastIndex
    else { return }
    leadership.transfer?.isAsked = true
    askToTakeOver(replica, into: &outputs)
  }

  /// Voters grant a transfer's votes whatever they promised, so from here on no lease holds.
  private mutating func askToTakeOver(_ replica: ReplicaID, into outputs: inout RaftOutputs) {
    leadership.gaveUpLease = true
    send(.timeoutNow, to: replica, into: &outputs)
  }

  /// One that gives up leadership asks the voter with the longest log, so that the group need not
  /// wait for time-outs.
  mutating func askBestToTakeOver(now: Instant, into outputs: inout RaftOutputs) {
    var best: Int?
    for position in peers.indices where peers[position].isIncomingVoter {
      guard now - quorumStart(ofPeerAt: position) < settings.electionTimeout else { continue }
      if let known = best, peers[known].match >= peers[position].match { continue }
      best = position
    }
    if let best { askToTakeOver(peers[best].replica, into: &outputs) }
  }

  /// The leader gave up its lease and wants this replica to lead: no pre-vote, no promise.
  mutating func handleTimeoutNow(
    from: ReplicaID, now: Instant, into outputs: inout RaftOutputs
  ) {
    guard case .follower(let leader) = part, leader == from, isVoter, !isInstalling else { return }
    startElection(isTransfer: true, now: now, into: &outputs)
  }
}
