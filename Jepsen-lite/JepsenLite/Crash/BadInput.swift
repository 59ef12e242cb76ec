internal import Glibc
internal import KVBase
internal import KVClient
internal import KVLoop
internal import KVPlacement

/// Bad bytes, half-open and silent connections against one node, while clients and peers must be
/// served.
enum BadInput {
  private static let victim: UInt32 = 1
  private static let fileLimit = 1024
  private static let badConnections = 450
  private static let idleConnections = 1100

  static func run(
    _ arguments: CrashArguments, _ cluster: CrashCluster, _ report: inout CrashReport
  ) async throws {
    guard raiseFileLimit() >= 4096 else {
      throw CrashFailure("bad-input needs 4096 open files: raise the hard limit (ulimit -Hn)")
    }
    for node in CrashCluster.nodes {
      try await cluster.start(node, fileLimit: node == victim ? fileLimit : nil)
    }
    try await cluster.waitUntilBalanced()
    let logAt = Scratch.size(cluster.log(of: victim))
    let began = SystemClock.instant()
    let service = Service(endpoint: cluster.address(of: victim), keys: keys(cluster))
    try service.start()
    try await Task.sleep(for: .milliseconds(300))

    // One thread each, since raw sockets block.
    let port = cluster.port(of: victim)
    let seed = arguments.seed
    async let halfOpen = onThread { HalfOpen.measure(port: port) }
    let attack = await onThread {
      var attack = BadBytes(seed: seed)
      attack.attack(port: port, times: badConnections)
      return attack
    }
    judge(attack, &report)
    judge(await halfOpen, &report)
    let quiet = await service.lap()
    report.add(quiet, "bad bytes", servesNew: true)

    try await flood(.silent, port, cluster, service, &report)
    try await flood(.greeting, port, cluster, service, &report)
    await service.stop()
    try cluster.checkRunning()
    let seconds = (SystemClock.instant() - began).milliseconds / 1000
    judgeLog(Scratch.read(cluster.log(of: victim), from: logAt), seconds, &report)
  }

  /// As many idle connections as there can be; meanwhile a peer is restarted, and has to get in.
  private static func flood(
    _ kind: IdleFlood.Kind, _ port: UInt16, _ cluster: CrashCluster, _ service: Service,
    _ report: inout CrashReport
  ) async throws {
    async let held = onThread {
      IdleFlood.hold(kind, port: port, connections: idleConnections, milliseconds: 13_000)
    }
    try await Task.sleep(for: .seconds(1))
    let peer: UInt32 = 3
    let process = try cluster.process(peer)
    process.send(SIGKILL)
    _ = await process.waitForEnd(within: HarnessLimits.processEnd)
    let restartedAt = SystemClock.instant()
    try await cluster.start(peer)
    try await cluster.waitUntilCaughtUp(peer, asking: cluster.admin, within: .seconds(20))
    let caughtUp = (SystemClock.instant() - restartedAt).nanoseconds
    let flood = await held
    report.say(
      "\(flood.opened) \(kind.rawValue) connections at a limit of \(fileLimit) files: the node "
        + "closed \(flood.closed) of them, the first after \(flood.firstClosed) ms")
    report.fact("\(kind.rawValue)_opened", .integer(flood.opened))
    report.fact("\(kind.rawValue)_closed", .integer(flood.closed))
    if flood.opened < idleConnections {
      report.proves(nothing: "only \(flood.opened) \(kind.rawValue) connections could be opened")
    }
    report.times("peer restarted meanwhile, ready", "\(kind.rawValue)_peer", [caughtUp])
    if caughtUp > 5_000_000_000 {
      report.violated("a peer needed \(Spread.text(caughtUp)) ms to get in during the flood")
    }
    let lap = await service.lap()
    report.add(lap, "\(kind.rawValue) flood", servesNew: kind == .silent)
    if kind == .greeting {
      let told = lap.failures.first { $0.contains("limit of open files") }
      report.say("a client beyond the limit is told: \(told ?? "nothing")")
      if told == nil { report.violated("nobody was told of the limit: \(lap.failures)") }
      // The flood is over: there is room again.
      try await Task.sleep(for: .seconds(2))
      report.add(await service.lap(), "after the flood", servesNew: true, fewest: 3)
    }
  }

  // MARK: Verdicts

  private static func judge(_ attack: BadBytes, _ report: inout CrashReport) {
    for (kind, tally) in zip(BadBytes.Kind.allCases, attack.tallies) {
      report.say(
        "\(kind.rawValue): \(tally.made) connections, \(tally.closed) closed, "
          + "\(tally.told) told why"
      )
      report.fact(kind.rawValue, .integer(tally.made))
    }
    for problem in attack.problems { report.violated(problem) }
    let made = attack.tallies.reduce(0) { $0 + $1.made }
    if made < badConnections * 9 / 10 {
      report.proves(nothing: "only \(made) of \(badConnections) bad connections could be made")
    }
  }

