internal import KVBase
internal import KVCommand
internal import KVWire

/// How calls end.
extension ClientCore {
  /// Ends a call. Nothing of it is kept; late answers find nobody.
  mutating func finish(
    _ slot: Int32, _ outcome: Outcome, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    let call = calls.ref(slot)
    let id = calls[slot].id
    let parent = calls[slot].parent
    let ticket = calls[slot].ticket
    let composite = calls[slot].composite
    let work = calls[slot].work
    calls.remove(slot)
    if let ticket { release(ticket) }
    if composite >= 0 {
      for part in composites.end(composite) where calls.isLive(part) { calls.remove(part.slot) }
    }
    if let id {
      outputs.completions.append(.init(call: id, outcome: outcome))
    } else if let parent, calls.isLive(parent) {
      partFinished(call, of: parent.slot, work, outcome, now, &outputs)
    }
  }

  /// A mutation has ended: the next in the queue of its group are admitted.
  private mutating func release(_ ticket: SessionTicket) {
    sessions.release(ticket)
    while let call = sessions.nextWaiting(for: ticket.group) {
      guard calls.isLive(call), calls[call.slot].state == .waitingForSession,
        case .admitted(let next) = sessions.admit(call, to: ticket.group)
      else { continue }
      calls[call.slot].ticket = next
      calls.makeReady(call.slot)
    }
  }

  /// A part has ended; a failure of one is the failure of the whole.
  private mutating func partFinished(
    _ part: CallRef, of parent: Int32, _ work: Work, _ outcome: Outcome, _ now: Now,
    _ outputs: inout ClientOutputs
  ) {
    if case .endSession = work { return sessionEnded(part, of: parent, now, &outputs) }
    let composite = calls[parent].composite
    guard case .records(let answers, let receipts) = outcome, case .gets(_, let positions) = work
    else {
      finish(parent, outcome, now, &outputs)
      return
    }
    composites.receive(answers, at: positions, receipts, for: composite)
    composites.remove(part, from: composite)
    guard composites.partCount(composite) == 0,
      let (records, allReceipts) = composites.gathered(composite)
    else { return }
    finish(parent, .records(records, allReceipts), now, &outputs)
  }

  /// Ends a call that no answer confirmed: rejected where every attempt is known to have done
  /// nothing, else unknown. What a retry was told does not speak for the attempts before it.
  mutating func finishUndone(
    _ slot: Int32, _ failure: Failure, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    var failure = failure
    if calls[slot].attempts.uncertain == 0 {
      failure.notStarted = true
      finish(slot, .rejected(failure), now, &outputs)
    } else {
      failure.notStarted = false
      if calls[slot].work.isMutation {
        failure.message +=
          "; an earlier try may have taken effect, or may yet: \(Self.readFirst(calls[slot].work))"
      }
      finish(slot, .unknown(failure), now, &outputs)
    }
  }

  /// The call's time is over.
  mutating func expire(_ slot: Int32, _ now: Now, _ outputs: inout ClientOutputs) {
    let call = calls[slot]
    let target = name(of: call)
    let time = call.options.timeout
    if call.attempts.uncertain > 0 {
      let advice =
        call.work.isMutation
        ? ": it may have been done, or may yet be: \(Self.readFirst(call.work))" : ": retry"
      finish(
        slot,
        .unknown(
          Failure(
            .deadlineExceeded, .none, notStarted: false,
            "no answer to \(call.work.name)\(target) within \(time)\(advice)")),
        now, &outputs)
      return
    }
    var code = StatusCode.unavailable
    if call.lastFailure?.code == .resourceExhausted { code = .resourceExhausted }
    let cause = whyNot(call, now)
    let advice = advice(for: call)
    finish(
      slot,
      .rejected(
        Failure(
          code, call.lastFailure?.reason ?? .none, notStarted: true,
          "\(call.work.name)\(target) could not be done within \(time)\(cause): nothing was done;"
            + " \(advice)")),
      now, &outputs)
  }

  /// Every replica was unreachable, or had no quorum, for long enough.
  mutating func giveUp(
    _ slot: Int32, _ candidates: [Int32], _ now: Now, _ outputs: inout ClientOutputs
  ) {
    let call = calls[slot]
    if call.lastFailure?.reason == .tooOld, let failure = call.lastFailure {
      finishUndone(slot, failure, now, &outputs)
      return
    }
    var states: [String] = []
    var answered = 0
    for (position, peer) in candidates.enumerated() {
      if call.round.withoutQuorum >> UInt64(position) & 1 == 1 {
        answered += 1
      } else {
        states.append(peers.describe(Int(peer), now.instant))
      }
    }
    let list = states.joined(separator: ", ")
    let message: String
    switch call.route {
    case .group(let group) where answered > 0:
      let others = list.isEmpty ? "" : "; \(list)"
      let advice =
        !call.work.isMutation
        ? ": retry, or read with --consistency stale"
        // What else to do of one that may have been done, is said below.
        : call.attempts.uncertain == 0 ? ": retry when more nodes are up" : ""
      message =
        "no quorum for \(name(ofGroup: group)) (\(answered) of \(candidates.count) replicas"
        + " answered\(others))\(advice)"
    case .group(let group):
      message =
        "no replica of \(name(ofGroup: group)) can be reached (\(list)): \(advice(for: call))"
    default:
      message = "\(list): \(advice(for: call))"
    }
    finishUndone(
      slot, Failure(.unavailable, .noQuorum, notStarted: true, message), now, &outputs)
  }

  // MARK: Sentences

  /// What to do after a mutation whose outcome is unknown. The session that would make a retry safe
  /// ends with the call.
  private static func readFirst(_ work: Work) -> String {
    guard case .mutate = work else { return "look at the keyspaces before sending it again" }
    return "read the key before sending it again, since that is a new request and may do it twice"
  }

  func name(ofGroup group: Int) -> String {
    group == 0 ? "the meta group" : "partition \(group - 1)"
  }

  private func name(of call: Call) -> String {
    switch call.route {
    case .group(let group): " on \(name(ofGroup: group))"
    case .peer(let peer): " of \(peers.name(of: peer))"
    case .anyone, .unresolved: ""
    }
  }

  /// What to do about those that the call would have gone to.
  private func advice(for call: Call) -> String {
    // A node that answered has said itself what stands in the way.
    if call.lastFailure != nil { return "retry" }
    switch call.state {
    case .waitingForSession: return "retry"
    case .waitingForMap: return mapRefusal == nil ? advice(on: peers.usable) : "retry"
    default: return advice(on: routes.candidates(of: call.route))
    }
  }

  func advice(on candidates: [Int32]) -> String {
    peers.advice(on: candidates).map { "\($0), then retry" } ?? "retry"
  }

  /// What stood in the way, in brackets.
  private func whyNot(_ call: Call, _ now: Now) -> String {
    if let failure = call.lastFailure { return " (\(failure.message))" }
    switch call.state {
    case .waitingForMap:
      return " (\(mapRefusal?.message ?? peers.describeUsable(now.instant)))"
    case .waitingForSession: return " (too many mutations of this client are in flight)"
    default:
      let candidates = routes.candidates(of: call.route)
      guard !candidates.isEmpty else { return "" }
      return " (\(candidates.map { peers.describe(Int($0), now.instant) }.joined(separator: ", ")))"
    }
  }
}
