internal import KVBase
internal import KVCommand
internal import KVWire

/// Calls over several groups: multi-gets, scans, and the end of the client's sessions.
extension ClientCore {
  private mutating func addPart(_ slot: Int32, _ work: Work) {
    var part = Call()
    part.parent = calls.ref(slot)
    part.work = work
    part.options = calls[slot].options
    part.began = calls[slot].began
    part.deadline = calls[slot].deadline
    composites.add(calls.insert(part), to: calls[slot].composite)
  }

  // MARK: Sessions

  mutating func beginEndSessions(_ slot: Int32, _ now: Now, _ outputs: inout ClientOutputs) {
    let left = sessions.endAll(now: now)
    guard !left.isEmpty else { return finish(slot, .sessionsEnded, now, &outputs) }
    calls.waitForParts(slot)
    calls[slot].composite = composites.beginEnds()
    for (group, client) in left { addPart(slot, .endSession(client, group: group)) }
  }

  /// A partition has been told, or could not be: the session goes in time either way.
  mutating func sessionEnded(
    _ part: CallRef, of parent: Int32, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    let composite = calls[parent].composite
    composites.remove(part, from: composite)
    guard composites.partCount(composite) == 0 else { return }
    finish(parent, .sessionsEnded, now, &outputs)
  }

  // MARK: Multi-get

  mutating func beginMultiGet(
    _ slot: Int32, _ keys: [Bytes], _ now: Now, _ outputs: inout ClientOutputs
  ) {
    guard !keys.isEmpty else {
      finish(slot, .records([], []), now, &outputs)
      return
    }
    calls.waitForParts(slot)
    calls[slot].composite = composites.beginMultiGet(keys: keys.count)
    var byGroup: [[Int32]] = Array(repeating: [], count: routes.partitions + 1)
    for (position, key) in keys.enumerated() {
      byGroup[routes.group(of: key)].append(Int32(position))
    }
    for positions in byGroup where !positions.isEmpty {
      var start = 0
      while start < positions.count {
        let end = min(start + Limits.multiGetKeys, positions.count)
        let part = Array(positions[start..<end])
        addPart(slot, .gets(keys: part.map { keys[Int($0)] }, positions: part))
        start = end
      }
    }
  }

  /// The answer to a part would be too long: asks for each half. False: it can't be split.
  mutating func splitMultiGet(_ slot: Int32) -> Bool {
    guard case .gets(let keys, let positions) = calls[slot].work, keys.count > 1,
      let parent = calls[slot].parent, calls.isLive(parent)
    else { return false }
    let half = keys.count / 2
    composites.remove(calls.ref(slot), from: calls[parent.slot].composite)
    calls.remove(slot)
    addPart(
      parent.slot, .gets(keys: Array(keys[..<half]), positions: Array(positions[..<half])))
    addPart(
      parent.slot, .gets(keys: Array(keys[half...]), positions: Array(positions[half...])))
    return true
  }

  // MARK: Scan

  mutating func beginScan(
    _ slot: Int32, _ query: ScanQuery, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    let keyspace = calls[slot].keyspace
    var after: Bytes?
    if let token = query.token {
      var problem: String?
      do {
        let decoded = try PageToken(decoding: token)
        problem = decoded.problem(keyspace: keyspace, query: query)
        after = decoded.lastKey
      } catch {
        problem = "\(error)"
      }
      if let problem {
        let failure = Failure(
          .invalidArgument, .malformed, notStarted: true,
          "the page token does not belong to this scan: \(problem)")
        finish(slot, .rejected(failure), now, &outputs)
        return
      }
    }
    calls.waitForParts(slot)
    calls[slot].composite = composites.beginScan(
      ScanMerge(keyspace: keyspace, query: query, partitions: routes.partitions, after: after))
    continueScan(slot, now, &outputs)
  }

  /// Completes the page, or asks for what it needs next.
  private mutating func continueScan(
    _ slot: Int32, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    if let page = composites.page(calls[slot].composite) {
      finish(slot, .page(page), now, &outputs)
      return
    }
    while let (partition, command) = composites.nextRequest(calls[slot].composite) {
      addPart(slot, .page(command, partition: partition))
    }
  }

  /// A page of one partition.
  mutating func pageArrived(
    _ slot: Int32, _ partition: Int, _ records: [ScannedRecord], more: Bool, by peer: Int,
    _ now: Now, _ outputs: inout ClientOutputs
  ) {
    guard let parent = calls[slot].parent, calls.isLive(parent) else {
      calls.remove(slot)
      return
    }
    let composite = calls[parent.slot].composite
    guard composites.receive(records, more: more, of: partition, for: composite) else {
      let failure = Failure(
        .internal, .none, notStarted: true,
        "\(peers.name(of: peer)) answered a scan of partition \(partition) out of order")
      finish(slot, .rejected(failure), now, &outputs)
      return
    }
    composites.remove(calls.ref(slot), from: composite)
    calls.remove(slot)
    continueScan(parent.slot, now, &outputs)
  }
}
