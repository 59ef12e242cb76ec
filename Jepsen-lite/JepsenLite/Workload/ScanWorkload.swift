internal import JepsenHistory
internal import KVBase

/// Keys under a prefix come and go, each once, while the prefix is scanned.
struct ScanWorkload: Workload {
  private let wheel: KeyWheel
  /// By prefix: keys that were put and not yet deleted.
  private let present = Locked([String: [String]]())

  init(keys: Int) { wheel = KeyWheel("scan", keys: keys, usesPerKey: 60) }

  var hotKey: String { "scan-0/" }
  var checks: [Check] { [.linearizable(.scan), .scans] }
  var kinds: [HistoryOperation.Kind] { [.scan, .write, .delete] }

  func step(_ caller: Caller) async {
    switch caller.random.below(10) {
    case 0..<4: _ = await scan(caller, wheel.pick(&caller.random) + "/")
    case 4..<8: await put(caller, wheel.use(&caller.random) + "/")
    default: await delete(caller, wheel.pick(&caller.random) + "/")
    }
  }

  private func scan(_ caller: Caller, _ prefix: String) async -> Answer {
    var operation = caller.begin(.scan, prefix)
    let answer = await caller.perform(.scan(prefix: prefix))
    if answer.outcome == .done {
      operation.value = .list(answer.entries.map { .text($0.key) })
    }
    caller.end(operation, answer)
    return answer
  }

  private func put(_ caller: Caller, _ prefix: String) async {
    let value = caller.uniqueText()
    let key = prefix + value
    let operation = caller.begin(.write, key, value: .text(value))
    let answer = await caller.perform(.write(key: key, value: value))
    if answer.outcome == .done { present.withLock { $0[prefix, default: []].append(key) } }
    caller.end(operation, answer)
  }

  private func delete(_ caller: Caller, _ prefix: String) async {
    let drawn = caller.random.next()
    let chosen = present.withLock { present -> String? in
      guard let keys = present[prefix], !keys.isEmpty else { return nil }
      return present[prefix]?.remove(at: Int(drawn % UInt64(keys.count)))
    }
    guard let key = chosen else {
      _ = await scan(caller, prefix)
      return
    }
    let operation = caller.begin(.delete, key)
    caller.end(operation, await caller.perform(.delete(key: key)))
  }

  func finish(_ caller: Caller, _ history: [HistoryOperation]) async {
    for prefix in wheel.all { await caller.insist { await scan(caller, prefix + "/") } }
  }
}
