import KVBase
import KVClientCore
import KVCommand
import KVPlacement
import KVWire

extension FakeCluster {
  func group(of key: Bytes) -> GroupID {
    GroupID(partition: Ring.partition(of: key, partitions: view.map.partitions))
  }

  func replicas(of group: Int) -> [NodeID] { view.map.replicaSets[group].nodes }

  func leader(of key: Bytes) -> NodeID { leaders[Int(group(of: key).rawValue)] }

  func receipt(_ node: NodeID, _ group: GroupID, _ served: Receipt.Served) -> Receipt {
    Receipt(
      served: served, node: node, group: group, term: Term(3), index: LogIndex(index),
      replicas: 2)
  }

  static func failure(
    _ reason: Reason, code: StatusCode = .unavailable, notStarted: Bool = true,
    leader: NodeID? = nil
  ) -> Reply {
    .failed(Failure(code, reason, notStarted: notStarted, "said \(reason)", leader: leader))
  }

  func answer(_ node: NodeID, _ request: Request) -> Reply {
    switch request.body {
    case .map: return .map(view)
    case .status:
      return .status(
        NodeReport(
          node: node, incarnation: 5, clusterID: 77, epoch: view.map.epoch, version: "1",
          uptimeMilliseconds: 5, logBytes: 1, stateBytes: 2, clientConnections: 1, groups: [],
          peers: []))
    case .health:
      return .health(
        HealthReport(node: node, groupsWithLeader: 3, groups: 3, isShuttingDown: false))
    case .mutate(let command, _):
      let group = command.target.map { self.group(of: $0.key) } ?? request.group ?? .meta
      if let refusal = refusal(node, group, request) { return refusal }
      return .applied(apply(command), receipt(node, group, .commit))
    case .read(let read):
      let group = request.group ?? firstKey(of: read).map { self.group(of: $0) } ?? .meta
      let isLocal = request.consistency == .stale || request.consistency == .session
      if !isLocal, let refusal = refusal(node, group, request) { return refusal }
      return .read(perform(read, group), receipt(node, group, isLocal ? .stale : .readIndex))
    }
  }

  private func refusal(_ node: NodeID, _ group: GroupID, _ request: Request) -> Reply? {
    if withoutQuorum { return Self.failure(.noQuorum) }
    if noLeader { return Self.failure(.noLeader) }
    if turnsAway, let turn = turn(node, group) { return turn }
    let leader = leaders[Int(group.rawValue)]
    guard leader != node else { return nil }
    return Self.failure(.notLeader, leader: hintsLeader ? leader : nil)
  }

  private func turn(_ node: NodeID, _ group: GroupID) -> Reply? {
    guard let set = view.map.replicaSet(of: group), !set.nodes.contains(node) else { return nil }
    let route = GroupRoute(
      group: group, epoch: set.epoch,
      replicas: set.nodes.map { .init(id: $0, address: view.map.member($0)?.address ?? "") })
    return .failed(
      Failure(
        .unavailable, .notReplica, notStarted: true, "not here", leader: set.voters.first?.node,
        route: route))
  }

  private func firstKey(of read: ReadCommand) -> Bytes? {
    switch read {
    case .get(_, let key): key
    case .multiGet(_, let keys): keys.first
    case .scan: nil
    }
  }

  private func apply(_ command: Command) -> CommandResult {
    let session = SessionKey(client: command.session.client, sequence: command.session.sequence)
    if let known = results[session], !forgetsSessions { return known }
    index += 1
    let result: CommandResult
    switch command.body {
    case .mutate(_, let key, .put(let put)):
      data[key] = Record(version: LogIndex(index), value: put.value)
      result = .written(version: LogIndex(index))
    case .mutate(_, let key, .delete):
      result = .deleted(existed: data.removeValue(forKey: key) != nil, version: LogIndex(index))
    case .mutate(_, let key, .add(let add)):
      let old = data[key].flatMap { $0.value.text }.flatMap { Int64($0) } ?? 0
      data[key] = Record(version: LogIndex(index), value: Bytes("\(old + add.delta)"))
      result = .added(value: old + add.delta, version: LogIndex(index))
    case .meta(.createKeyspace(let name, let mode)):
      let descriptor = KeyspaceDescriptor(id: view.map.nextKeyspace, name: name, mode: mode)
      view.map.keyspaces.append(descriptor)
      view.map.nextKeyspace = KeyspaceID(descriptor.id.rawValue + 1)
      view.map.epoch = Epoch(view.map.epoch.rawValue + 1)
      result = .keyspace(descriptor)
    default: result = .done
    }
    results[session] = result
    return result
  }

  private func perform(_ read: ReadCommand, _ group: GroupID) -> ReadResult {
    switch read {
    case .get(_, let key): return .record(data[key])
    case .multiGet(_, let keys): return .records(keys.map { data[$0] })
    case .scan(let scan):
      var found = data.keys.filter { key in
        self.group(of: key) == group && key >= scan.from && scan.to.map { key < $0 } ?? true
      }.sorted()
      if scan.descending { found.reverse() }
      let limit = min(scan.limit, pageLimit)
      return .page(
        found.prefix(limit).map { key in
          let record = data[key] ?? Record(version: .zero, value: Bytes())
          return ScannedRecord(
            key: key,
            record: scan.keysOnly ? Record(version: record.version, value: Bytes()) : record)
        }, more: found.count > limit)
    }
  }
}
