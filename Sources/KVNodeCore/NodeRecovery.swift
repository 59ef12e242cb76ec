package import KVBase
package import KVStorage

/// What a node found on its disk: for each group that it holds, the log and the state.
package struct NodeRecovery: Sendable {
  package struct Group: Sendable {
    package var group: GroupID
    package var log: RecoveredLog
    package var status: GroupStatus
  }

  /// By group.
  package var groups: [Group]

  /// Opens the groups of a node, and makes those that are not there yet: the same for the real
  /// stores and for their twins. Blocks.
  package static func open<Log: LogStore, State: StateStore>(
    configuration: NodeConfiguration, log: Log, machines: StateMachines<State>
  ) throws(StorageError) -> NodeRecovery {
    throw .misuse("not written")
  }
}
