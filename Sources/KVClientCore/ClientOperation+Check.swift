internal import KVBase
internal import KVCommand
internal import KVWire

extension ClientOperation {
  var work: Work {
    switch self {
    case .mutate(let key, let mutation): .mutate(key: key, mutation)
    case .get(let key): .get(key: key)
    case .multiGet(let keys): .multiGet(keys)
    case .scan(let query): .scan(query)
    case .createKeyspace(let name, let mode): .meta(.createKeyspace(name: name, mode: mode))
    case .dropKeyspace(let name): .meta(.dropKeyspace(name: name))
    case .endSessions: .endSessions
    case .map: .map
    case .status(let node): .status(node)
    case .health(let node): .health(node)
    case .statusAt(let endpoint): .statusAt(endpoint: endpoint)
    }
  }

  /// Why no node would accept it: a sentence, or `nil`.
  func problem(with options: CallOptions) -> String? {
    if options.timeout == .zero { return "a time-out of 0: give it some time" }
    switch self {
    case .mutate(let key, let mutation): return Self.problem(key: key) ?? mutation.problem
    case .get(let key): return Self.problem(key: key)
    case .multiGet(let keys):
      if keys.count > Limits.clientMultiGetKeys {
        return "\(keys.count) keys in one multi-get: the limit is \(Limits.clientMultiGetKeys)"
      }
      for key in keys {
        if let problem = Self.problem(key: key) { return problem }
      }
      return nil
    case .scan(let query): return Self.problem(query: query)
    case .createKeyspace(let name, _): return KeyspaceDescriptor.problem(withName: name)
    case .dropKeyspace(let name): return KeyspaceDescriptor.problem(withName: name)
    case .endSessions, .map, .status, .statusAt, .health: return nil
    }
  }

  private static func problem(key: Bytes) -> String? {
    if key.isEmpty { return "the key is empty: a key has 1 to \(Limits.keyBytes) bytes" }
    guard key.count > Limits.keyBytes else { return nil }
    return "a key of \(key.count) bytes: the limit is \(Limits.keyBytes)"
  }

  private static func problem(query: ScanQuery) -> String? {
    if query.from.count > Limits.keyBytes || (query.to?.count ?? 0) > Limits.keyBytes {
      return "a bound of the scan is longer than a key may be, \(Limits.keyBytes) bytes"
    }
    guard query.limit >= 1, query.limit <= Limits.pageRecords else {
      return "a page of \(query.limit) records: it may have 1 to \(Limits.pageRecords)"
    }
    return nil
  }
}
