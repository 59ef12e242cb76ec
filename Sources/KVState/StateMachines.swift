package import KVBase
package import KVCommand

/// What other threads than the applying one may know of a group.
struct PublishedGroup: Sendable {
  var generation: Generation
  /// Written to the store up to here.
  var appliedIndex: LogIndex
  var dropped: KeyspaceIDSet
}

/// The state of all groups of a node over one store: the one implementation of apply, read and
/// snapshot, used by the server and by the simulator.
///
/// **Who calls what, when.** One thread, the applying one (of a server the loop thread), calls
/// everything that changes state, and none of it waits for a file but `open`, at the start. When a
/// node starts, `open` finds what the store holds of each group, or `create` writes the state of a
/// new one. From then on, at the end of each turn, `apply` is called once with entries that are
/// committed and durable in the node's own log, of all groups (`applyInMemory`, which leaves out
/// what has to wait for a file: `ParkedApply`). `beginInstall`, `installChunk` and `sealInstall`
/// build a group's next generation beside the present one, and `activate` switches to it. `remove`
/// deletes a group. Between two applies, on any thread: `read`, `lookUp`, `beginSnapshot`,
/// `prepareActivation` and `flush`; they see the store and what is published under a lock, and
/// nothing else of this type.
///
/// **What is in one batch.** Everything that a call of `apply` changes, of all groups: records, and
/// of each group that had entries its progress row with its part of the journal of sessions, and
/// the meta rows that changed. So the store holds, after a crash too, each group as of one entry:
/// its records, its sessions and its applied index agree, and the log is repeated from there.
/// Entries of a batch see what earlier ones of it wrote (`BatchWrites`).
///
/// **What waits for what.** `apply` returns when the batch is in the store's memory, not when it
/// is durable: the node's log is that already, so clients are answered after `apply`, and the log
/// is kept up to what `flush` has answered. An index is published after its batch was written, so
/// that `flush` never answers more than the store holds; a drop of a keyspace before, so that no
/// read answers that a deleted record was never there. A new generation is flushed between
/// `sealInstall` and `activate`, since the log is reset in between.
///
/// After any call that changes state threw `.io` or `.damaged`, what is in memory may be ahead of
/// the store: the node stops.
package final class StateMachines<Store: StateStore> {
  package let store: Store
  /// Sessions of a group: equal on all replicas.
  package let sessionLimit: Int
  #if PlantedFaults
    /// What is to be done wrong, so that the checks show that they see it.
    package var plantedFault: PlantedFault?
    package var plantedEntry = PlantedEntry()
    /// What the log held when the node started: entries up to here are carried out again.
    package var replayedThrough: [GroupID: LogIndex] = [:]
  #endif

  var groups = GroupSlots<GroupState>()
  var installs: [GroupID: Installation] = [:]
  let published = Locked(GroupSlots<PublishedGroup>())
  private var turn = ApplyTurn<Store>()

  /// `sessionLimit` is another than that of real nodes in simulations, where sessions are to be
  /// evicted all the time.
  package init(store: Store, sessionLimit: Int = Limits.sessionsPerGroup) {
    self.store = store
    self.sessionLimit = sessionLimit
  }

  /// Applies entries of several groups, reading files where that is needed; one result for each
  /// request, in order. Throws `.damaged` where an entry does not decode: it was decoded before it
  /// was proposed, so the node stops.
  package func apply(_ requests: [ApplyRequest]) throws(StorageError) -> [ApplyResult] {
    try apply(requests, tier: .all).results
  }

  /// The same up to the first entry of each request whose record is not in memory. For a thread
  /// that waits for no file: `ParkedApply` says what follows.
  package func applyInMemory(_ requests: [ApplyRequest]) throws(StorageError) -> ApplyOutcome {
    try apply(requests, tier: .memory)
  }

  private func apply(
    _ requests: [ApplyRequest], tier: ReadTier
  ) throws(StorageError) -> ApplyOutcome {
    #if PlantedFaults
      if plantedFault == .lastUseForgotten { forgetLastUses() }
      turn.plantedFault = plantedFault
      turn.plantedEntry = plantedEntry
      turn.replayedThrough = replayedThrough
    #endif
    let outcome = try turn.apply(requests, to: &groups, of: store, tier: tier)
    guard !turn.touched.isEmpty else {
      turn.end()
      return outcome
    }
    // A reader must not find the records of a dropped keyspace absent, so it learns of the drop
    // before the store does.
    for result in outcome.results {
      guard let dropped = result.droppedKeyspaces else { continue }
      published.withLock { published in
        guard let slot = published.slot(of: result.group) else { return }
        published[slot: slot].dropped = dropped
      }
    }
    try turn.write(to: store)
    published.withLock { published in
      for slot in turn.touched {
        guard let position = published.slot(of: groups.groups[slot]) else { continue }
        published[slot: position].appliedIndex = groups[slot: slot].progress.index
      }
    }
    turn.end()
    return outcome
  }

  #if PlantedFaults
    /// Once after a start: a fault is planted when the groups have been opened.
    private func forgetLastUses() {
      for group in replayedThrough.keys.sorted() {
        guard let slot = groups.slot(of: group) else { continue }
        groups[slot: slot].sessions.forgetLastUses()
      }
      replayedThrough = [:]
    }
  #endif

  /// Opens a group's state in `generation`; `nil` where the store holds none. Rows of its other
  /// generations, left by an installation that was cut off, are deleted.
  package func open(_ group: GroupID, generation: Generation) throws(StorageError) -> GroupStatus? {
    guard let state = try load(group, generation, from: store.makeView()) else { return nil }
    groups.set(group, to: state)
    publish(state)
    try deleteOtherGenerations(of: state.key, group, lookingIn: .all)
    return state.status
  }

  /// Writes the state of a new replica: nothing applied, `configuration` in force and, for the meta
  /// group, `meta`. Whatever the store still held of the group is deleted.
  package func create(
    _ group: GroupID, generation: Generation, configuration: GroupConfiguration, meta: ClusterMap?
  ) throws(StorageError) -> GroupStatus {
    var state = GroupState(
      group: group, generation: generation, configuration: configuration, meta: meta,
      sessionLimit: sessionLimit)
    var batch = Store.Batch()
    let range = StateKey.range(of: group)
    if try store.mayContain(from: range.from, to: range.to, tier: .memory) {
      batch.deleteRange(from: range.from, to: range.to)
    }
    state.markAllChanged()
    state.writeRows(into: &batch)
    try store.write(&batch)
    groups.set(group, to: state)
    publish(state)
    return state.status
  }

  /// Deletes what is left of a group on this node.
  package func remove(_ group: GroupID) throws(StorageError) {
    groups.remove(group)
    installs[group] = nil
    published.withLock { $0.remove(group) }
    let range = StateKey.range(of: group)
    try deleteRange(from: range.from, to: range.to, lookingIn: .memory)
  }

  /// Makes durable what was applied, and answers what each group had applied at least. Blocks; may
  /// be called on another thread than `apply`.
  package func flush() throws(StorageError) -> [(group: GroupID, index: LogIndex)] {
    // Captured first: what is applied while the store flushes may or may not be in it.
    let applied = publishedIndexes()
    try store.flush()
    return applied
  }

  /// What each group has applied and written to the store: what a flush that begins now makes
  /// durable.
  package func publishedIndexes() -> [(group: GroupID, index: LogIndex)] {
    published.withLock { published in
      published.groups.indices.map {
        (group: published.groups[$0], index: published[slot: $0].appliedIndex)
      }
    }.sorted { $0.group < $1.group }
  }

  /// What a group's state says of itself now; `nil` where it is not open. On the applying thread.
  package func status(of group: GroupID) -> GroupStatus? { groups[group]?.status }

  /// Approximate bytes of all groups' state, in files and memory tables.
  package var approximateStateBytes: Int {
    store.approximateBytes(from: Bytes([0]), to: Bytes([0xFF]))
  }

  func load(
    _ group: GroupID, _ generation: Generation, from view: Store.View
  ) throws(StorageError) -> GroupState? {
    try GroupState.load(group, generation, from: view, sessionLimit: sessionLimit)
  }

  func publish(_ state: GroupState) {
    let entry = PublishedGroup(
      generation: state.generation, appliedIndex: state.progress.index, dropped: state.dropped)
    published.withLock { $0.set(state.group, to: entry) }
  }

  /// Range deletes slow reads down until they are compacted away: none is written without need, as
  /// far as the tier can tell.
  func deleteRange(
    from: Bytes, to: Bytes, lookingIn tier: ReadTier
  ) throws(StorageError) {
    guard try store.mayContain(from: from, to: to, tier: tier) else { return }
    var batch = Store.Batch()
    batch.deleteRange(from: from, to: to)
    try store.write(&batch)
  }

  func deleteOtherGenerations(
    of key: StateKey, _ group: GroupID, lookingIn tier: ReadTier
  ) throws(StorageError) {
    let all = StateKey.range(of: group)
    try deleteRange(from: all.from, to: key.range.from, lookingIn: tier)
    try deleteRange(from: key.range.to, to: all.to, lookingIn: tier)
  }
}

/// What other threads may call touches only the store, which may be shared, and `published`, which
/// is locked; the rest belongs to the applying thread.
extension StateMachines: @unchecked Sendable where Store: Sendable {}
