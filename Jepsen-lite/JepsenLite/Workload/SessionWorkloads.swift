internal import JepsenHistory
internal import KVBase

/// Writes, and reads at the level `session`: each process must see its own writes, and never an
/// older state than before.
struct SessionWorkload: Workload {
  private let keys: Int

  init(keys: Int) { self.keys = keys }

  var hotKey: String { "session-0" }
  var checks: [Check] { [.readYourWrites, .monotonicReads, .sessionOrder, .noLostWrites] }
  var kinds: [HistoryOperation.Kind] { [.read, .write] }

  func step(_ caller: Caller) async {
    let key = "session-\(caller.random.below(UInt64(keys)))"
    if caller.random.chance(2, in: 5) { await Mixed.write(caller, key) }
    await caller.read(key, .session)
  }

  func finish(_ caller: Caller, _ history: [HistoryOperation]) async {
    for number in 0..<keys { await caller.insist { await caller.read("session-\(number)") } }
  }
}

/// Writes, and reads at the level `stale`: how old is what they find?
struct StaleWorkload: Workload {
  private let keys: Int

  init(keys: Int) { self.keys = keys }

  var hotKey: String { "stale-0" }
  var checks: [Check] { [.staleness, .noLostWrites] }
  var kinds: [HistoryOperation.Kind] { [.read, .write] }

  func step(_ caller: Caller) async {
    let key = "stale-\(caller.random.below(UInt64(keys)))"
    if caller.random.chance(2, in: 5) {
      await Mixed.write(caller, key)
    } else {
      await caller.read(key, .stale)
    }
  }

  func finish(_ caller: Caller, _ history: [HistoryOperation]) async {
    for number in 0..<keys { await caller.insist { await caller.read("stale-\(number)") } }
  }
}

/// Writes, and reads at the level `stale` that refuse what is older than a second. A node's clock
/// may run a little slower than the harness's.
struct MaximumAgeWorkload: Workload {
  private static let limit = Duration.seconds(1)
  private static let clockMargin = Duration.milliseconds(10)

  private let keys: Int

  init(keys: Int) { self.keys = keys }

  var hotKey: String { "age-0" }
  var checks: [Check] { [.maximumAge(Self.limit + Self.clockMargin), .noLostWrites] }
  var kinds: [HistoryOperation.Kind] { [.read, .write] }

  func step(_ caller: Caller) async {
    let key = "age-\(caller.random.below(UInt64(keys)))"
    if caller.random.chance(2, in: 5) {
      await Mixed.write(caller, key)
    } else {
      await caller.read(key, .staleWithin(Self.limit))
    }
  }

  func finish(_ caller: Caller, _ history: [HistoryOperation]) async {
    for number in 0..<keys { await caller.insist { await caller.read("age-\(number)") } }
  }
}

private enum Mixed {
  static func write(_ caller: Caller, _ key: String) async {
    let value = caller.uniqueText()
    let operation = caller.begin(.write, key, value: .text(value))
    caller.end(operation, await caller.perform(.write(key: key, value: value)))
  }
}
