internal import JepsenHistory
internal import JepsenNetwork

/// Reads every record from every node by itself, once all has healed: all copies must be equal,
/// byte by byte, as clients see them. Meanwhile clients reach one node only, so that nobody else
/// can answer a stale read.
struct ReplicaReads {
  static let name = "every node holds the same records"
  /// More keys are not read, and the verdict says so.
  private static let mostKeys = 5_000
  /// A copy may be a moment behind, and a client needs a moment to find the one node.
  private static let timeout: Duration = .seconds(15)
  /// A follower applies what was committed last a moment after the leader has answered: where
  /// copies differ, they are read again after so long. Nothing is written any more.
  private static let secondLook: Duration = .seconds(2)

  let stage: Stage
  let system: any SystemUnderTest
  /// The number of the first client that is free.
  let firstClient: Int

  /// What a node holds; `nil`: the read was not answered by it.
  typealias Found = [String: Answer?]

  func verdict(_ history: [HistoryOperation]) async -> Verdict {
    let all = Set(history.lazy.filter { $0.kind != .scan }.map(\.key)).sorted()
    let keys = Array(all.prefix(Self.mostKeys))
    let first = await look(at: keys, leftOut: all.count - keys.count)
    guard first.status == .violated else { return first }
    try? await Task.sleep(for: Self.secondLook)
    return await look(at: keys, leftOut: all.count - keys.count)
  }

  private func look(at keys: [String], leftOut: Int) async -> Verdict {
    var found: [(node: Int, records: Found)] = []
    for node in 1...stage.layout.nodes { found.append((node, await read(keys, from: node))) }
    return Self.judge(found, keys: keys, leftOut: leftOut)
  }

  private func read(_ keys: [String], from node: Int) async -> Found {
    var rule = LinkRule.cut
    rule.resets = true
    var rules: [Link: LinkRule] = [:]
    for other in 1...stage.layout.nodes where other != node {
      for link in Link.clients(other) { rules[link] = rule }
    }
    let token = stage.board.lay(rules)
    defer { stage.board.lift(token) }
    guard let client = try? await system.connect(client: firstClient + node, stage.layout) else {
      return [:]
    }
    var found: Found = [:]
    let deadline = ContinuousClock.now + Self.timeout
    for key in keys {
      var answer: Answer?
      while ContinuousClock.now < deadline {
        let tried = await client.perform(.read(key: key, .stale), timeout: .seconds(1))
        if tried.outcome == .done, tried.node.map({ Int($0) == node }) ?? true {
          answer = tried
          break
        }
        try? await Task.sleep(for: .milliseconds(20))
      }
      found[key] = .some(answer)
    }
    await client.close()
    return found
  }

  static func judge(
    _ found: [(node: Int, records: Found)], keys: [String], leftOut: Int
  ) -> Verdict {
    let method = "stale reads from one node after the other"
    var unread = 0
    for key in keys {
      var first: (node: Int, value: String?)?
      for (node, records) in found {
        guard let answer = records[key] ?? nil else {
          unread += 1
          continue
        }
        guard let before = first else {
          first = (node, answer.value)
          continue
        }
        if before.value.map({ Array($0.utf8) }) != answer.value.map({ Array($0.utf8) }) {
          return Verdict(
            name, .violated, method: method,
            text: "\(key) is \(shown(before.value)) on n\(before.node) and "
              + "\(shown(answer.value)) on n\(node)")
        }
      }
    }
    let remaining = leftOut > 0 ? "; \(leftOut) keys more were left out" : ""
    guard unread == 0, !keys.isEmpty else {
      return Verdict(
        name, .unknown, method: method,
        text: keys.isEmpty
          ? "there is no key to read"
          : "\(unread) of \(keys.count * found.count) reads were not answered" + remaining)
    }
    return Verdict(
      name, .passed, method: method,
      text: "\(keys.count) keys read on each of \(found.count) nodes: all equal" + remaining)
  }

  private static func shown(_ value: String?) -> String {
    value.map { $0.count <= 60 ? "'\($0)'" : "'\($0.prefix(60))…'" } ?? "absent"
  }
}
