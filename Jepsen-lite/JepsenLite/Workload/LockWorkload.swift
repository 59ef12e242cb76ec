internal import JepsenHistory
internal import KVBase
internal import KVLoop

/// Locks with fencing tokens, each guarding a record.
///
/// A lock is a record that is written where there is none; its version is the token. Whoever has
/// waited too long breaks it, as an expiry would, so that a holder may be wrong about holding it:
/// what is guarded must be safe all the same. It carries the token of its last writer, and takes no
/// write with a smaller one.
struct LockWorkload: Workload {
  /// How long a lock that somebody else has is left alone.
  private static let patience = Duration.milliseconds(300)

  private struct Watched: Sendable {
    var version: UInt64
    var since: ContinuousClock.Instant
  }

  private let locks: Int
  private let watched = Locked([String: Watched]())

  init(keys: Int) { locks = keys }

  var hotKey: String { "lock-0" }
  var checks: [Check] { [.fencing] }

  func step(_ caller: Caller) async {
    let number = caller.random.below(UInt64(locks))
    let lock = "lock-\(number)"
    let resource = "guarded-\(number)"
    if caller.random.chance(1, in: 4) {
      await caller.read(resource)
      return
    }
    guard let token = await acquire(caller, lock) else { return }
    let pause = Duration.milliseconds(Int(caller.random.below(10)))
    for _ in 0...caller.random.below(2) {
      try? await Task.sleep(for: pause)
      await write(caller, resource, token)
    }
    await release(caller, lock, token)
  }

  /// The token, or `nil`.
  private func acquire(_ caller: Caller, _ lock: String) async -> UInt64? {
    var operation = caller.begin(.acquire, lock)
    let owner = caller.uniqueText()
    let answer = await caller.perform(.compareAndSet(key: lock, expected: nil, new: owner))
    if answer.outcome == .done {
      operation.result = .integer(Int64(answer.version))
      caller.end(operation, answer)
      return answer.version
    }
    if answer.outcome == .mismatch {
      var refused = answer
      refused.outcome = .refused("somebody has it")
      caller.end(operation, refused)
      await breakOld(caller, lock)
    } else {
      caller.end(operation, answer)
    }
    return nil
  }

  private func breakOld(_ caller: Caller, _ lock: String) async {
    let found = await caller.perform(.read(key: lock, .linearizable))
    guard found.outcome == .done, found.version > 0 else { return }
    let now = ContinuousClock.now
    let isOld = watched.withLock { watched in
      if let known = watched[lock], known.version == found.version {
        return now - known.since > Self.patience
      }
      watched[lock] = Watched(version: found.version, since: now)
      return false
    }
    guard isOld else { return }
    await release(caller, lock, found.version)
  }

  private func write(_ caller: Caller, _ resource: String, _ token: UInt64) async {
    let text = "\(token):\(caller.uniqueText())"
    let operation = caller.begin(.write, resource, value: .text(text))
    let answer = await caller.readAndReplace(resource) { found in
      let last = found.flatMap { UInt64($0.prefix { $0 != ":" }) } ?? 0
      return last > token ? nil : text
    }
    caller.end(operation, answer)
  }

  /// By its holder, or by whoever breaks it.
  private func release(_ caller: Caller, _ lock: String, _ token: UInt64) async {
    var operation = caller.begin(.release, lock)
    operation.result = .integer(Int64(token))
    caller.end(operation, await caller.perform(.deleteVersion(key: lock, version: token)))
  }

  func finish(_ caller: Caller, _ history: [HistoryOperation]) async {
    for number in 0..<locks { await caller.read("guarded-\(number)") }
  }
}
