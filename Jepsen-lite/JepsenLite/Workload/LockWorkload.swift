internal import JepsenHistory
internal import KVBase

/// Locks with fencing tokens, each guarding a record.
///
/// A lock is a record that is written where there is none; its version is the token. Whoever has
/// waited too long breaks it, as an expiry would, so that a holder may be wrong about holding it:
/// what is guarded must be safe all the same. It carries the token of its last writer, and takes no
/// write with a smaller one.
///
/// In the history, the guarded record's reads and writes stand under the name of its lock, and a
/// write has its token in `result`.
struct LockWorkload: Workload {
  private struct Watched: Sendable {
    var version: UInt64
    var since: ContinuousClock.Instant
  }

  private let locks: Int
  /// How long a lock that somebody else has is left alone.
  private let lease: Duration
  /// Whether what is guarded looks at the tokens; a test shows what comes of it where not.
  private let isFenced: Bool
  private let watched = Locked([String: Watched]())

  init(keys: Int, lease: Duration = .milliseconds(300), isFenced: Bool = true) {
    locks = keys
    self.lease = lease
    self.isFenced = isFenced
  }

  var hotKey: String { "lock-0" }
  var checks: [Check] { [.fencing(lease: lease)] }
  var kinds: [HistoryOperation.Kind] { [.read, .write, .acquire, .release] }

  private static func guarded(by lock: String) -> String { "guarded-by-\(lock)" }

  func step(_ caller: Caller) async {
    let lock = "lock-\(caller.random.below(UInt64(locks)))"
    if caller.random.chance(1, in: 4) {
      _ = await read(caller, lock)
      return
    }
    guard let token = await acquire(caller, lock) else { return }
    // Most hold it for a moment; some fall asleep over it, and others take it.
    let isSleepy = caller.random.chance(1, in: 20)
    let pause =
      isSleepy ? lease * 3 / 2 : .milliseconds(Int(caller.random.below(10)))
    for _ in 0...caller.random.below(2) {
      try? await Task.sleep(for: pause)
      let holder = caller.process
      await write(caller, lock, token)
      // Whoever does not know what became of its write is gone, and with it the lock's holder.
      guard caller.process == holder else { return }
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
    caller.end(operation, answer)
    if answer.outcome == .mismatch { await breakOld(caller, lock) }
    return nil
  }

  private func breakOld(_ caller: Caller, _ lock: String) async {
    let found = await caller.perform(.read(key: lock, .linearizable))
    guard found.outcome == .done, found.version > 0 else { return }
    let now = ContinuousClock.now
    let isOld = watched.withLock { watched in
      if let known = watched[lock], known.version == found.version {
        return now - known.since > lease
      }
      watched[lock] = Watched(version: found.version, since: now)
      return false
    }
    guard isOld else { return }
    _ = await caller.perform(.deleteVersion(key: lock, version: found.version))
  }

  private func read(_ caller: Caller, _ lock: String) async -> Answer {
    var operation = caller.begin(.read, lock)
    let answer = await caller.perform(.read(key: Self.guarded(by: lock), .linearizable))
    if answer.outcome == .done { operation.value = answer.value.map { .text($0) } }
    caller.end(operation, answer)
    return answer
  }

  private func write(_ caller: Caller, _ lock: String, _ token: UInt64) async {
    let text = "\(token):\(caller.uniqueText())"
    var operation = caller.begin(.write, lock, value: .text(text))
    operation.result = .integer(Int64(token))
    let answer = await caller.readAndReplace(Self.guarded(by: lock)) { found in
      let last = found.flatMap { UInt64($0.prefix { $0 != ":" }) } ?? 0
      return isFenced && last > token ? nil : text
    }
    caller.end(operation, answer)
  }

  private func release(_ caller: Caller, _ lock: String, _ token: UInt64) async {
    var operation = caller.begin(.release, lock)
    operation.result = .integer(Int64(token))
    caller.end(operation, await caller.perform(.deleteVersion(key: lock, version: token)))
  }

  func finish(_ caller: Caller, _ history: [HistoryOperation]) async {
    for number in 0..<locks { await caller.insist { await read(caller, "lock-\(number)") } }
  }
}
