internal import Glibc
internal import JepsenFaults
internal import JepsenHistory
internal import JepsenNetwork
internal import KVBase

/// Why the stage could not be set.
struct StageFailure: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}

/// A cluster on this machine and all that can be done to it: processes, proxies on every directed
/// link, files and clocks.
final class Stage: Sendable {
  /// How long a healed cluster may take until all nodes serve.
  static let healthTimeout: Duration = .seconds(60)

  let layout: Layout
  let board: LinkBoard
  let nodes: [StageNode]
  let hasFramedLinks: Bool
  private let network: Network
  private let ports: [HeldPort]
  private let spawner: Spawner
  private let cast = Locked(Cast())

  /// What is known from `start` and `runNemeses` on.
  private struct Cast: Sendable {
    var system: (any SystemUnderTest)?
    var watch: Watch?
    /// Whose group's leader is meant by "the leader".
    var hotKey = ""
  }

  private init(
    layout: Layout, network: Network, ports: [HeldPort], spawner: Spawner, hasFramedLinks: Bool,
    nodes: [StageNode]
  ) {
    self.layout = layout
    self.network = network
    self.ports = ports
    self.spawner = spawner
    self.hasFramedLinks = hasFramedLinks
    self.nodes = nodes
    board = LinkBoard(
      apply: { network.set($0, from: $1.from, to: $1.to) },
      count: { network.counters(from: $0.from, to: $0.to) })
  }

  /// Ports, proxies and folders; no process yet.
  static func prepare(
    folder: String, system count: Int, hasDirectedPorts: Bool, hasFramedLinks: Bool,
    hasSeparatePeerPorts: Bool, usesFaultLibrary: Bool
  ) throws -> Stage {
    precondition(count > 0, "\(count) nodes")
    guard Scratch.makeDirectory(folder) else {
      throw StageFailure("the folder \(folder) can't be made")
    }
    ChildTable.install()
    let nodes = try makeNodes(count, folder, usesFaultLibrary: usesFaultLibrary)
    let ports = try (0..<count * (hasSeparatePeerPorts ? 2 : 1)).map { _ in
      guard let port = HeldPort() else { throw StageFailure("no free port was found") }
      return port
    }
    let clientPorts = ports.prefix(count).map(\.port)
    let peerPorts = ports.suffix(count).map(\.port)
    let network = try Network(isFramed: hasFramedLinks)
    var links = (0..<count).map { _ in peerPorts }
    for to in 1...count {
      if hasDirectedPorts {
        for from in 1...count where from != to {
          links[from - 1][to - 1] = try network.openLink(
            from: .node(from), to: .node(to), target: peerPorts[to - 1])
        }
      } else {
        let port = try network.openLinkIdentifyingSource(
          to: .node(to), target: peerPorts[to - 1],
          source: { pid in nodes.first { $0.pid == pid }.map { .node($0.number) } })
        for from in 1...count { links[from - 1][to - 1] = port }
      }
    }
    let clientLinks = try (1...count).map {
      try network.openLink(from: .clients, to: .node($0), target: clientPorts[$0 - 1])
    }
    let layout = Layout(
      folder: folder, nodes: count, clientPorts: clientPorts, peerPorts: peerPorts, links: links,
      clientLinks: clientLinks)
    return Stage(
      layout: layout, network: network, ports: ports, spawner: try Spawner(),
      hasFramedLinks: hasFramedLinks, nodes: nodes)
  }

  private static func makeNodes(
    _ count: Int, _ folder: String, usesFaultLibrary: Bool
  ) throws -> [StageNode] {
    let names = (1...count).map { ($0, "\(folder)/node-\($0).log") }
    guard usesFaultLibrary else { return names.map { StageNode(number: $0, log: $1) } }
    guard let library = FaultLibrary.find() else {
      throw StageFailure(
        "\(FaultLibrary.fileName) is not beside this program: build it with "
          + "swift build --product jepsen-faults")
    }
    return try names.map { number, log in
      StageNode(
        number: number, log: log,
        faults: try FaultHandle(
          folder: "\(folder)/faults-\(number)", root: "\(folder)/node-\(number)",
          library: library))
    }
  }

  var usesFaultLibrary: Bool { nodes.allSatisfy { $0.faults != nil } }