  private static func judge(_ half: HalfOpen, _ report: inout CrashReport) {
    report.times("half-open, until closed", "half_open_closed", half.closedAfter)
    if half.stillOpen > 0 {
      report.violated("\(half.stillOpen) half-open connections were open after 13 s")
    }
    if let early = half.closedAfter.min(), early < 9_500_000_000 {
      report.violated("a half-open connection was closed after \(Spread.text(early)) ms: too early")
    }
  }

  private static func judgeLog(_ text: String, _ seconds: UInt64, _ report: inout CrashReport) {
    let lines = text.split(separator: "\n")
    report.say("the node's log: \(lines.count) lines in \(seconds) s, among them:")
    for expected in ["make no sense", "no HELLO", "connections"] {
      guard let line = lines.first(where: { $0.contains(expected) }) else {
        report.violated("the node's log never says '\(expected)'")
        continue
      }
      report.say("  \(line)")
    }
    report.fact("log_lines", .integer(lines.count))
    if lines.count > Int(seconds) * 4 + 20 {
      report.violated("the node's log was flooded: \(lines.count) lines in \(seconds) s")
    }
  }

  // MARK: Around it

  /// A key for each partition that the node leads.
  private static func keys(_ cluster: CrashCluster) -> [String] {
    cluster.placement.indices.filter { cluster.placement[$0].first?.rawValue == victim }
      .map { partition in
        let plan = Probe.Plan(round: 0, partitions: [partition], of: cluster.placement.count)
        return "bad-input-{\(plan.tags[0])}"
      }
  }

  /// Raises the soft limit of open files to the hard one, and answers it.
  private static func raiseFileLimit() -> Int {
    var limit = rlimit()
    let files = __rlimit_resource_t(7)
    guard unsafe getrlimit(files, &limit) == 0 else { return 0 }
    limit.rlim_cur = min(limit.rlim_max, 65_536)
    _ = unsafe setrlimit(files, &limit)
    return Int(clamping: limit.rlim_cur)
  }

  static func onThread<Value: Sendable>(
    _ body: @escaping @Sendable () -> Value
  ) async -> Value {
    await withCheckedContinuation { continuation in
      _ = NamedThread(name: "attack") { continuation.resume(returning: body()) }
    }
  }
}

/// Connections that say nothing, or half a HELLO.
struct HalfOpen: Sendable {
  private(set) var closedAfter: [UInt64] = []
  private(set) var stillOpen = 0

  /// Blocks for some 10 s.
  static func measure(port: UInt16) -> HalfOpen {
    var result = HalfOpen()
    let hello = BadBytes.hello()
    let began = SystemClock.instant()
    let first = RawSocket(port: port)
    let second = RawSocket(port: port)
    second?.send(Array(hello.prefix(hello.count / 2)))
    for socket in [first?.release(), second?.release()] {
      guard let socket else { continue }
      let held = RawSocket(adopting: socket)
      if held.readToEnd(within: 13_000).ending == .closed {
        result.closedAfter.append((SystemClock.instant() - began).nanoseconds)
      } else {
        result.stillOpen += 1
      }
    }
    return result
  }
}

/// Many connections that send nothing.
struct IdleFlood: Sendable {
  enum Kind: String, Sendable {
    /// They never say anything.
    case silent
    /// They say HELLO, as clients do, and no more.
    case greeting
  }

  private(set) var opened = 0
  private(set) var closed = 0
  /// Milliseconds until the first was closed.
  private(set) var firstClosed: UInt64 = 0

  /// Blocks for that long.
  static func hold(
    _ kind: Kind, port: UInt16, connections: Int, milliseconds: UInt64
  ) -> IdleFlood {
    var result = IdleFlood()
    let began = SystemClock.instant()
    let hello = BadBytes.hello()
    var open: [pollfd] = []
    for _ in 0..<connections {
      guard let socket = RawSocket(port: port) else { continue }
      if kind == .greeting { socket.send(hello) }
      open.append(pollfd(fd: socket.release(), events: Int16(POLLIN), revents: 0))
    }
    result.opened = open.count
    while (SystemClock.instant() - began).milliseconds < milliseconds {
      guard unsafe poll(&open, nfds_t(open.count), 100) > 0 else { continue }
      for position in open.indices where open[position].revents != 0 {
        var piece = [UInt8](repeating: 0, count: 1024)
        guard unsafe recv(open[position].fd, &piece, piece.count, 0) <= 0 else { continue }
        close(open[position].fd)
        open[position].fd = -1
        if result.closed == 0 {
          result.firstClosed = (SystemClock.instant() - began).milliseconds
        }
        result.closed += 1
      }
    }
    for entry in open where entry.fd >= 0 { close(entry.fd) }
    return result
  }
}
