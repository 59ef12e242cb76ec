internal import Glibc
internal import KVBase
internal import KVClient
internal import KVClientCore
internal import KVCommand
internal import KVLoop
internal import KVWire

/// Why a scenario could not be carried through.
struct CrashFailure: Error, CustomStringConvertible {
  var description: String
  /// The system is at fault; else the run proves nothing.
  var isViolation = false

  init(_ description: String) { self.description = description }
  init(violation description: String) {
    self.description = description
    isViolation = true
  }
}

/// Three nodes as processes of this machine.
final class CrashCluster {
  static let nodes: [UInt32] = [1, 2, 3]

  let directory: String
  private let arguments: CrashArguments
  private let program: String
  private let spawner: Spawner
  private(set) var processes: [UInt32: ChildProcess] = [:]
  /// Asks nodes about themselves.
  let admin: Client
  private(set) var placement: [[NodeID]] = []

  init(_ arguments: CrashArguments, directory: String, spawner: Spawner) throws {
    self.arguments = arguments
    self.directory = directory
    self.spawner = spawner
    program = (arguments.bin ?? Scratch.ownFolder) + "/kvnode"
    guard unsafe access(program, X_OK) == 0 else {
      throw CrashFailure("there is no program \(program): give its folder with --bin")
    }
    guard Scratch.makeDirectory(directory) else {
      throw CrashFailure("the folder \(directory) can't be made")
    }
    let ports = Self.nodes.map { "127.0.0.1:\(Self.port(arguments, $0))" }
    admin = try Client(endpoints: ports)
    for node in Self.nodes where RawSocket.connects(to: port(of: node)) {
      throw CrashFailure("port \(port(of: node)) is taken: choose others with --base-port")
    }
  }

  private static func port(_ arguments: CrashArguments, _ node: UInt32) -> UInt16 {
    UInt16(arguments.basePort + Int(node) - 1)
  }

  func port(of node: UInt32) -> UInt16 { Self.port(arguments, node) }
  func address(of node: UInt32) -> String { "127.0.0.1:\(port(of: node))" }
  var endpoints: [String] { Self.nodes.map { address(of: $0) } }
  func dataDirectory(of node: UInt32) -> String { "\(directory)/node-\(node)" }
  func log(of node: UInt32) -> String { "\(directory)/node-\(node).log" }
  func events(of node: UInt32) -> String { "\(directory)/node-\(node).events" }

  // MARK: Processes

  /// - Parameter fileLimit: of open files, soft and hard.
  func start(_ node: UInt32, fileLimit: Int? = nil) async throws {
    let peers = Self.nodes.map { "\($0)=\(address(of: $0))" }.joined(separator: ",")
    var command = [
      program, "--id", "\(node)", "--peers", peers, "--listen", address(of: node), "--data-dir",
      dataDirectory(of: node), "--events", events(of: node), "--linearizable-reads",
      arguments.reads,
    ]
    if let keep = arguments.logKeep { command += ["--log-keep", keep] }
    if let fileLimit {
      command = ["/bin/sh", "-c", "ulimit -n \(fileLimit) && exec \"$@\"", "sh"] + command
    }
    processes[node] = try await spawner.start(command, output: log(of: node))
  }

  func process(_ node: UInt32) throws -> ChildProcess {
    guard let process = processes[node] else { throw CrashFailure("node \(node) was not started") }
    return process
  }

  /// Starts all nodes and waits until they serve with every leader in its place.
  func startAll() async throws {
    for node in Self.nodes { try await start(node) }
    try await waitUntilBalanced()
  }

  func endAll() async {
    for node in Self.nodes { await processes[node]?.end() }
    await admin.close()
  }

  /// A node that should run and does not is a finding.
  func unexpectedEnds() -> [String] {
    Self.nodes.compactMap { node in
      guard let process = processes[node], let status = process.poll() else { return nil }
      let last = Scratch.read(log(of: node)).split(separator: "\n").last ?? "nothing"
      return "node \(node) ended by itself (\(status)); it said last: \(last)"
    }
  }

  /// A planted fault: every disk becomes what it was when this was called last. No node may run.
  func setDisksBack() async throws {
    for node in Self.nodes {
      let (now, before) = (dataDirectory(of: node), dataDirectory(of: node) + ".before")
      if Scratch.exists(before) {
        Scratch.remove(now)
        guard unsafe rename(before, now) == 0 else {
          throw CrashFailure("\(before) can't be renamed")
        }
      }
      let copy = try await spawner.start(["/bin/cp", "-a", now, before], output: log(of: node))
      guard await copy.waitForEnd(within: .seconds(30)) == .code(0) else {
        throw CrashFailure("\(now) can't be copied")
      }
    }
  }

  func checkRunning() throws {
    if let ended = unexpectedEnds().first { throw CrashFailure(violation: ended) }
  }

  /// A node that ended, and should have.
  func forget(_ node: UInt32) { processes[node] = nil }

