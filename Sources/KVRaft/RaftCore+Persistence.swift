package import KVBase

/// The end of a turn, what became durable, and what is ready to be applied.
extension RaftCore {
  /// Ends a turn: emits what is to be persisted, sends appends for what was proposed, and begins a
  /// read round for the tickets given out since the last one.
  package mutating func flush(now: Instant, into outputs: inout RaftOutputs) {
    var shared = SharedEntries()
    emitPersist(sharing: &shared, into: &outputs)
    guard isLeader else { return }
    startReadRound(now: now, into: &outputs)
    for position in peers.indices {
      replicate(toPeerAt: position, now: now, sharing: &shared, into: &outputs)
    }
  }

  private mutating func emitPersist(
    sharing shared: inout SharedEntries, into outputs: inout RaftOutputs
  ) {
    guard persistence.isDirty else { return }
    if let from = persistence.dirtyFrom {
      shared.set(log.entries(from: from, through: log.lastIndex, maxBytes: .max))
    }
    let changed = persistence.isHardStateDirty ? hardState : nil
    let token = persistence.emitted(lastIndex: log.lastIndex)
    outputs.persists.append(.init(token: token, hardState: changed, entries: shared.entries))
  }

  /// Everything up to and including this token is durable.
  package mutating func persisted(
    _ token: PersistToken, now: Instant, into outputs: inout RaftOutputs
  ) {
    let before = applicable
    let rose = persistence.complete(token)
    countOwnVote(now: now, into: &outputs)
    if rose {
      if persistence.stableIndex > commit { advanceCommit(now: now, into: &outputs) }
      evict()
    }
    if applicable > before { outputs.commitAdvanced = true }
  }

  /// Committed, and durable here: nothing else may be applied, or the state could outrun the log.
  private var applicable: LogIndex { min(commit, persistence.stableIndex) }

  package enum NextToApply: Sendable {
    case nothing
    case entries([LogEntry])
    /// Read these from the store, then apply them; contiguous with what was applied. There may be
    /// many: read them in several steps.
    case readLog(from: LogIndex, through: LogIndex)
  }

  /// What is committed and durable here and lies behind what was last handed out by this call;
  /// marks it as handed out.
  package mutating func nextToApply(maxBytes: Int) -> NextToApply {
    let from = handedOut.next
    let through = applicable
    // What a snapshot is about to replace is left alone.
    guard from <= through, !isInstalling else { return .nothing }
    if from < log.tailFirst {
      handedOut = min(through, log.tailFirst.previous)
      return .readLog(from: from, through: handedOut)
    }
    let entries = log.entries(from: from, through: through, maxBytes: maxBytes)
    handedOut = handedOut + entries.count
    return .entries(entries)
  }

  /// Applied through this index: older entries may leave the memory.
  package mutating func applied(through index: LogIndex) {
    guard index > appliedIndex else { return }
    precondition(index <= handedOut, "applied \(index), handed out \(handedOut)")
    appliedIndex = index
    while let first = leadership.unapplied.first, first.upTo <= index {
      leadership.unappliedBytes -= first.bytes
      _ = leadership.unapplied.popFirst()
    }
    evict()
  }

  /// Keeps the memory bounded. What is not durable stays; what is not applied stays while there is
  /// room for as much as a leader lets be uncommitted.
  private mutating func evict() {
    log.evict(
      through: min(appliedIndex, persistence.stableIndex), maxBytes: settings.tailBytes)
    log.evict(
      through: persistence.stableIndex, maxBytes: settings.tailBytes + settings.uncommittedBytes)
  }

  /// The store no longer keeps entries up to and including this one.
  package mutating func compacted(through index: LogIndex) {
    precondition(index <= appliedIndex, "compacted to \(index), applied \(appliedIndex)")
    guard index > log.baseIndex else { return }
    log.compact(through: index)
    configurations.compact(through: index)
  }
}
