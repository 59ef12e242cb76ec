package import KVBase

/// What comes from other replicas, and the terms it carries (Raft paper §5.1).
extension RaftCore {
  package mutating func receive(
    _ message: RaftMessage, from: ReplicaID, now: Instant, into outputs: inout RaftOutputs
  ) {
    guard from != id else { return }
    if message.term > term {
      guard adopt(message, from: from, now: now, into: &outputs) else { return }
    } else if message.term < term {
      answerStale(message, from: from, into: &outputs)
      return
    }
    switch message.body {
    case .voteRequest(let request):
      handle(request, asking: message.term, from: from, now: now, into: &outputs)
    case .voteResponse(let response):
      handle(response, term: message.term, from: from, now: now, into: &outputs)
    case .append(let request):
      handle(request, from: from, now: now, into: &outputs)
    case .appendResponse(let response):
      handle(response, from: from, now: now, into: &outputs)
    case .heartbeat(let heartbeat):
      handle(heartbeat, from: from, now: now, into: &outputs)
    case .heartbeatResponse(let response):
      handle(response, from: from, now: now, into: &outputs)
    case .timeoutNow:
      handleTimeoutNow(from: from, now: now, into: &outputs)
    }
  }

  /// A message of a higher term: false where it is not to be looked at any further.
  private mutating func adopt(
    _ message: RaftMessage, from: ReplicaID, now: Instant, into outputs: inout RaftOutputs
  ) -> Bool {
    switch message.body {
    case .voteRequest(let request) where request.isPreVote:
      // The term is one that nobody is in yet.
      return true
    case .voteResponse(let response) where response.isPreVote && response.granted:
      return true
    case .voteRequest(let request) where !request.isTransfer && promiseStands(now: now):
      // Neither term nor vote may change while a lease may be in use (dissertation §4.2.3).
      return false
    case .voteRequest, .voteResponse, .appendResponse, .heartbeatResponse, .timeoutNow:
      becomeFollower(term: message.term, leader: nil, now: now, into: &outputs)
      return true
    case .append, .heartbeat:
      becomeFollower(term: message.term, leader: from, now: now, into: &outputs)
      return true
    }
  }

  /// A message of a lower term. Its sender may not know the present one: an answer in it tells.
  private func answerStale(
    _ message: RaftMessage, from: ReplicaID, into outputs: inout RaftOutputs
  ) {
    switch message.body {
    case .append, .heartbeat:
      // A leader of an earlier term that can't be heard by the others would else go on without end.
      send(.heartbeatResponse(.init(round: 0)), to: from, into: &outputs)
    case .voteRequest(let request):
      send(
        .voteResponse(.init(isPreVote: request.isPreVote, granted: false)), to: from,
        into: &outputs)
    case .voteResponse, .appendResponse, .heartbeatResponse, .timeoutNow:
      break
    }
  }

  func send(
    _ body: RaftMessage.Body, to: ReplicaID, term: Term? = nil, after: PersistToken? = nil,
    into outputs: inout RaftOutputs
  ) {
    outputs.sends.append(
      RaftOutputs.Send(
        to: to, message: RaftMessage(term: term ?? self.term, body: body), after: after))
  }
}