  // MARK: What the nodes say of themselves

  func report(of node: UInt32, by client: Client? = nil) async -> NodeReport? {
    var options = CallOptions()
    options.timeout = HarnessLimits.report
    guard case .status(let report) = await (client ?? admin).perform(.status(NodeID(node)), options)
    else {
      return nil
    }
    return report
  }

  /// Each group's leader by the leaders' own word; 0 where nobody says so.
  func leaders(by client: Client? = nil) async -> [UInt32] {
    var found = [UInt32](repeating: 0, count: placement.count + 1)
    for node in Self.nodes {
      guard let report = await report(of: node, by: client) else { continue }
      for group in report.groups where group.role == .leader {
        let at = Int(group.group.rawValue)
        if at < found.count { found[at] = node }
      }
    }
    return found
  }

  /// Whether every group is led by the node that its placement prefers.
  private func isBalanced() async -> Bool {
    if placement.isEmpty {
      var options = CallOptions()
      options.timeout = HarnessLimits.report
      guard let view = try? await admin.map(options) else { return false }
      placement = view.map.replicaSets.dropFirst().map(\.nodes)
    }
    let leaders = await leaders()
    guard leaders.first == Self.nodes[0] else { return false }
    return placement.indices.allSatisfy { leaders[$0 + 1] == placement[$0].first?.rawValue }
  }

  func waitUntilBalanced(within timeout: Duration = HarnessLimits.recovery) async throws {
    let deadline = ContinuousClock.now + timeout
    while !(await isBalanced()) {
      try checkRunning()
      guard ContinuousClock.now < deadline else {
        throw CrashFailure(
          violation: "leaders were not in their places within \(timeout): see \(directory)")
      }
      try? await Task.sleep(for: HarnessLimits.poll)
    }
  }

  /// A client that has not seen the nodes refuse connections, and so does not rest before it asks
  /// them.
  private func newClient(
    whenServing nodes: [UInt32], until deadline: ContinuousClock.Instant
  ) async throws -> Client {
    for node in nodes {
      while !RawSocket.connects(to: port(of: node)), ContinuousClock.now < deadline {
        try checkRunning()
        try? await Task.sleep(for: .milliseconds(2))
      }
    }
    return try Client(endpoints: endpoints)
  }

  /// Waits until every group has a leader that says so.
  func waitUntilLed(within timeout: Duration = HarnessLimits.recovery) async throws {
    let deadline = ContinuousClock.now + timeout
    let client = try await newClient(whenServing: Self.nodes, until: deadline)
    while await leaders(by: client).contains(0) {
      try checkRunning()
      guard ContinuousClock.now < deadline else {
        throw CrashFailure(violation: "groups were without leaders \(timeout) after the restart")
      }
      try? await Task.sleep(for: .milliseconds(5))
    }
    await client.close()
  }

  /// Waits until a node has applied all that the leaders had applied when it began to serve. (Under
  /// load a follower is always behind a little: it learns of a commit by the next message.)
  ///
  /// - Parameter asking: a client that is connected, where a new one would not get in.
  func waitUntilCaughtUp(
    _ node: UInt32, asking: Client? = nil, within timeout: Duration = HarnessLimits.recovery
  ) async throws {
    let deadline = ContinuousClock.now + timeout
    let fresh = try await newClient(whenServing: [node], until: deadline)
    let client = asking ?? fresh
    var targets: [UInt32: LogIndex] = [:]
    while true {
      if targets.isEmpty { targets = await appliedByLeaders(other: node, client) }
      if !targets.isEmpty, await hasApplied(targets, node, client) { break }
      try checkRunning()
      guard ContinuousClock.now < deadline else {
        throw CrashFailure(
          violation: "node \(node) did not catch up within \(timeout): see \(directory)")
      }
      try? await Task.sleep(for: .milliseconds(5))
    }
    await fresh.close()
  }

  /// By group; empty where not every group has a leader.
  private func appliedByLeaders(other node: UInt32, _ client: Client) async -> [UInt32: LogIndex] {
    var applied: [UInt32: LogIndex] = [:]
    for other in Self.nodes where other != node {
      guard let report = await report(of: other, by: client) else { continue }
      for group in report.groups where group.role == .leader {
        applied[group.group.rawValue] = group.applied
      }
    }
    return applied.count == placement.count + 1 ? applied : [:]
  }

  private func hasApplied(
    _ targets: [UInt32: LogIndex], _ node: UInt32, _ client: Client
  ) async -> Bool {
    guard let report = await report(of: node, by: client) else { return false }
    return report.groups.allSatisfy { $0.applied >= targets[$0.group.rawValue] ?? .zero }
  }

  /// Snapshots that a node said it installed, in its events from a place in the file on.
  func snapshotsInstalled(by node: UInt32, since offset: Int) -> Int {
    Scratch.read(events(of: node), from: offset).split(separator: "\n")
      .count { $0.contains("\"event\":\"snapshot\"") }
  }
}
