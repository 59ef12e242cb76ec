internal import KVBase
package import KVCommand

extension ClusterMap {
  /// Carries out a command of the meta group. The epoch goes up by one where something changed.
  package mutating func apply(_ command: MetaCommand) -> CommandResult {
    switch command {
    case .createKeyspace(let name, let mode): createKeyspace(name, mode)
    case .dropKeyspace(let name): dropKeyspace(name)
    case .registerMember(let member): register(member)
    case .form(let map): form(map)
    }
  }

  private mutating func changed() { epoch = Epoch(epoch.rawValue + 1) }

  private mutating func createKeyspace(_ name: String, _ mode: KeyspaceMode) -> CommandResult {
    guard KeyspaceDescriptor.problem(withName: name) == nil else { return .invalidName }
    if let existing = keyspace(named: name) { return .keyspaceExists(existing) }
    guard keyspaces.count < Limits.keyspaces, nextKeyspace.rawValue < .max else {
      return .tooManyKeyspaces
    }
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
    let descriptor = keyspaces.remove(at: index)
    dropped.insert(descriptor.id)
    changed()
    return .keyspace(descriptor)
  }

  /// A node that is not a member is refused as if its incarnation, 0, were another's.
  private mutating func register(_ member: MemberRecord) -> CommandResult {
    guard let at = members.firstIndex(where: { $0.node == member.node }) else {
      return .incarnationConflict(recorded: 0)
    }
    let recorded = members[at].incarnation
    guard recorded == 0 || recorded == member.incarnation else {
      return .incarnationConflict(recorded: recorded)
    }
    var known = members[at]
    known.incarnation = member.incarnation
    if !member.address.isEmpty { known.address = member.address }
    guard known != members[at] else { return .done }
    members[at] = known
    changed()
    return .done
  }

  private mutating func form(_ first: ClusterMap) -> CommandResult {
    guard !isFormed, first.isFormed else { return .done }
    self = first
    return .done
  }
}
