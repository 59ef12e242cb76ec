internal import KVBase
package import KVCommand

extension MetaState {
  /// Carries out a command of the meta group. The epoch goes up by one where something changed.
  package mutating func apply(_ command: MetaCommand) -> CommandResult {
    switch command {
    case .createKeyspace(let name, let mode): createKeyspace(name, mode)
    case .dropKeyspace(let name): dropKeyspace(name)
    case .registerMember(let member): register(member)
    case .nameCluster(let id): nameCluster(id)
    }
  }

  private mutating func changed() { epoch = Epoch(epoch.rawValue + 1) }

  private mutating func createKeyspace(_ name: String, _ mode: KeyspaceMode) -> CommandResult {
    guard KeyspaceDescriptor.problem(withName: name) == nil else { return .invalidName }
    if let existing = keyspace(named: name) { return .keyspaceExists(existing) }
    guard keyspaces.count < Limits.keyspaces else { return .tooManyKeyspaces }
    let descriptor = KeyspaceDescriptor(id: nextKeyspace, name: name, mode: mode)
    // Ids are never reused: an entry in flight for a dropped keyspace must not reach its successor.
    nextKeyspace = KeyspaceID(nextKeyspace.rawValue + 1)
    keyspaces.append(descriptor)
    changed()
    return .keyspace(descriptor)
  }

  /// Answers the keyspace that is now gone, whose records every group has yet to delete.
  private mutating func dropKeyspace(_ name: String) -> CommandResult {
    guard let index = keyspaces.firstIndex(where: { $0.name == name }) else {
      return .noSuchKeyspace
    }
    guard dropped.count < Limits.droppedKeyspaces else { return .tooManyKeyspaces }
    let descriptor = keyspaces.remove(at: index)
    let position = dropped.firstIndex { $0 > descriptor.id } ?? dropped.count
    dropped.insert(descriptor.id, at: position)
    changed()
    return .keyspace(descriptor)
  }

  /// A member beyond the limit is refused as if its incarnation, 0, were another's: it is never
  /// registered, and the bootstrap list is bounded to the same number.
  private mutating func register(_ member: MemberRecord) -> CommandResult {
    let index = members.firstIndex { $0.node >= member.node } ?? members.count
    if index < members.count, members[index].node == member.node {
      let recorded = members[index].incarnation
      guard recorded == member.incarnation else { return .incarnationConflict(recorded: recorded) }
      guard members[index].address != member.address else { return .done }
      members[index].address = member.address
      changed()
      return .done
    }
    guard members.count < Limits.nodes else { return .incarnationConflict(recorded: 0) }
    members.insert(member, at: index)
    changed()
    return .done
  }

  private mutating func nameCluster(_ id: UInt64) -> CommandResult {
    guard clusterID == 0, id != 0 else { return .done }
    clusterID = id
    changed()
    return .done
  }
}
