internal import JepsenHistory
internal import KVBase

/// Registers with unique values: a few hot keys, and many that are rarely used. Of the latter some
/// are also deleted.
struct RegisterWorkload: Workload {
  private static let hotKeys = 3

  private let keys: Int
  /// By key: a value that somebody saw or wrote not long ago, for the next cas.
  private let seen = Locked([String: String]())

  init(keys: Int) { self.keys = keys }

  var hotKey: String { "hot-0" }
  var checks: [Check] { [.linearizable(.register), .noLostWrites, .noResurrection] }
  var kinds: [HistoryOperation.Kind] { [.read, .write, .cas] }

  func step(_ caller: Caller) async {
    let isHot = caller.random.chance(1, in: 2)
    let number = caller.random.below(UInt64(isHot ? Self.hotKeys : keys))
    // Every fourth of the many is for deletes, which make a history slower to judge.
    let isDeleted = !isHot && number % 4 == 3
    let key = isHot ? "hot-\(number)" : isDeleted ? "brief-\(number)" : "cold-\(number)"
    switch caller.random.below(20) {
    case 0..<9: await read(caller, key)
    case 9..<13 where isDeleted:
      let operation = caller.begin(.delete, key)
      caller.end(operation, await caller.perform(.delete(key: key)))
    case 9..<15: await write(caller, key)
    default: await compareAndSet(caller, key)
    }
  }

  private func read(_ caller: Caller, _ key: String) async {
    let answer = await caller.read(key)
    if answer.outcome == .done, let value = answer.value {
      seen.withLock { $0[key] = value }
    }
  }

  private func write(_ caller: Caller, _ key: String) async {
    let value = caller.uniqueText()
    let operation = caller.begin(.write, key, value: .text(value))
    let answer = await caller.perform(.write(key: key, value: value))
    if answer.outcome == .done { seen.withLock { $0[key] = value } }
    caller.end(operation, answer)
  }

  private func compareAndSet(_ caller: Caller, _ key: String) async {
    let expected = seen.withLock { $0[key] }
    let new = caller.uniqueText()
    let operation = caller.begin(
      .cas, key, value: .text(new), expected: expected.map { .text($0) })
    let answer = await caller.perform(.compareAndSet(key: key, expected: expected, new: new))
    if answer.outcome == .done { seen.withLock { $0[key] = new } }
    caller.end(operation, answer)
  }

  func finish(_ caller: Caller, _ history: [HistoryOperation]) async {
    for key in Set(history.map(\.key)).sorted() { await caller.insist { await caller.read(key) } }
  }
}
