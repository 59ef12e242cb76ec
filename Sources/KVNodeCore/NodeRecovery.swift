package import KVBase
internal import KVCommand
package import KVLog
package import KVState

/// What a node found on its disk: for each group of which it holds a replica, the log and the
/// state. Read by the interpreter, before the core is made.
package struct NodeRecovery: Sendable {
  package struct Group: Sendable {
    package var group: GroupID
    package var log: RecoveredLog
    package var status: GroupStatus

    package init(group: GroupID, log: RecoveredLog, status: GroupStatus) {
      self.group = group
      self.log = log
      self.status = status
    }

    /// A replica that begins empty.
    init(
      new group: GroupID, generation: Generation, configuration: GroupConfiguration,
      map: ClusterMap?
    ) {
      self.init(
        group: group,
        log: RecoveredLog(
          hardState: HardState(), generation: generation, baseIndex: .zero, baseTerm: .zero,
          lastIndex: .zero, termRuns: [],
          configurations: [IndexedConfiguration(index: .zero, configuration: configuration)]),
        status: GroupStatus(
          generation: generation, appliedIndex: .zero, appliedTerm: .zero,
          configuration: configuration, digest: 0, logTimeMilliseconds: 0,
          sessionFloorMilliseconds: 0, sessionCount: 0, droppedKeyspaces: [], meta: map))
    }
  }

  /// By group.
  package var groups: [Group]

  package init(groups: [Group]) { self.groups = groups }

  /// What `LogStore.recovered` holds, with the state that the interpreter opens for each group.
  package init(
    _ recovered: [(group: GroupID, log: RecoveredLog)],
    open: (GroupID, RecoveredLog) throws(StorageError) -> GroupStatus
  ) throws(StorageError) {
    groups = []
    for (group, log) in recovered {
      groups.append(Group(group: group, log: log, status: try open(group, log)))
    }
  }

  /// The node holds no replica: it is new, or its disk was lost.
  package var isBlank: Bool { groups.isEmpty }
}

extension NodeRecovery.Group {
  /// The replica id under which the group's configurations know this node: the newest one.
  func identity(on node: NodeID) -> ReplicaID {
    let configurations = log.configurations.map(\.configuration)
    for configuration in configurations.reversed() {
      if let id = configuration.members.last(where: { $0.node == node }) { return id }
    }
    return ReplicaID(node: node)
  }
}
