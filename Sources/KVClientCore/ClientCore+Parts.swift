internal import KVBase
internal import KVCommand
internal import KVWire

/// What the parts of a call have answered so far.
struct Composite: Sendable {
  enum Progress: Sendable {
    case gets(records: [Record?], receipts: [Receipt])
    case scan(ScanMerge)
  }

  var progress: Progress
  /// Parts that run; those that have ended are taken out.
  var parts: [CallRef] = []
}

/// Calls over several groups: multi-gets and scans.
extension ClientCore {
  private mutating func makeComposite(_ progress: Composite.Progress) -> Int32 {
    if let index = freeComposites.popLast() {
      composites[Int(index)] = Composite(progress: progress)
      return index
    }
    composites.append(Composite(progress: progress))
    return Int32(composites.count - 1)
  }

  /// The whole has ended: its parts are no longer wanted.
  mutating func discardComposite(_ index: Int32) {
    let parts = composites[Int(index)]?.parts ?? []
    composites[Int(index)] = nil
    freeComposites.append(index)
    for part in parts where calls.isLive(part) { discard(part.slot) }
  }

  private mutating func addPart(_ slot: Int32, _ work: Work) {
    var part = Call()
    part.parent = calls.ref(slot)
    part.work = work
    part.options = calls[slot].options
    part.began = calls[slot].began
    part.deadline = calls[slot].deadline
    part.state = .ready
    let ref = calls.insert(part)
    composites[Int(calls[slot].composite)]?.parts.append(ref)
    ready.append(ref)
  }

  private mutating func gather(_ slot: Int32, _ progress: Composite.Progress) {
    calls[slot].state = .gathering
    calls[slot].composite = makeComposite(progress)
    // The parts have the same deadline, and say more of what went wrong.
    deadlines.remove(slot)
  }

  // MARK: Multi-get

  mutating func beginMultiGet(
    _ slot: Int32, _ keys: [Bytes], _ now: Now, _ outputs: inout ClientOutputs
  ) {
    guard !keys.isEmpty else {
      finish(slot, .records([], []), now, &outputs)
      return
    }
    gather(slot, .gets(records: Array(repeating: nil, count: keys.count), receipts: []))
    var byGroup: [[Int32]] = Array(repeating: [], count: routes.count)
    for (position, key) in keys.enumerated() { byGroup[group(of: key)].append(Int32(position)) }
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
    let composite = Int(calls[parent.slot].composite)
    let ref = calls.ref(slot)
    composites[composite]?.parts.removeAll { $0 == ref }
    discard(slot)
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
    let merge = ScanMerge(
      keyspace: keyspace, query: query, partitions: routes.count - 1, after: after)
    gather(slot, .scan(merge))
    continueScan(slot, now, &outputs)
  }

  /// Completes the page, or asks for what it needs next.
  private mutating func continueScan(
    _ slot: Int32, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    let index = Int(calls[slot].composite)
    guard case .scan(var merge) = composites[index]?.progress else {
      preconditionFailure("call \(slot) is no scan")
    }
    if merge.isDone {
      finish(slot, .page(merge.page), now, &outputs)
      return
    }
    composites[index]?.progress = .gets(records: [], receipts: [])
    while (composites[index]?.parts.count ?? 0) < Limits.scanFanOut,
      let (partition, command) = merge.nextRequest()
    {
      addPart(slot, .page(command, partition: partition))
    }
    composites[index]?.progress = .scan(merge)
  }

  /// A page of one partition.
  mutating func pageArrived(
    _ slot: Int32, _ partition: Int, _ records: [ScannedRecord], more: Bool, by peer: Int,
    _ now: Now, _ outputs: inout ClientOutputs
  ) {
    guard let parent = calls[slot].parent, calls.isLive(parent) else {
      discard(slot)
      return
    }
    let index = Int(calls[parent.slot].composite)
    guard case .scan(var merge) = composites[index]?.progress else {
      preconditionFailure("call \(parent.slot) is no scan")
    }
    // Taken out while it changes, so that the arrays in it are not copied.
    composites[index]?.progress = .gets(records: [], receipts: [])
    let isSound = merge.receive(partition: partition, records, more: more)
    composites[index]?.progress = .scan(merge)
    guard isSound else {
      let failure = Failure(
        .internal, .none, notStarted: true,
        "\(peers[peer].name) answered a scan of partition \(partition) out of order")
      finish(slot, .rejected(failure), now, &outputs)
      return
    }
    let ref = calls.ref(slot)
    composites[index]?.parts.removeAll { $0 == ref }
    discard(slot)
    continueScan(parent.slot, now, &outputs)
  }

  // MARK: Joining

  /// A part has ended; a failure of one is the failure of the whole.
  mutating func partFinished(
    _ parent: Int32, _ work: Work, _ outcome: Outcome, _ now: Now, _ outputs: inout ClientOutputs
  ) {
    let index = Int(calls[parent].composite)
    guard case .records(let answers, let receipts) = outcome,
      case .gets(_, let positions) = work,
      case .gets(var records, var allReceipts) = composites[index]?.progress
    else {
      finish(parent, outcome, now, &outputs)
      return
    }
    composites[index]?.progress = .gets(records: [], receipts: [])
    for (answer, position) in zip(answers, positions) { records[Int(position)] = answer }
    allReceipts += receipts
    composites[index]?.progress = .gets(records: records, receipts: allReceipts)
    composites[index]?.parts.removeAll { [calls] in !calls.isLive($0) }
    if composites[index]?.parts.isEmpty ?? true {
      finish(parent, .records(records, allReceipts), now, &outputs)
    }
  }
}
