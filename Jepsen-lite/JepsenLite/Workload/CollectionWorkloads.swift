internal import JepsenHistory
internal import KVBase

/// Lists and sets are one record each: the elements with commas between.
private enum Elements {
  static func decode(_ text: String?) -> [Substring] {
    (text ?? "").split(separator: ",")
  }

  static func value(_ text: String?) -> HistoryValue {
    .list(decode(text).map { .text(String($0)) })
  }

  static func adding(_ element: String, to text: String?) -> String {
    text.map { $0.isEmpty ? element : "\($0),\(element)" } ?? element
  }
}

/// Append-only lists; an append reads the record and replaces it at the version it read.
struct ListWorkload: Workload {
  private let wheel: KeyWheel

  init(keys: Int) { wheel = KeyWheel("list", keys: keys, usesPerKey: 200) }

  var hotKey: String { "list-0" }
  var checks: [Check] { [.linearizable(.list), .noLostWrites] }
  var kinds: [HistoryOperation.Kind] { [.read, .append] }

  func step(_ caller: Caller) async {
    if caller.random.chance(1, in: 2) {
      await caller.read(wheel.pick(&caller.random), .linearizable, Elements.value)
      return
    }
    let key = wheel.use(&caller.random)
    let element = caller.uniqueText()
    let operation = caller.begin(.append, key, value: .text(element))
    let answer = await caller.readAndReplace(key) { Elements.adding(element, to: $0) }
    caller.end(operation, answer)
  }

  func finish(_ caller: Caller, _ history: [HistoryOperation]) async {
    for key in wheel.all {
      await caller.insist { await caller.read(key, .linearizable, Elements.value) }
    }
  }
}

/// Grow-only sets, kept as the lists are.
struct SetWorkload: Workload {
  private let wheel: KeyWheel

  init(keys: Int) { wheel = KeyWheel("set", keys: keys, usesPerKey: 200) }

  var hotKey: String { "set-0" }
  var checks: [Check] { [.linearizable(.set), .noLostWrites] }
  var kinds: [HistoryOperation.Kind] { [.read, .add] }

  func step(_ caller: Caller) async {
    if caller.random.chance(1, in: 2) {
      await caller.read(wheel.pick(&caller.random), .linearizable, Self.value)
      return
    }
    let key = wheel.use(&caller.random)
    let element = caller.uniqueText()
    let operation = caller.begin(.add, key, value: .text(element))
    let answer = await caller.readAndReplace(key) { Elements.adding(element, to: $0) }
    caller.end(operation, answer)
  }

  private static func value(_ text: String?) -> HistoryValue {
    .list(Elements.decode(text).map(String.init).sorted().map { .text($0) })
  }

  func finish(_ caller: Caller, _ history: [HistoryOperation]) async {
    for key in wheel.all {
      await caller.insist { await caller.read(key, .linearizable, Self.value) }
    }
  }
}
