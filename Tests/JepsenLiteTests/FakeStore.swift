import JepsenHistory
import KVBase

@testable import JepsenLite

/// A store in memory that is linearizable, but for the fault that is planted in it.
final class FakeStore: Sendable {
  enum Fault: Sendable {
    /// A read now and then finds what was there before the last change.
    case staleRead
    /// A replace is now and then answered as done, and not done.
    case lostReplace
    /// An add now and then adds twice.
    case doubleAdd
    /// An add now and then answers with the sum before, and adds nothing.
    case repeatedSum
    /// A replace does not look at the version.
    case replaceAnyVersion
    /// A delete of a version deletes whatever is there.
    case deleteAnyVersion
    /// A scan now and then leaves out its first key.
    case shortScan
    /// What was deleted comes back with the next change of another key.
    case resurrection
    /// A write is now and then answered as done, and not done.
    case lostWrite
  }

  private struct Record {
    var value: String?
    var version: UInt64
  }

  private struct State {
    var records: [String: Record] = [:]
    var before: [String: Record] = [:]
    var deleted: [String: Record] = [:]
    var version: UInt64 = 0
    var random = SeededRandom(seed: 11)
  }

  private let fault: Fault?
  /// Of a thousand calls, so many end unknown, half of them with effect.
  private let unknownPerThousand: UInt64
  /// How long every fourth pause is.
  private let pauseMicroseconds: Int
  private let state = Locked(State())

  init(_ fault: Fault? = nil, unknownPerThousand: UInt64 = 0, pauseMicroseconds: Int = 50) {
    self.fault = fault
    self.pauseMicroseconds = pauseMicroseconds
    self.unknownPerThousand = unknownPerThousand
  }

  func perform(_ call: Call) async -> Answer {
    await pause()
    let answer = state.withLock { state in
      if unknownPerThousand > 0, state.random.chance(unknownPerThousand, in: 1000) {
        if state.random.chance(1, in: 2) { _ = carryOut(call, &state) }
        return Answer(.unknown("planned"))
      }
      return carryOut(call, &state)
    }
    await pause()
    return answer
  }

  private func pause() async {
    let yields = state.withLock { $0.random.below(4) }
    for _ in 0..<yields { await Task.yield() }
    if yields == 3 { try? await Task.sleep(for: .microseconds(pauseMicroseconds)) }
  }

  private func strikes(_ fault: Fault, _ state: inout State) -> Bool {
    self.fault == fault && state.random.chance(1, in: 20)
  }

  private func carryOut(_ call: Call, _ state: inout State) -> Answer {
    switch call {
    case .read(let key, _):
      var found = state.records[key]
      if strikes(.staleRead, &state), let old = state.before[key] { found = old }
      var answer = Answer(.done)
      answer.value = found?.value
      answer.version = found?.value == nil ? 0 : found?.version ?? 0
      return answer
    case .write(let key, let value):
      if strikes(.lostWrite, &state) { return Answer(.done) }
      return set(key, value, &state)
    case .compareAndSet(let key, let expected, let new):
      guard state.records[key]?.value == expected else { return Answer(.mismatch) }
      return set(key, new, &state)
    case .replace(let key, let version, let new):
      let present = state.records[key].flatMap { $0.value == nil ? nil : $0.version } ?? 0
      guard present == version || fault == .replaceAnyVersion else { return Answer(.mismatch) }
      if strikes(.lostReplace, &state) {
        var answer = Answer(.done)
        answer.version = state.version + 1
        return answer
      }
      return set(key, new, &state)
    case .delete(let key): return set(key, nil, &state)
    case .deleteVersion(let key, let version):
      guard state.records[key]?.version == version || fault == .deleteAnyVersion else {
        return Answer(.mismatch)
      }
      return set(key, nil, &state)
    case .add(let key, let delta): return add(key, delta, &state)
    case .scan(let prefix): return scan(prefix, &state)
    }
  }

  private func set(_ key: String, _ value: String?, _ state: inout State) -> Answer {
    if fault == .resurrection, let back = state.deleted.first(where: { $0.key != key }) {
      state.records[back.key] = back.value
      state.deleted[back.key] = nil
    }
    state.version += 1
    if value == nil { state.deleted[key] = state.records[key] }
    state.before[key] = state.records[key] ?? Record(value: nil, version: 0)
    state.records[key] = Record(value: value, version: state.version)
    var answer = Answer(.done)
    answer.version = state.version
    return answer
  }

  private func add(_ key: String, _ delta: Int64, _ state: inout State) -> Answer {
    let sum = state.records[key]?.value.flatMap { Int64($0) } ?? 0
    var answer = Answer(.done)
    if strikes(.repeatedSum, &state), sum > 0 {
      answer.sum = sum
      return answer
    }
    let factor: Int64 = strikes(.doubleAdd, &state) ? 2 : 1
    answer = set(key, "\(sum + factor * delta)", &state)
    answer.sum = sum + factor * delta
    return answer
  }

  private func scan(_ prefix: String, _ state: inout State) -> Answer {
    var answer = Answer(.done)
    for key in state.records.keys.sorted() where key.hasPrefix(prefix) {
      guard let value = state.records[key]?.value else { continue }
      answer.entries.append(Answer.Entry(key: key, value: value))
    }
    if strikes(.shortScan, &state), !answer.entries.isEmpty { answer.entries.removeFirst() }
    return answer
  }
}

struct FakeClient: SystemClient {
  let store: FakeStore

  func perform(_ call: Call, timeout: Duration) async -> Answer { await store.perform(call) }
  func close() async {}
}
