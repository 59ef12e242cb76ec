internal import Glibc
internal import KVBase
internal import KVCommandLine
internal import KVLoop

/// etcd under test, by the JSON front of its version 3 interface: an example of how another system
/// is given to the harness.
package final class EtcdSystem: SystemUnderTest {
  private struct State: Sendable {
    var layout: Layout?
    var doors: [EtcdDoor] = []
    var version = ""
  }

  package let nodes: Int
  private let program: String
  private let loop: EventLoop
  private let state = Locked(State())

  /// - Parameter bin: the folder that `etcd` is in. Throws a sentence where it is not there.
  package init(nodes: Int, bin: String) throws(SystemProblem) {
    self.nodes = nodes
    program = bin + "/etcd"
    guard unsafe access(program, X_OK) == 0 else {
      throw SystemProblem("there is no program \(program): give the folder of etcd with --bin")
    }
    do {
      loop = try EventLoop()
    } catch {
      throw SystemProblem("the loop of the clients can't be started: \(error)")
    }
    _ = loop.start(name: "etcd clients")
  }

  package var name: String {
    let version = state.withLock { $0.version }
    return version.isEmpty ? "etcd" : "etcd \(version)"
  }
  /// All members are told the same addresses.
  package var hasDirectedPorts: Bool { false }
  /// They speak HTTP.
  package var hasFramedLinks: Bool { false }
  /// It is a Go program, which calls the system by itself.
  package var loadsLibraries: Bool { false }

  /// A Go program ends with 2 where it panics, and with 1 where it says so.
  package func expectedEnds(under fault: EndingFault) -> [ExpectedEnd] {
    [1, 2].map { ExpectedEnd(code: $0, message: "") }
  }

  package func launch(_ node: Int, _ layout: Layout) -> Launch {
    state.withLock { $0.layout = layout }
    func peer(_ to: Int) -> String {
      // The way to a node is the same from everywhere; a lone node has no other to ask.
      let from = to == 1 ? min(2, layout.nodes) : 1
      let port = layout.nodes == 1 ? layout.peerPorts[0] : layout.links[from - 1][to - 1]
      return "http://127.0.0.1:\(port)"
    }
    let members = (1...nodes).map { "n\($0)=\(peer($0))" }.joined(separator: ",")
    return Launch(command: [
      program, "--name", "n\(node)", "--data-dir", layout.directory(of: node),
      "--listen-client-urls", "http://127.0.0.1:\(layout.clientPorts[node - 1])",
      "--advertise-client-urls", "http://127.0.0.1:\(layout.clientLinks[node - 1])",
      "--listen-peer-urls", "http://127.0.0.1:\(layout.peerPorts[node - 1])",
      "--initial-advertise-peer-urls", peer(node), "--initial-cluster", members,
      "--initial-cluster-state", "new", "--initial-cluster-token", "jepsen-lite",
      "--log-level", "warn",
    ])
  }

  package func connect(client number: Int, _ layout: Layout) async throws -> any SystemClient {
    EtcdClient(
      layout.clientLinks.map { EtcdDoor(loop: loop, port: $0) }, first: number % layout.nodes)
  }

  // MARK: Asking

  private struct Status {
    var member: String
    var leader: String
    var applied: Int
    var revision: Int
  }

  private func doors() -> [EtcdDoor] {
    state.withLock { state in
      if state.doors.isEmpty, let layout = state.layout {
        state.doors = layout.clientPorts.map { EtcdDoor(loop: loop, port: $0) }
      }
      return state.doors
    }
  }

  private func status(of door: EtcdDoor) async -> Status? {
    // One request at a time: a door of its own, since several may ask.
    let own = EtcdDoor(loop: loop, port: door.port)
    defer { own.close() }
    guard
      case .answer(let answer) = await own.ask("/v3/maintenance/status", "{}", .milliseconds(700)),
      let member = answer["header"]?["member_id"]?.text
    else { return nil }
    if let version = answer["version"]?.text { state.withLock { $0.version = version } }
    return Status(
      member: member, leader: answer["leader"]?.text ?? "0",
      applied: answer["raftAppliedIndex"]?.integer ?? 0,
      revision: answer["header"]?["revision"]?.integer ?? 0)
  }

  /// By node; `nil` for one that does not answer.
  @concurrent
  private func statuses() async -> [Status?] {
    let doors = doors()
    var found = [Status?](repeating: nil, count: doors.count)
    await withTaskGroup(of: (Int, Status?).self) { group in
      for (position, door) in doors.enumerated() {
        group.addTask { (position, await self.status(of: door)) }
      }
      for await (position, status) in group { found[position] = status }
    }
    return found
  }

  package func leader(of key: String) async -> Int? {
    let all = await statuses()
    let leading = all.indices.filter { all[$0].map { $0.leader == $0.member } ?? false }
    // A leader that was cut off still believes; the one that has applied more is right.
    return leading.max { (all[$0]?.applied ?? 0) < (all[$1]?.applied ?? 0) }.map { $0 + 1 }
  }

  package func trouble() async -> String? {
    let before = await statuses()
    guard !before.isEmpty else { return "no node was started" }
    for (position, status) in before.enumerated() {
      guard let status else { return "node \(position + 1) does not answer" }
      guard status.leader != "0", status.leader == before[0]?.leader else {
        return "node \(position + 1) does not know the leader"
      }
    }
    let target = before.compactMap { $0?.applied }.max() ?? 0
    try? await Task.sleep(for: HarnessLimits.poll)
    for (position, status) in await statuses().enumerated() where (status?.applied ?? 0) < target {
      return "node \(position + 1) has not applied all that others have"
    }
    return nil
  }

  package func inspect(_ layout: Layout) async -> [Inspection] {
    let name = "all replicas equal"
    let deadline = ContinuousClock.now + HarnessLimits.convergence
    var text = ""
    while ContinuousClock.now < deadline {
      var hashes: [String] = []
      var revisions: Set<Int> = []
      for door in doors() {
        let body = "{\"revision\":\"0\"}"
        guard case .answer(let answer) = await door.ask("/v3/maintenance/hash", body, .seconds(2)),
          let hash = answer["hash"]?.integer
        else {
          text = "the node on port \(door.port) gave no hash"
          continue
        }
        hashes.append("\(hash) up to \(answer["compact_revision"]?.integer ?? 0)")
        revisions.insert(answer["header"]?["revision"]?.integer ?? 0)
      }
      if hashes.count == nodes, revisions.count == 1 {
        let areEqual = hashes.allSatisfy { $0 == hashes[0] }
        return [
          Inspection(
            name, isGood: areEqual,
            text: areEqual
              ? "\(nodes) nodes have the same hash at revision \(revisions.first ?? 0)"
              : "the hashes at revision \(revisions.first ?? 0) differ: "
                + hashes.joined(separator: ", "))
        ]
      }
      if revisions.count > 1 { text = "the nodes stayed at revisions \(revisions.sorted())" }
      try? await Task.sleep(for: .milliseconds(200))
    }
    return [Inspection(name, isGood: false, couldCheck: false, text: text)]
  }

  package func close() async {
    let doors = state.withLock { state in
      let doors = state.doors
      state.doors = []
      return doors
    }
    for door in doors { door.close() }
    loop.stop()
  }
}
