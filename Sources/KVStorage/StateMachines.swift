package import KVBase
package import KVCommand

/// The state of all groups of a node over one store: the one implementation of apply, read and
/// snapshot, used by the server and by the simulator.
///
/// `apply` writes one batch for all its requests. Calls that change state come from one thread.
package final class StateMachines<Store: StateStore> {
  package let store: Store

  package init(store: Store) {
    self.store = store
  }

  /// Opens a group's state in `generation`; `nil` where the store holds none.
  package func open(_ group: GroupID, generation: Generation) throws(StorageError) -> GroupStatus? {
    throw .misuse("not written")
  }

  /// Writes the state of a new replica: nothing applied, `configuration` in force and, for the meta
  /// group, `meta`.
  package func create(
    _ group: GroupID, generation: Generation, configuration: GroupConfiguration, meta: MetaState?
  ) throws(StorageError) -> GroupStatus {
    throw .misuse("not written")
  }

  /// Applies entries of several groups; one result for each request, in order.
  package func apply(_ requests: [ApplyRequest]) throws(StorageError) -> [ApplyResult] {
    throw .misuse("not written")
  }

  /// Reads a group's state as it is now; `nil` where the tier does not suffice.
  package func read(
    _ group: GroupID, _ command: ReadCommand, tier: ReadTier
  ) throws(StorageError) -> ReadResult? {
    throw .misuse("not written")
  }

  /// Begins to read a consistent image of a group's state as of now.
  package func beginSnapshot(_ group: GroupID) throws(StorageError) -> SnapshotReader<Store.View> {
    throw .misuse("not written")
  }

  /// Begins an empty `generation` of a group beside the present one; what an earlier, unfinished
  /// installation left in it is deleted.
  package func beginInstall(_ group: GroupID, generation: Generation) throws(StorageError) {
    throw .misuse("not written")
  }

  /// Writes one chunk of a snapshot. Bytes that make no sense throw `.damaged` and change nothing.
  package func installChunk(
    _ group: GroupID, generation: Generation, chunk: Bytes
  ) throws(StorageError) {
    throw .misuse("not written")
  }

  /// Ends the installation: checks that it is whole and makes it durable. The group still answers
  /// from its present generation until `activate`. Blocks.
  package func finishInstall(
    _ group: GroupID, generation: Generation
  ) throws(StorageError) -> GroupStatus {
    throw .misuse("not written")
  }

  /// Answers from `generation` from now on and deletes every other one of the group.
  package func activate(_ group: GroupID, generation: Generation) throws(StorageError) {
    throw .misuse("not written")
  }

  /// Deletes what is left of a group on this node.
  package func remove(_ group: GroupID) throws(StorageError) {
    throw .misuse("not written")
  }

  /// Makes durable what was applied, and answers what each group had applied at least. Blocks; may
  /// be called on another thread than `apply`.
  package func flush() throws(StorageError) -> [(group: GroupID, index: LogIndex)] {
    throw .misuse("not written")
  }
}

/// An image of one group's state, read chunk by chunk; the image lives as long as this does.
package final class SnapshotReader<View: StateView> {
  package let group: GroupID
  package let status: GroupStatus
  let view: View

  init(group: GroupID, status: GroupStatus, view: View) {
    self.group = group
    self.status = status
    self.view = view
  }

  /// The chunk at `cursor` (empty: the first) of at most about `maxBytes`, and the cursor of the
  /// next; `nil` after the last.
  package func chunk(
    at cursor: Bytes, maxBytes: Int
  ) throws(StorageError) -> (bytes: Bytes, next: Bytes?) {
    throw .misuse("not written")
  }
}
