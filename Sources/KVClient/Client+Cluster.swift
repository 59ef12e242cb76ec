internal import KVBase
package import KVClientCore
internal import KVCommand
package import KVWire

/// Keyspaces and nodes.
extension Client {
  /// Creates a keyspace. Throws `alreadyExists` where there is one of that name.
  @discardableResult
  public func createKeyspace(
    _ name: String, mode: KeyspaceMode = .cp, options: Options = Options()
  ) async throws(KVError) -> Keyspace {
    let outcome = await perform(
      .createKeyspace(name: name, mode: mode == .cp ? .cp : .ap), options.core())
    guard case .applied(.keyspace(let descriptor), _) = outcome else { throw KVError(outcome) }
    return Keyspace(descriptor)
  }

  /// Drops a keyspace and all its records. Throws `notFound` where there is none of that name.
  public func dropKeyspace(
    _ name: String, options: Options = Options()
  ) async throws(KVError) {
    let outcome = await perform(.dropKeyspace(name: name), options.core())
    switch outcome {
    case .applied(.done, _), .applied(.keyspace, _): return
    case .applied(.noSuchKeyspace, _):
      throw KVError(.rejected, .notFound, "there is no keyspace '\(name)'")
    default: throw KVError(outcome)
    }
  }

  /// All keyspaces, by id.
  public func keyspaces(options: Options = Options()) async throws(KVError) -> [Keyspace] {
    try await map(options.core()).map.keyspaces.map { Keyspace($0) }
  }

  /// What each node says of its readiness; `nil` for one that does not answer.
  public func health(
    options: Options = Options()
  ) async throws(KVError) -> [(node: UInt32, health: NodeHealth?)] {
    let nodes = try await map(options.core()).map.members
    var answers: [(node: UInt32, health: NodeHealth?)] = []
    for node in nodes {
      guard case .health(let report) = await perform(.health(node.node), options.core()) else {
        answers.append((node.node.rawValue, nil))
        continue
      }
      answers.append(
        (
          node.node.rawValue,
          NodeHealth(
            node: report.node.rawValue, groupsWithLeader: Int(report.groupsWithLeader),
            groups: Int(report.groups), isReady: report.isReady)
        ))
    }
    return answers
  }

  /// A fresh map.
  package func map(_ options: CallOptions) async throws(KVError) -> ClusterView {
    let outcome = await perform(.map, options)
    guard case .map(let view) = outcome else { throw KVError(outcome) }
    return view
  }
}
