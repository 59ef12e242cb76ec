internal import KVBase
internal import KVClientCore
internal import KVCommandLine

/// A client of etcd that stays with one node for as long as that answers, and then asks the next.
final class EtcdClient: SystemClient {
  private let doors: [EtcdDoor]
  private let current: Locked<Int>
  /// How often `add` tries again where somebody else was faster.
  private static let addTries = 32

  init(_ doors: [EtcdDoor], first: Int) {
    self.doors = doors
    current = Locked(first)
  }

  func close() async {
    for door in doors { door.close() }
  }

  func perform(_ call: Call, timeout: Duration) async -> Answer {
    switch call {
    case .read(let key, let level): await read(key, level, timeout)
    case .write(let key, let value):
      await ask("/v3/kv/put", Self.put(key, value), timeout) { answer, json in
        answer.version = Self.revision(json)
      }
    case .compareAndSet(let key, let expected, let new):
      await transact(
        expected.map { Self.hasValue(key, $0) } ?? Self.isAt(key, 0),
        "{\"request_put\":\(Self.put(key, new))}", timeout)
    case .replace(let key, let version, let new):
      await transact(
        Self.isAt(key, version), "{\"request_put\":\(Self.put(key, new))}", timeout)
    case .delete(let key):
      await ask("/v3/kv/deleterange", Self.name(key), timeout) { answer, json in
        answer.version = Self.revision(json)
      }
    case .deleteVersion(let key, let version):
      await transact(
        Self.isAt(key, version), "{\"request_delete_range\":\(Self.name(key))}", timeout)
    case .add(let key, let delta): await add(key, delta, timeout)
    case .scan(let prefix): await scan(prefix, timeout)
    }
  }

  // MARK: Calls

  private func read(_ key: String, _ level: Call.Level, _ timeout: Duration) async -> Answer {
    switch level {
    case .session, .staleWithin: return Answer(.unsupported)
    case .linearizable, .stale: break
    }
    let body = "{\"key\":\"\(Self.encoded(key))\",\"serializable\":\(level == .stale)}"
    return await ask("/v3/kv/range", body, timeout) { answer, json in
      answer.served = level == .stale ? "serializable" : "linearizable"
      guard let record = json["kvs"]?.list?.first else { return }
      answer.value = Self.text(record["value"])
      answer.version = UInt64(record["mod_revision"]?.integer ?? 0)
    }
  }

  private func scan(_ prefix: String, _ timeout: Duration) async -> Answer {
    let end = Encodings.base64(Self.end(ofPrefix: prefix))
    let body = "{\"key\":\"\(Self.encoded(prefix))\",\"range_end\":\"\(end)\"}"
    return await ask("/v3/kv/range", body, timeout) { answer, json in
      answer.entries = (json["kvs"]?.list ?? []).map {
        Answer.Entry(key: Self.text($0["key"]), value: Self.text($0["value"]))
      }
    }
  }

  private func transact(
    _ compare: String, _ success: String, _ timeout: Duration
  ) async -> Answer {
    let body = "{\"compare\":[\(compare)],\"success\":[\(success)]}"
    return await ask("/v3/kv/txn", body, timeout) { answer, json in
      if json["succeeded"] == .bool(true) {
        answer.version = Self.revision(json)
      } else {
        answer.outcome = .mismatch
      }
    }
  }

  /// etcd can't add: read, then replace what was read, until nobody came between.
  private func add(_ key: String, _ delta: Int64, _ timeout: Duration) async -> Answer {
    let deadline = ContinuousClock.now + timeout
    for _ in 0..<Self.addTries {
      let found = await read(key, .linearizable, deadline - .now)
      guard found.outcome == .done else { return Answer(.refused("the read before it failed")) }
      guard let before = Int64(found.value ?? "0") else { return Answer(.refused("no number")) }
      var answer = await perform(
        .replace(key: key, version: found.version, new: "\(before &+ delta)"),
        timeout: deadline - .now)
      if answer.outcome == .mismatch { continue }
      answer.sum = answer.outcome == .done ? before &+ delta : nil
      return answer
    }
    return Answer(.refused("others were faster \(Self.addTries) times"))
  }

  // MARK: Asking

  private func ask(
    _ path: String, _ body: String, _ timeout: Duration, _ fill: (inout Answer, JSON) -> Void
  ) async -> Answer {
    guard timeout > .zero else { return Answer(.refused("no time was left")) }
    let now = current.withLock { $0 }
    switch await doors[now].ask(path, body, timeout) {
    case .answer(let json):
      var answer = Answer(.done)
      answer.node = UInt32(now + 1)
      fill(&answer, json)
      return answer
    case .refused(let why):
      current.withLock { $0 = (now + 1) % doors.count }
      return Answer(.refused(why))
    case .unknown(let why):
      current.withLock { $0 = (now + 1) % doors.count }
      return Answer(.unknown(why))
    }
  }

  private static func name(_ key: String) -> String { "{\"key\":\"\(Self.encoded(key))\"}" }

  private static func put(_ key: String, _ value: String) -> String {
    "{\"key\":\"\(Self.encoded(key))\",\"value\":\"\(Self.encoded(value))\"}"
  }

  private static func hasValue(_ key: String, _ value: String) -> String {
    "{\"key\":\"\(Self.encoded(key))\",\"target\":\"VALUE\",\"result\":\"EQUAL\","
      + "\"value\":\"\(Self.encoded(value))\"}"
  }

  /// 0: there is none.
  private static func isAt(_ key: String, _ version: UInt64) -> String {
    "{\"key\":\"\(Self.encoded(key))\",\"target\":\"MOD\",\"result\":\"EQUAL\","
      + "\"mod_revision\":\"\(version)\"}"
  }

  private static func revision(_ json: JSON) -> UInt64 {
    UInt64(json["header"]?["revision"]?.integer ?? 0)
  }

  /// What is empty is left out of an answer.
  private static func text(_ encoded: JSON?) -> String {
    String(decoding: Encodings.bytes(base64: encoded?.text ?? "") ?? [], as: UTF8.self)
  }

  /// JSON carries bytes in base 64.
  private static func encoded(_ text: String) -> String { Encodings.base64(Array(text.utf8)) }

  /// The first key after all that begin so; a zero byte stands for the end of all keys.
  private static func end(ofPrefix prefix: String) -> [UInt8] {
    KeyOrder.end(ofPrefix: Bytes(prefix))?.array ?? [0]
  }
}
