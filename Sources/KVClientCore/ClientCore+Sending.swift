internal import KVBase
internal import KVCommand
internal import KVWire

/// Sessions, and the bytes of requests.
extension ClientCore {
  /// Gives a mutation its place in the window of its group, and with it its sequence. False: it
  /// waits for one, or was refused.
  mutating func takePlace(_ slot: Int32, _ now: Now, _ outputs: inout ClientOutputs) -> Bool {
    guard case .group(let group) = calls[slot].route else {
      preconditionFailure("a mutation with the route \(calls[slot].route)")
    }
    guard windows[group].isFull else {
      openPlace(slot, group)
      return true
    }
    calls[slot].state = .waitingForPlace
    deadlines.set(slot, due: calls[slot].deadline)
    if windows[group].waiting.append(calls.ref(slot)) { return false }
    let failure = Failure(
      .resourceExhausted, .overloaded, notStarted: true,
      "\(Limits.clientWaitingMutations) mutations of this client wait for \(name(ofGroup: group)):"
        + " wait for some of them, then retry")
    finishUndone(slot, failure, now, &outputs)
    return false
  }

  private mutating func openPlace(_ slot: Int32, _ group: Int) {
    calls[slot].place = SessionPlace(group: group, ordinal: windows[group].open(nextSequence))
    calls[slot].sequence = nextSequence
    calls[slot].client = client
    nextSequence += 1
  }

  /// A mutation has ended: the next in the queue get its place.
  mutating func leavePlace(_ place: SessionPlace) {
    let group = place.group
    windows[group].close(place.ordinal)
    while !windows[group].isFull, let ref = windows[group].waiting.popFirst() {
      guard calls.isLive(ref), calls[ref.slot].state == .waitingForPlace else { continue }
      openPlace(ref.slot, group)
      makeReady(ref.slot)
    }
  }

  mutating func send(_ slot: Int32, to peer: Int, _ now: Now, _ outputs: inout ClientOutputs) {
    let stream = peers[peer].streams.open(calls.ref(slot))
    if peers[peer].problem == .timedOut {
      // One call finds out whether it answers again; the others go elsewhere.
      peers[peer].restUntil = now.instant + settings.attemptTimeout
    }
    let base =
      calls[slot].work.isLong ? settings.longAttemptTimeout : settings.attemptTimeout
    var answerBy = now.instant + base * (1 << UInt64(min(calls[slot].attempts, 3)))
    if calls[slot].work.isMutation, !calls[slot].options.retriesUnknown {
      answerBy = calls[slot].deadline
    }
    calls[slot].attempts += 1
    calls[slot].outstanding += 1
    calls[slot].unresolved += 1
    calls[slot].sentAt = now.instant
    calls[slot].state = .sent(peer: peer, stream: stream, answerBy: answerBy)
    deadlines.set(slot, due: min(answerBy, calls[slot].deadline))
    let start = outputs.sendBytes.count
    encode(slot, now, into: &outputs.sendBytes)
    outputs.sends.append(
      .init(
        peer: PeerID(UInt32(peer)), stream: stream, start: start, end: outputs.sendBytes.count))
  }

  private func encode(_ slot: Int32, _ now: Now, into writer: inout ByteWriter) {
    let keyspace = calls[slot].keyspace
    var request = Request(.map, deadline: min(calls[slot].deadline - now.instant, .seconds(3600)))
    request.epoch = view?.meta.epoch
    let mutation: CommandBody
    switch calls[slot].work {
    case .mutate(let key, let change):
      mutation = .mutate(keyspace: keyspace, key: key, change)
    case .meta(let change):
      mutation = .meta(change)
    case .get(let key):
      return encode(.get(keyspace: keyspace, key: key), slot, &request, into: &writer)
    case .gets(let keys, _):
      return encode(.multiGet(keyspace: keyspace, keys: keys), slot, &request, into: &writer)
    case .page(let scan, let partition):
      request.group = GroupID(UInt32(partition + 1))
      return encode(.scan(scan), slot, &request, into: &writer)
    case .map: return request.encode(into: &writer)
    case .status:
      request.body = .status
      return request.encode(into: &writer)
    case .health:
      request.body = .health
      return request.encode(into: &writer)
    case .multiGet, .scan: preconditionFailure("\(calls[slot].work.name) is sent as its parts")
    }
    request.consistency = calls[slot].options.consistency
    encode(mutation, slot, request, into: &writer)
  }

  private func encode(
    _ read: ReadCommand, _ slot: Int32, _ request: inout Request, into writer: inout ByteWriter
  ) {
    let options = calls[slot].options
    var group: GroupID?
    if case .group(let number) = calls[slot].route { group = GroupID(UInt32(number)) }
    request.body = .read(read)
    request.consistency = options.consistency
    if options.afterGroup == nil || options.afterGroup == group { request.after = options.after }
    request.maximumAge = options.maximumAge
    request.encode(into: &writer)
  }

  private func encode(
    _ mutation: CommandBody, _ slot: Int32, _ request: Request, into writer: inout ByteWriter
  ) {
    guard let group = calls[slot].place?.group else {
      preconditionFailure("a mutation without a place, with the route \(calls[slot].route)")
    }
    let stamp = SessionStamp(
      client: calls[slot].client, sequence: calls[slot].sequence,
      lowestUnacknowledged: windows[group].lowestUnacknowledged ?? calls[slot].sequence)
    let command = Command(session: stamp, body: mutation)
    var request = request
    // The command's bytes are the last of the request: written in place, not copied.
    request.body = .mutate(command, encoded: Bytes())
    request.encode(into: &writer)
    command.encode(into: &writer)
  }
}
