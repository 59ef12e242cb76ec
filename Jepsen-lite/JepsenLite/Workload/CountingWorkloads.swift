internal import JepsenHistory
internal import KVBase

/// Counters: additions that answer the sum, and reads.
struct CounterWorkload: Workload {
  private let wheel: KeyWheel

  init(keys: Int) { wheel = KeyWheel("counter", keys: keys, usesPerKey: 2000) }

  var hotKey: String { "counter-0" }
  var checks: [Check] { [.linearizable(.counter), .noLostWrites] }
  var kinds: [HistoryOperation.Kind] { [.read, .add] }

  func step(_ caller: Caller) async {
    if caller.random.chance(1, in: 3) {
      await caller.read(wheel.pick(&caller.random), .linearizable, Self.value)
      return
    }
    let key = wheel.use(&caller.random)
    let delta = Int64(caller.random.below(5)) + 1
    var operation = caller.begin(.add, key, value: .integer(delta))
    let answer = await caller.perform(.add(key: key, delta: delta))
    operation.result = answer.sum.map { .integer($0) }
    caller.end(operation, answer)
  }

  /// A text that is no number is kept as it is, and found wrong by the check.
  private static func value(_ text: String?) -> HistoryValue? {
    text.map { text in Int64(text).map { .integer($0) } ?? .text(text) }
  }

  func finish(_ caller: Caller, _ history: [HistoryOperation]) async {
    for key in wheel.all {
      await caller.insist { await caller.read(key, .linearizable, Self.value) }
    }
  }
}

/// Ids: each is the sum that an addition of one answered, after the counter's name.
struct IDWorkload: Workload {
  private let keys: Int

  init(keys: Int) { self.keys = keys }

  var hotKey: String { "ids-0" }
  var checks: [Check] { [.linearizable(.ids)] }
  var kinds: [HistoryOperation.Kind] { [.generate] }

  func step(_ caller: Caller) async {
    await generate(caller, "ids-\(caller.random.below(UInt64(keys)))")
  }

  private func generate(_ caller: Caller, _ key: String) async {
    var operation = caller.begin(.generate, key)
    let answer = await caller.perform(.add(key: key, delta: 1))
    operation.value = answer.sum.map { .text("\(key):\($0)") }
    caller.end(operation, answer)
  }

  func finish(_ caller: Caller, _ history: [HistoryOperation]) async {
    for key in 0..<keys { await generate(caller, "ids-\(key)") }
  }
}
