internal import Glibc
internal import KVBase
internal import KVClient
internal import KVCommand
internal import KVLoop
internal import KVWire

/// Clients that would take all places in a partition's table of sessions, or raise its floor above
/// everybody else's creation time: correct ones must be served, and one that is at work must keep
/// its session.
enum SessionAttack {
  private static let sessions = Limits.sessionsPerGroup + 4
  private static let workers = 8
  private static let partition = 0

  static func run(
    _ arguments: CrashArguments, _ cluster: CrashCluster, _ report: inout CrashReport
  ) async throws {
    try await cluster.startAll()
    let plan = Probe.Plan(round: 0, partitions: [partition], of: cluster.placement.count)
    let key = "session-attack-{\(plan.tags[0])}"
    var random = SeededRandom(seed: arguments.seed)
    for ahead in [Limits.creationAheadMilliseconds - 500, 86_400_000, 315_360_000_000] {
      let stamps = (0..<sessions).map { _ in stamp(ahead: ahead, &random) }
      let raw = rawClients(cluster, key: key + "-future")
      let answers = await BadInput.onThread {
        var raw = raw
        return raw.addEach(stamps)
      }
      report.say(
        "\(sessions) sessions created \(ahead) ms ahead: \(answers.written) written, "
          + "\(answers.refusedUnstarted) refused before they were proposed, "
          + "\(answers.refusedApplied) refused by an entry")
      report.fact("ahead_\(ahead)_written", .integer(answers.written))
      if answers.other > 0 { report.proves(nothing: "\(answers.other) had another answer") }
      await serve(cluster, key, "\(ahead) ms ahead", &report)
    }
    try await restart(cluster)
    await serve(cluster, key, "after a restart of all nodes", &report)
    try await churn(cluster, key, &random, &report)
    try cluster.checkRunning()
  }

  private static func stamp(ahead: UInt64, _ random: inout SeededRandom) -> SessionStamp {
    let created = SystemClock.wallMilliseconds() + ahead
    return SessionStamp(
      client: ClientID(createdMilliseconds: created, random: random.next()), sequence: 1,
      lowestUnacknowledged: 1)
  }

  private static func rawClients(_ cluster: CrashCluster, key: String) -> RawClients {
    RawClients(
      cluster: RawClients.Ports(ports: CrashCluster.nodes.map { cluster.port(of: $0) }), key: key)
  }

  private static func restart(_ cluster: CrashCluster) async throws {
    for node in CrashCluster.nodes {
      let process = try cluster.process(node)
      process.send(SIGKILL)
      _ = await process.waitForEnd(within: HarnessLimits.processEnd)
    }
    for node in CrashCluster.nodes { try await cluster.start(node) }
    try await cluster.waitUntilLed()
  }

  /// New clients are served by the partition that was attacked.
  private static func serve(
    _ cluster: CrashCluster, _ key: String, _ when: String, _ report: inout CrashReport
  ) async {
    var times: [UInt64] = []
    for turn in 0..<20 {
      let began = SystemClock.instant()
      do {
        let client = try Client(endpoints: cluster.endpoints)
        let value = "\(when) \(turn)"
        try await putPatiently(client, key, value)
        let found = try await client.get(key)
        await client.close()
        if found?.text != value {
          report.violated("\(when): a client read what it had not written")
        }
        times.append((SystemClock.instant() - began).nanoseconds)
      } catch {
        report.violated("\(when): a correct client was not served: \(error)")
      }
    }
    report.times("new client, \(when)", "served", times)
  }

  /// Tries again where the partition had no leader.
  private static func putPatiently(
    _ client: Client, _ key: String, _ value: String
  ) async throws(KVError) {
    for attempt in 0... {
      do {
        try await client.put(key, value)
        return
      } catch {
        guard error.kind == .unavailable, attempt < 20 else { throw error }
      }
    }
  }

  // MARK: Many that come and go

  /// Beside one client at work come more than there is room for: first through the library, and so
  /// telling the partition when they leave, then such as leave without a word.
  private static func churn(
    _ cluster: CrashCluster, _ key: String, _ random: inout SeededRandom,
    _ report: inout CrashReport
  ) async throws {
    var active = ActiveClient(
      raw: rawClients(cluster, key: key + "-active"),
      client: stamp(ahead: 0, &random).client)
    let began = SystemClock.instant()
    let each = (sessions + workers - 1) / workers
    let progress = Locked((running: workers, served: 0, failures: [String]()))
    for worker in 0..<workers {
      let endpoints = cluster.endpoints
      Task.detached {
        for turn in 0..<each {
          do {
            // Like kvctl: one command, and gone. Elections of a busy machine are waited for.
            let client = try Client(endpoints: endpoints)
            try await putPatiently(client, "\(key)-\(worker)", "\(turn)")
            await client.close()
            progress.withLock { $0.served += 1 }
          } catch {
            progress.withLock { $0.failures.append("\(error)") }
          }
        }
        progress.withLock { $0.running -= 1 }
      }
    }
    while progress.withLock({ $0.running }) > 0 {
      await active.add()
      try await Task.sleep(for: .milliseconds(50))
    }
    let (served, failures) = progress.withLock { ($0.served, $0.failures) }
    let seconds = (SystemClock.instant() - began).milliseconds / 1000
    report.say("\(served) short clients in \(seconds) s, beside \(active.sequence) commands of one")
    report.fact("short_clients", .integer(served))
    if !failures.isEmpty {
      report.violated("\(failures.count) short clients were not served: \(failures[0])")
    }
    let silent = active.raw
    for _ in 0..<(sessions + 99) / 100 {
      let stamps = (0..<100).map { _ in stamp(ahead: 0, &random) }
      _ = await BadInput.onThread {
        var silent = silent
        silent.key += "-silent"
        return silent.addEach(stamps)
      }
      await active.add()
    }
    report.say(
      "\(sessions) more that leave without a word, beside \(active.sequence) commands of one")
    report.fact("commands_of_the_active", .integer(Int(active.sequence)))
    for problem in active.problems { report.violated(problem) }
  }
}

/// A client at work, which never takes another id: a partition that had evicted it would refuse it.
private struct ActiveClient {
  private(set) var raw: RawClients
  let client: ClientID
  private(set) var sequence: UInt64 = 0
  private(set) var problems: [String] = []

  init(raw: RawClients, client: ClientID) {
    self.raw = raw
    self.client = client
  }

  mutating func add() async {
    sequence += 1
    let stamp = SessionStamp(
      client: client, sequence: sequence, lowestUnacknowledged: sequence)
    let before = raw
    let (after, answers) = await BadInput.onThread {
      var raw = before
      let answers = raw.addEach([stamp])
      return (raw, answers)
    }
    raw = after
    guard case .applied(.added(let sum, _), _)? = answers.replies[0], sum == sequence else {
      problems.append(
        "command \(sequence) of the client at work: \(String(describing: answers.replies[0]))")
      return
    }
  }
}
