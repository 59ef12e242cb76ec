internal import JepsenHistory

/// Locks with fencing: tokens rise, nobody gets a lock that nobody gave back, and what is guarded
/// never takes a write with a smaller token than it has seen.
enum FencingCheck {
  static let name = "locks are fenced"
  private static let method = "order of tokens and versions"

  static func verdict(_ history: [HistoryOperation]) -> Verdict {
    var byLock: [String: [HistoryOperation]] = [:]
    var byResource: [String: [HistoryOperation]] = [:]
    for operation in history {
      switch operation.kind {
      case .acquire, .release: byLock[operation.key, default: []].append(operation)
      default: byResource[operation.key, default: []].append(operation)
      }
    }
    var acquired = 0
    for lock in byLock.keys.sorted() {
      let operations = byLock[lock] ?? []
      acquired += operations.count { $0.kind == .acquire && $0.outcome == .ok }
      if let found = tokens(operations, lock) ?? exclusion(operations, lock) { return found }
    }
    var writes = 0
    for resource in byResource.keys.sorted() {
      let operations = byResource[resource] ?? []
      writes += operations.count { $0.kind == .write && $0.outcome == .ok }
      if let found = guarded(operations, resource) { return found }
    }
    var register = Judge.linearizable(history.filter { byLock[$0.key] == nil }, .register)
    register.name = name
    if register.status != .passed { return register }
    return Verdict(
      name, .passed, method: method,
      text: "\(acquired) locks taken with rising tokens, \(writes) guarded writes in their order")
  }

  private static func token(_ operation: HistoryOperation) -> Int64 {
    operation.result?.integer ?? 0
  }

  /// Tokens are unique, and one that was given later is larger.
  private static func tokens(_ operations: [HistoryOperation], _ lock: String) -> Verdict? {
    let taken = operations.filter { $0.kind == .acquire && $0.outcome == .ok }
      .sorted { token($0) < token($1) }
    for (earlier, later) in zip(taken, taken.dropFirst()) {
      if token(earlier) == token(later) {
        return violated(
          lock, [earlier, later], "the token \(token(later)) of \(lock) was given twice")
      }
    }
    // By token: the latest start of a smaller one must not come after the end of a larger one.
    var lastStarted: HistoryOperation?
    for operation in taken {
      if let before = lastStarted, let end = operation.endNanoseconds,
        end < before.startNanoseconds
      {
        return violated(
          lock, [operation, before],
          "\(lock) was taken with the token \(token(before)) after it had been taken with the "
            + "larger token \(token(operation))")
      }
      if lastStarted.map({ $0.startNanoseconds < operation.startNanoseconds }) ?? true {
        lastStarted = operation
      }
    }
    return nil
  }

  /// Between two holders there must have been a release, or a break, of the first.
  private static func exclusion(_ operations: [HistoryOperation], _ lock: String) -> Verdict? {
    var releases: [Int64: UInt64] = [:]
    for operation in operations where operation.kind == .release {
      if case .refused = operation.outcome { continue }
      let began = operation.startNanoseconds
      releases[token(operation)] = min(releases[token(operation)] ?? began, began)
    }
    let taken = operations.filter { $0.kind == .acquire && $0.outcome == .ok }
      .sorted { token($0) < token($1) }
    for (first, second) in zip(taken, taken.dropFirst()) {
      let end = second.endNanoseconds ?? UInt64.max
      if let released = releases[token(first)], released <= end { continue }
      return violated(
        lock, [first, second],
        "\(lock) was taken with the token \(token(second)) while the holder of \(token(first)) "
          + "still had it")
    }
    return nil
  }

  private struct Sight {
    var version: UInt64
    var token: Int64
    var operation: HistoryOperation
  }

  /// By rising version of the record, tokens never fall.
  private static func guarded(_ operations: [HistoryOperation], _ resource: String) -> Verdict? {
    var seen: [Sight] = []
    for operation in operations where operation.outcome == .ok {
      guard let version = operation.index, let text = operation.value?.text else { continue }
      guard let token = Int64(text.prefix { $0 != ":" }) else {
        return violated(resource, [operation], "\(resource) holds something that has no token")
      }
      seen.append(Sight(version: version, token: token, operation: operation))
    }
    seen.sort { $0.version < $1.version }
    for (older, newer) in zip(seen, seen.dropFirst()) where newer.token < older.token {
      return violated(
        resource, [older.operation, newer.operation],
        "\(resource) took a write with the token \(newer.token) after one with \(older.token): "
          + "its holder had lost the lock")
    }
    return nil
  }

  private static func violated(
    _ key: String, _ operations: [HistoryOperation], _ text: String
  ) -> Verdict {
    Verdict(
      name, .violated, method: method, text: text,
      witness: Witness(key: key, operations: operations, explanation: [text + "."]))
  }
}