  var system: (any SystemUnderTest)? { cast.withLock { $0.system } }

  /// Whether some of these files, by their paths below a node's folder, hold what the system
  /// answers for. A power loss that lost a text log or a cache proves nothing.
  func holdsServedData(_ files: [String]) -> Bool {
    files.contains { file in system.map { $0.holdsData(file) } ?? true }
  }

  func expectedEnds(under fault: EndingFault) -> [ExpectedEnd] {
    system?.expectedEnds(under: fault) ?? []
  }

  func node(_ number: Int) -> StageNode { nodes[number - 1] }

  // MARK: The cluster's life

  /// All nodes, until all serve.
  func start(_ system: any SystemUnderTest) async throws {
    cast.withLock { $0.system = system }
    for node in nodes { try await launch(node) }
    let deadline = ContinuousClock.now + Self.healthTimeout
    while let trouble = await system.trouble() {
      for node in nodes { node.notice() }
      if let ended = unexpectedEnds().first { throw StageFailure(ended.text) }
      guard ContinuousClock.now < deadline else {
        throw StageFailure("the nodes don't serve after \(Self.healthTimeout): \(trouble)")
      }
      try await Task.sleep(for: HarnessLimits.poll)
    }
    if let without = nodes.first(where: { $0.faults.map { !$0.isLoaded } ?? false }) {
      throw StageFailure(
        "n\(without.number) has not loaded the fault library: faults of its disk and its clocks "
          + "would have no effect")
    }
  }

  /// Starts a node's process; nothing where it runs.
  func launch(_ node: StageNode) async throws {
    guard let system, !node.isRunning else { return }
    let launch = system.launch(node.number, layout)
    let loaded = node.faults?.environment ?? [:]
    let sizeBefore = Scratch.size(node.log)
    node.began(
      try await spawner.start(
        launch.command, environment: launch.environment.merging(loaded) { $1 }, output: node.log),
      of: system, sayingFrom: sizeBefore)
  }

  /// Ends all processes and proxies. What `nodeStates` and `unexpectedEnds` say stays.
  func end() async {
    await cast.withLock { $0.watch }?.stop()
    for node in nodes {
      node.notice()
      _ = await node.end(by: SIGKILL)
    }
    network.close()
  }

  // MARK: What was seen

  /// From the beginning of `runNemeses` to now, or to `end`.
  var nodeStates: [NodeState] { cast.withLock { $0.watch }?.states ?? [] }

  /// Nodes that ended without a fault that explains it, or went on where they must not.
  func unexpectedEnds() -> [NodeFinding] {
    for node in nodes { node.notice() }
    return nodes.flatMap(\.findings)
  }

  /// Asks the system now who leads the group of the hot key; `nil` where nobody says so, or whoever
  /// is named does not run.
  func askForLeader() async -> (leader: Int, key: String)? {
    let key = cast.withLock { $0.hotKey }
    guard let leader = await system?.leader(of: key), node(leader).isRunning else { return nil }
    return (leader, key)
  }

  func beginWatch(clock: RunClock, hotKey: String) {
    guard let system else { return }
    let nodes = nodes
    cast.withLock { cast in
      guard cast.watch == nil else { return }
      cast.hotKey = hotKey
      cast.watch = Watch(nodes: nodes, system: system, clock: clock, hotKey: hotKey)
    }
  }

  // MARK: Health

  /// What is not well: a process that should run and does not, or what the system says.
  func trouble() async -> String? {
    for node in nodes { node.notice() }
    if let down = nodes.first(where: { !$0.isRunning }) { return "n\(down.number) is down" }
    if let paused = nodes.first(where: { $0.processState == "T" }) {
      return "n\(paused.number) is stopped by a signal"
    }
    return await system?.trouble()
  }

  /// Waits until all is well.
  ///
  /// - Returns: how long that took, and what was wrong last.
  func waitUntilHealthy(within timeout: Duration) async -> (seconds: Double, trouble: String?) {
    let began = ContinuousClock.now
    var trouble = await trouble()
    while trouble != nil, ContinuousClock.now - began < timeout, !Task.isCancelled {
      try? await Task.sleep(for: HarnessLimits.poll)
      trouble = await self.trouble()
    }
    return ((ContinuousClock.now - began) / .seconds(1), trouble)
  }
}
