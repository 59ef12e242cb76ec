internal import Glibc
internal import KVBase
internal import KVClient
internal import KVClientCore
internal import KVCommand
internal import KVPlacement
internal import KVWire

/// `kvnode` under test: how a node is started, and what the nodes say of themselves.
package final class KVSystem: SystemUnderTest {
  /// What the nodes are told beside their addresses.
  package struct Settings: Hashable, Sendable {
    /// The folder that `kvnode` is in; `nil`: that of this program.
    package var bin: String?
    /// `read-index` or `lease`.
    package var reads = "read-index"
    /// How much log is kept for followers that lag, such as `1MiB`; `nil`: the node's default.
    package var logKeep: String?
    /// A fault that is built into the nodes; only for builds that have some.
    package var plant: String?

    package init() {}
  }

  private struct State: Sendable {
    var layout: Layout?
    var admin: Client?
    var version = ""
    var partitions = 0
  }

  package let nodes: Int
  package let settings: Settings
  private let program: String
  private let state = Locked(State())

  /// Throws a sentence where there is no program.
  package init(nodes: Int, settings: Settings = Settings()) throws(SystemProblem) {
    self.nodes = nodes
    self.settings = settings
    program = (settings.bin ?? Scratch.ownFolder) + "/kvnode"
    guard unsafe access(program, X_OK) == 0 else {
      throw SystemProblem("there is no program \(program): give its folder with --bin")
    }
  }

  package var name: String {
    let version = state.withLock { $0.version }
    return version.isEmpty ? "kvnode" : "kvnode \(version)"
  }
  package var hasDirectedPorts: Bool { true }
  package var hasFramedLinks: Bool { true }
  /// The log alone: the state is made from it, and much beside is notes for people.
  package func holdsData(_ file: String) -> Bool { file.hasPrefix("log/") }

  package func expectedEnds(under fault: EndingFault) -> [ExpectedEnd] {
    switch fault {
    case .failedSync: [ExpectedEnd(code: 1, message: "Input/output error")]
    case .fullDisk: [ExpectedEnd(code: 1, message: "No space left on device")]
    // Which of them says so depends on the file that was hit.
    case .flippedBits:
      ["can't start: ", "stopped: "].map { ExpectedEnd(code: 1, message: $0) }
    }
  }

  /// A node that runs goes on, and one that starts finds what it has written: after a loss of
  /// power, too. A port that somebody else has taken is no fault of its own.
  package func breaksPromise(ending status: ExitStatus, saying words: String) -> Bool {
    if status.isTrap { return true }
    guard status == .code(1) else { return false }
    return !words.contains("ddress already in use")
  }

  /// How many nodes have a copy of each group.
  private var copies: Int { min(nodes, nodes > 3 ? 7 : 3) }

  // MARK: Starting

  package func launch(_ node: Int, _ layout: Layout) -> Launch {
    state.withLock { $0.layout = layout }
    let peers = (1...nodes).map { "\($0)=127.0.0.1:\(layout.peerPorts[$0 - 1])" }
    // A proxy stands on each directed link.
    let proxies = (1...nodes).filter { $0 != node }.map {
      "\($0)=127.0.0.1:\(layout.links[node - 1][$0 - 1])"
    }
    var command = [
      program, "--id", "\(node)", "--peers", peers.joined(separator: ","), "--peer-address",
      proxies.joined(separator: ","), "--listen", "127.0.0.1:\(layout.clientPorts[node - 1])",
      "--data-dir", layout.directory(of: node),
      "--events", layout.events(of: node), "--linearizable-reads", settings.reads,
    ]
    // More nodes should mean more copies: else most faults would miss most keys.
    if nodes > 3 { command += ["--replication", "\(copies)"] }
    if let keep = settings.logKeep { command += ["--log-keep", keep] }
    let environment = settings.plant.map { ["KVNODE_PLANT": $0] } ?? [:]
    return Launch(command: command, environment: environment)
  }

  package func connect(client number: Int, _ layout: Layout) async throws -> any SystemClient {
    KVSystemClient(
      try Client(
        endpoints: layout.clientLinks.enumerated().map {
          "\($0.offset + 1)=127.0.0.1:\($0.element)"
        }
      ))
  }

  // MARK: Asking

  /// A client of the nodes themselves, past the proxies.
  private func admin() -> Client? {
    state.withLock { state in
      if let known = state.admin { return known }
      guard let layout = state.layout else { return nil }
      let made = try? Client(
        endpoints: layout.clientPorts.enumerated().map {
          "\($0.offset + 1)=127.0.0.1:\($0.element)"
        })
      state.admin = made
      return made
    }
  }

  func report(of node: Int, within timeout: TimeAmount = HarnessLimits.report) async -> NodeReport?
  {
    guard let admin = admin() else { return nil }
    let options = CallOptions(timeout: timeout)
    guard case .status(let report) = await admin.perform(.status(NodeID(UInt32(node))), options)
    else { return nil }
    state.withLock { $0.version = report.version }
    return report
  }

  /// By node; `nil` for one that does not answer.
  @concurrent
  func reports(within timeout: TimeAmount = HarnessLimits.report) async -> [NodeReport?] {
    var found = [NodeReport?](repeating: nil, count: nodes)
    await withTaskGroup(of: (Int, NodeReport?).self) { group in
      for node in 1...nodes {
        group.addTask { (node, await self.report(of: node, within: timeout)) }
      }
      for await (node, report) in group { found[node - 1] = report }
    }
    return found
  }

  /// The group of a key; `nil` where no node has said yet how many partitions there are.
  private func group(of key: String) async -> GroupID? {
    var partitions = state.withLock { $0.partitions }
    if partitions == 0, let admin = admin() {
      guard let view = try? await admin.map(CallOptions(timeout: HarnessLimits.report)) else {
        return nil
      }
      let count = view.map.partitions
      partitions = count
      state.withLock { $0.partitions = count }
    }
    guard Ring.isValid(partitions: partitions) else { return nil }
    return GroupID(partition: Ring.partition(of: Bytes(key), partitions: partitions))
  }

  package func leader(of key: String) async -> Int? {
    guard let group = await group(of: key) else { return nil }
    var newest: (term: Term, node: Int)?
    for (position, report) in await reports(within: HarnessLimits.quickReport).enumerated() {
      guard let found = report?.groups.first(where: { $0.group == group }), found.role == .leader
      else { continue }
      // A leader that was cut off still believes; the newer term is right.
      if newest.map({ $0.term < found.term }) ?? true { newest = (found.term, position + 1) }
    }
    return newest?.node
  }

  package func trouble() async -> String? {
    let before = await reports()
    for (position, report) in before.enumerated() where report == nil {
      return "node \(position + 1) does not answer"
    }
    if let problem = KVReports(before.compactMap { $0 }).leaderTrouble { return problem }
    // What was committed a moment ago must have been applied by all since.
    let committed = KVReports(before.compactMap { $0 }).committed
    try? await Task.sleep(for: HarnessLimits.poll)
    for (position, report) in await reports().enumerated() {
      guard let report else { return "node \(position + 1) does not answer any more" }
      for group in report.groups {
        let target = committed[group.group] ?? .zero
        guard group.applied < target else { continue }
        return "node \(position + 1) has applied \(group.applied.rawValue) of \(target.rawValue) "
          + "entries of group \(group.group.rawValue)"
      }
    }
    return nil
  }

  package func inspect(_ layout: Layout) async -> [Inspection] {
    var found: [Inspection] = []
    let deadline = ContinuousClock.now + HarnessLimits.convergence
    while true {
      let reports = await reports()
      let all = KVReports(reports.compactMap { $0 }, copies: copies)
      let isLast = ContinuousClock.now >= deadline
      if reports.contains(where: { $0 == nil }) {
        guard isLast else {
          try? await Task.sleep(for: HarnessLimits.convergencePoll)
          continue
        }
        let silent = reports.indices.filter { reports[$0] == nil }.map { "n\($0 + 1)" }
        found.append(
          Inspection(
            "all replicas equal", isGood: false, couldCheck: false,
            text: "\(silent.joined(separator: ", ")) did not say what they have applied"))
        break
      }
      if all.hasUnequalDigests || all.hasConverged || isLast {
        found += [all.convergence, all.agreement]
        break
      }
      try? await Task.sleep(for: HarnessLimits.convergencePoll)
    }
    var events = KVEvents()
    for node in 1...nodes { events.read(layout.events(of: node), node: node) }
    return found + events.inspections
  }

  package func close() async {
    let admin = state.withLock { state in
      let admin = state.admin
      state.admin = nil
      return admin
    }
    await admin?.close()
  }
}

/// Why a system can't be tested, in a sentence.
package struct SystemProblem: Error, Hashable, Sendable, CustomStringConvertible {
  package var description: String
  package init(_ description: String) { self.description = description }
}
