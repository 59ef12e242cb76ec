internal import KVBase
internal import KVCommand
internal import KVWire

/// How calls end.
extension ClientCore {
  /// Ends a call. Nothing of it is kept; late answers find nobody.
  mutating func finish(
    _ slot: Int32, _ outcome: Outcome, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    deadlines.remove(slot)
    let id = calls[slot].id
    let parent = calls[slot].parent
    let work = calls[slot].work
    let composite = calls[slot].composite
    let place = calls[slot].place
    calls.remove(slot)
    if let place { leavePlace(place) }
    if composite >= 0 { discardComposite(composite) }
    if let id {
      outputs.completions.append(.init(call: id, outcome: outcome))
    } else if let parent, calls.isLive(parent) {
      partFinished(parent.slot, work, outcome, now, &outputs)
    }
  }

  /// Takes a call of the core's own out, without a word.
  mutating func discard(_ slot: Int32) {
    deadlines.remove(slot)
    calls.remove(slot)
  }

  /// Ends a call that no answer confirmed: rejected where every attempt is known to have done
  /// nothing, else unknown. What a retry was told does not speak for the tries before it.
  mutating func finishUndone(
    _ slot: Int32, _ failure: Failure, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    var failure = failure
    if calls[slot].unresolved == 0 {
      failure.notStarted = true
      finish(slot, .rejected(failure), now, &outputs)
    } else {
      failure.notStarted = false
      if calls[slot].work.isMutation {
        failure.message += "; an earlier try may have taken effect, or may yet"
      }
      finish(slot, .unknown(failure), now, &outputs)
    }
  }

  /// The call's time is over.
  mutating func expire(_ slot: Int32, _ now: Now, _ outputs: inout ClientOutputs) {
    let call = calls[slot]
    let target = name(of: call)
    let time = call.options.timeout
    if call.unresolved > 0 {
      let advice =
        call.work.isMutation
        ? ": it may have been done, or may yet be; read it to find out, or repeat it" : ": retry"
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
    finish(
      slot,
      .rejected(
        Failure(
          code, call.lastFailure?.reason ?? .none, notStarted: true,
          "\(call.work.name)\(target) could not be done within \(time)\(cause): nothing was done;"
            + " retry")),
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
      if call.withoutQuorum >> UInt64(position) & 1 == 1 {
        answered += 1
      } else {
        states.append(peers[Int(peer)].describe(now.instant))
      }
    }
    let list = states.joined(separator: ", ")
    let message: String
    switch call.route {
    case .group(let group) where answered > 0:
      let others = list.isEmpty ? "" : "; \(list)"
      let advice =
        call.work.isMutation
        ? "retry when more nodes are up" : "retry, or read with --consistency stale"
      message =
        "no quorum for \(name(ofGroup: group)) (\(answered) of \(candidates.count) replicas"
        + " answered\(others)): \(advice)"
    case .group(let group):
      message =
        "no replica of \(name(ofGroup: group)) can be reached (\(list)): see that its nodes run,"
        + " then retry"
    default:
      message = "\(list): see that it runs, then retry"
    }
    finishUndone(
      slot, Failure(.unavailable, .noQuorum, notStarted: true, message), now, &outputs)
  }

  // MARK: Sentences

  func name(ofGroup group: Int) -> String {
    group == 0 ? "the meta group" : "partition \(group - 1)"
  }

  private func name(of call: Call) -> String {
    switch call.route {
    case .group(let group): " on \(name(ofGroup: group))"
    case .peer(let peer): " of \(peers[peer].name)"
    case .anyone, .unresolved: ""
    }
  }

  /// What stood in the way, in brackets.
  private func whyNot(_ call: Call, _ now: Now) -> String {
    if let failure = call.lastFailure { return " (\(failure.message))" }
    switch call.state {
    case .waitingForMap: return " (\(everyoneDescribed(now)))"
    case .waitingForPlace: return " (too many mutations of this client are in flight)"
    default:
      let candidates = candidates(of: call.route)
      guard !candidates.isEmpty else { return "" }
      return " (\(candidates.map { peers[Int($0)].describe(now.instant) }.joined(separator: ", ")))"
    }
  }

  /// Each endpoint and what is wrong with it.
  func everyoneDescribed(_ now: Now) -> String {
    everyone.prefix(8).map { index in
      let peer = peers[Int(index)]
      return peer.node == nil || peer.addresses.isEmpty
        ? peer.describe(now.instant) : "\(peer.describe(now.instant)) at \(peer.address)"
    }.joined(separator: ", ")
  }
}
