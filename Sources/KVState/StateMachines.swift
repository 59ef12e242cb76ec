package import KVBase
package import KVCommand
internal import Synchronization

/// What other threads than the applying one may know of a group.
struct PublishedGroup: Sendable {
  var generation: Generation
  /// Written to the store up to here.
  var appliedIndex: LogIndex
  /// Sorted.
  var dropped: [KeyspaceID]
}

/// The state of all groups of a node over one store: the one implementation of apply, read and
/// snapshot, used by the server and by the simulator.
///
/// `apply` writes one batch for all its requests. Calls that change state come from one thread;
/// `read`, `beginSnapshot` and `flush` may come from others. After any of the calls that change
/// state threw `.io` or `.damaged`, what is in memory may be ahead of the store: the node stops.
package final class StateMachines<Store: StateStore> {
  package let store: Store
  #if PlantedFaults
    /// What is to be done wrong, so that the checks show that they see it.
    package var plantedFault: PlantedFault?
    /// What the log held when the node started: entries up to here are carried out again.
    package var replayedThrough: [GroupID: LogIndex] = [:]
  #endif

  var groups: [GroupID: GroupState] = [:]
  var installs: [GroupID: Installation] = [:]
  var scratch = ApplyScratch()
  let published = Mutex<[GroupID: PublishedGroup]>([:])
  var batch = Store.Batch()

  package init(store: Store) {
    self.store = store
  }

  /// Opens a group's state in `generation`; `nil` where the store holds none. Rows of its other
  /// generations, left by an installation that was cut off, are deleted.
  package func open(_ group: GroupID, generation: Generation) throws(StorageError) -> GroupStatus? {
    guard let state = try GroupState.load(group, generation, from: store.makeView()) else {
      return nil
    }
    groups[group] = state
    publish(state)
    try deleteOtherGenerations(of: state.key, group)
    return state.status
  }

  /// Writes the state of a new replica: nothing applied, `configuration` in force and, for the meta
  /// group, `meta`. Whatever the store still held of the group is deleted.
  package func create(
    _ group: GroupID, generation: Generation, configuration: GroupConfiguration, meta: MetaState?
  ) throws(StorageError) -> GroupStatus {
    let state = GroupState(
      group: group, generation: generation, configuration: configuration, meta: meta)
    batch.removeAll()
    let range = StateKey.range(of: group)
    if try holdsAnything(from: range.from, to: range.to) {
      batch.deleteRange(from: range.from, to: range.to)
    }
    state.markAllChanged()
    state.writeRows(into: &batch, scratch: &scratch.rowWriter)
    try writeBatch()
    groups[group] = state
    publish(state)
    return state.status
  }

  /// Deletes what is left of a group on this node.
  package func remove(_ group: GroupID) throws(StorageError) {
    groups[group] = nil
    installs[group] = nil
    published.withLock { $0[group] = nil }
    let range = StateKey.range(of: group)
    try deleteRange(from: range.from, to: range.to)
  }

  /// Makes durable what was applied, and answers what each group had applied at least. Blocks; may
  /// be called on another thread than `apply`.
  package func flush() throws(StorageError) -> [(group: GroupID, index: LogIndex)] {
    // Captured first: what is applied while the store flushes may or may not be in it.
    let applied = published.withLock { groups in
      groups.map { (group: $0.key, index: $0.value.appliedIndex) }
    }
    try store.flush()
    return applied.sorted { $0.group < $1.group }
  }

  /// What a group's state says of itself now; `nil` where it is not open. On the applying thread.
  package func status(of group: GroupID) -> GroupStatus? { groups[group]?.status }

  /// Approximate bytes of all groups' state, in files and memory tables.
  package var approximateStateBytes: Int {
    store.approximateBytes(from: Bytes([0]), to: Bytes([0xFF]))
  }

  func publish(_ state: GroupState) {
    let entry = PublishedGroup(
      generation: state.generation, appliedIndex: state.progress.index, dropped: state.dropped)
    published.withLock { $0[state.group] = entry }
  }

  func writeBatch() throws(StorageError) {
    try store.write(&batch)
    batch.removeAll()
  }

  /// Range deletes slow reads down until they are compacted away: none is written without need.
  func deleteRange(from: Bytes, to: Bytes) throws(StorageError) {
    guard try holdsAnything(from: from, to: to) else { return }
    batch.removeAll()
    batch.deleteRange(from: from, to: to)
    try writeBatch()
  }

  func deleteOtherGenerations(of key: StateKey, _ group: GroupID) throws(StorageError) {
    let all = StateKey.range(of: group)
    try deleteRange(from: all.from, to: key.range.from)
    try deleteRange(from: key.range.to, to: all.to)
  }

  private func holdsAnything(from: Bytes, to: Bytes) throws(StorageError) -> Bool {
    var found = false
    try store.makeView().scan(from: from, to: to, descending: false) { _, _ in
      found = true
      return false
    }
    return found
  }
}

/// What other threads may call touches only the store, which may be shared, and `published`, which
/// is locked; the rest belongs to the applying thread.
extension StateMachines: @unchecked Sendable where Store: Sendable {}
