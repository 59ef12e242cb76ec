internal import KVBase
internal import KVClient
internal import KVClientCore
internal import KVCommand
internal import KVWire

/// A client of `kvnode`, by the client library of the project.
final class KVSystemClient: SystemClient {
  /// What the calls so far have shown: where keys live, and how far each group had come.
  private struct Session: Sendable {
    var groups: [String: GroupID] = [:]
    var seen: [GroupID: LogIndex] = [:]
  }

  private static let pageRecords = 256

  private let client: Client
  private let session = Locked(Session())

  init(_ client: Client) { self.client = client }

  func close() async { await client.close() }

  func perform(_ call: Call, timeout: Duration) async -> Answer {
    switch call {
    case .read(let key, let level): await read(key, level, timeout)
    case .write(let key, let value): await put(key, value, .always, timeout)
    case .compareAndSet(let key, let expected, let new):
      await put(key, new, expected.map { .ifValue(Bytes($0)) } ?? .ifAbsent, timeout)
    case .replace(let key, let version, let new):
      await put(key, new, version == 0 ? .ifAbsent : .ifVersion(LogIndex(version)), timeout)
    case .delete(let key):
      await mutate(key, .mutate(key: Bytes(key), .delete()), timeout)
    case .deleteVersion(let key, let version):
      await mutate(
        key, .mutate(key: Bytes(key), .delete(condition: .ifVersion(LogIndex(version)))), timeout)
    case .add(let key, let delta):
      await mutate(
        key, .mutate(key: Bytes(key), .add(delta: delta, minimum: Int64.min, maximum: Int64.max)),
        timeout)
    case .scan(let prefix): await scan(prefix, timeout)
    }
  }

  // MARK: Calls

  private func put(
    _ key: String, _ value: String, _ condition: KVCommand.Condition, _ timeout: Duration
  ) async -> Answer {
    await mutate(
      key, .mutate(key: Bytes(key), .put(value: Bytes(value), condition: condition)), timeout)
  }

  private func mutate(
    _ key: String, _ operation: ClientOperation, _ timeout: Duration
  ) async -> Answer {
    let outcome = await client.perform(operation, CallOptions(timeout: TimeAmount(timeout)))
    guard case .applied(let result, let receipt) = outcome else { return failure(outcome) }
    var answer: Answer
    switch result.conclusion {
    case .effective(let version):
      answer = Answer(.done)
      if case .added(let sum, _) = result { answer.sum = sum }
      answer.version = version.rawValue
    case .conditionFailed(let current):
      answer = Answer(.mismatch)
      answer.version = current.rawValue
    case .outOfRange, .keyspaceDropped, .misuse: answer = Answer(.refused("\(result)"))
    // An earlier try of the same call may have taken effect.
    case .sessionRefused, .other: answer = Answer(.unknown("\(result)"))
    }
    note(receipt, key, &answer)
    return answer
  }

  private func read(_ key: String, _ level: Call.Level, _ timeout: Duration) async -> Answer {
    var options = CallOptions(timeout: TimeAmount(timeout))
    switch level {
    case .linearizable: options.consistency = .linearizable
    case .stale: options.consistency = .stale
    case .staleWithin(let age):
      options.consistency = .stale
      options.maximumAge = TimeAmount(age)
    case .session:
      options.consistency = .session
      let (group, index) = session.withLock { session in
        let group = session.groups[key]
        return (group, group.flatMap { session.seen[$0] })
      }
      options.after = index
      options.afterGroup = group
    }
    let outcome = await client.perform(.get(key: Bytes(key)), options)
    guard case .record(let record, let receipt) = outcome else { return failure(outcome) }
    var answer = Answer(.done)
    answer.value = record.map { String(decoding: $0.value.array, as: UTF8.self) }
    answer.version = record?.version.rawValue ?? 0
    note(receipt, key, &answer)
    return answer
  }

  private func scan(_ prefix: String, _ timeout: Duration) async -> Answer {
    let deadline = ContinuousClock.now + timeout
    var query = ScanQuery(
      from: Bytes(prefix), to: KeyOrder.end(ofPrefix: Bytes(prefix)), limit: Self.pageRecords)
    var answer = Answer(.done)
    repeat {
      let left = deadline - ContinuousClock.now
      let outcome = await client.perform(
        .scan(query), CallOptions(timeout: TimeAmount(left), consistency: .linearizable))
      guard case .page(let page) = outcome else { return failure(outcome) }
      for record in page.records {
        answer.entries.append(
          Answer.Entry(
            key: String(decoding: record.key.array, as: UTF8.self),
            value: String(decoding: record.record.value.array, as: UTF8.self)))
      }
      query.token = page.next
    } while query.token != nil
    return answer
  }

  // MARK: Answers

  private func failure(_ outcome: Outcome) -> Answer {
    switch outcome {
    case .rejected(let failure): Answer(.refused(failure.message))
    case .unknown(let failure): Answer(.unknown(failure.message))
    default: Answer(.unknown("the answer does not fit the request"))
    }
  }

  private func note(_ receipt: KVWire.Receipt, _ key: String, _ answer: inout Answer) {
    answer.node = receipt.node.rawValue
    answer.served = receipt.served.name
    session.withLock { session in
      session.groups[key] = receipt.group
      session.seen[receipt.group] = max(session.seen[receipt.group] ?? .zero, receipt.index)
    }
  }
}
