package import KVBase
internal import KVCommand

extension StateMachines {
  /// Opens the state of a replica that the log has recovered, at a node's start. The state is
  /// always at or behind the log, since nothing is applied before it is durable there, and at or
  /// beyond the log's base, since the log forgets only what the state has flushed. A state that was
  /// never flushed is made anew, and the log is replayed from its begin.
  ///
  /// - Parameters:
  ///   - log: the entries kept: from the one after the first bound to the second one.
  ///   - configuration: the one in force at the log's base.
  package func recover(
    _ group: GroupID, generation: Generation, log: (base: LogIndex, last: LogIndex),
    configuration: GroupConfiguration?
  ) throws(StorageError) -> GroupStatus {
    #if PlantedFaults
      replayedThrough[group] = log.last
    #endif
    guard let status = try open(group, generation: generation) else {
      guard log.base == .zero, let configuration else {
        throw .damaged(
          "the state of group \(group) is missing, and its log begins only after entry "
            + "\(log.base): " + StorageError.lostDataAdvice)
      }
      return try create(
        group, generation: generation, configuration: configuration,
        meta: group == .meta ? .unformed : nil)
    }
    guard status.appliedIndex >= log.base, status.appliedIndex <= log.last else {
      throw .damaged(
        "the state of group \(group) is at entry \(status.appliedIndex), and its log holds "
          + "\(log.base.next) to \(log.last): log and state are not of one directory")
    }
    return status
  }
}
