package import KVBase
internal import KVCommand
package import KVLog
package import KVState

/// What a node found on its disk: for each group that it holds, the log and the state.
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
  }

  /// By group.
  package var groups: [Group]

  package init(groups: [Group]) { self.groups = groups }

  /// The node has never voted or appended anything: it has not been part of a cluster yet.
  package var isBlank: Bool {
    groups.allSatisfy { $0.log.hardState.term == .zero && $0.log.lastIndex == .zero }
  }

  /// Opens the groups of a node, and makes those that are not there yet: the same for the real
  /// stores and for their twins. Blocks.
  package static func open<Log: LogStore, State: StateStore>(
    configuration: NodeConfiguration, log: Log, machines: StateMachines<State>
  ) throws(StorageError) -> NodeRecovery {
    let plan = NodePlan(configuration)
    var groups: [Group] = []
    var created: [LogRecord] = []
    let recovered = log.recovered
    for group in plan.groups where plan.nodes(of: group).contains(configuration.node) {
      let initial = plan.initialConfiguration(of: group)
      if let found = recovered.first(where: { $0.group == group }) {
        let status = try openState(found.log, of: group, configuration, machines)
        #if PlantedFaults
          machines.replayedThrough[group] = found.log.lastIndex
        #endif
        groups.append(Group(group: group, log: found.log, status: status))
      } else {
        let generation = Generation(1)
        created.append(
          .reset(
            group, generation: generation, index: .zero, term: .zero, configuration: initial))
        let status = try machines.create(
          group, generation: generation, configuration: initial,
          meta: group == .meta ? MetaState(defaultMode: configuration.defaultMode) : nil)
        let empty = RecoveredLog(
          hardState: HardState(), generation: generation, baseIndex: .zero, baseTerm: .zero,
          lastIndex: .zero, termRuns: [],
          configurations: [IndexedConfiguration(index: .zero, configuration: initial)])
        groups.append(Group(group: group, log: empty, status: status))
      }
    }
    if !created.isEmpty {
      try log.append(created)
      try log.sync()
    }
    return NodeRecovery(groups: groups)
  }

  /// The state is always at or behind the log, since nothing is applied before it is durable there,
  /// and at or beyond the log's base, since the log forgets only what the state has flushed.
  private static func openState<State: StateStore>(
    _ log: RecoveredLog, of group: GroupID, _ configuration: NodeConfiguration,
    _ machines: StateMachines<State>
  ) throws(StorageError) -> GroupStatus {
    guard let status = try machines.open(group, generation: log.generation) else {
      guard log.baseIndex == .zero, let first = log.configurations.first else {
        throw .damaged(
          "the state of group \(group) is missing, and its log begins only behind entry "
            + "\(log.baseIndex): remove the data directory and let the node join anew")
      }
      return try machines.create(
        group, generation: log.generation, configuration: first.configuration,
        meta: group == .meta ? MetaState(defaultMode: configuration.defaultMode) : nil)
    }
    guard status.appliedIndex >= log.baseIndex, status.appliedIndex <= log.lastIndex else {
      throw .damaged(
        "the state of group \(group) is at entry \(status.appliedIndex), and its log holds "
          + "\(log.baseIndex.next) to \(log.lastIndex): log and state are not of one directory")
    }
    return status
  }
}
