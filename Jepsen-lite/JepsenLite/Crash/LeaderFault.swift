internal import Glibc
internal import KVBase
internal import KVClient
internal import KVLoop

/// Kills, or asks to stop, one node after the other under load, and measures how long the
/// partitions that it led were without service.
enum LeaderFault {
  enum Kind { case kill, term }

  private struct Times {
    var overall: [UInt64] = []
    var worst: [UInt64] = []
    var before: [UInt64] = []
    var toExit: [UInt64] = []
    var caughtUp: [UInt64] = []
    var bySnapshot = 0
    var probed = 0
    var failed = 0
    var failures: [String] = []
  }

  private static let warmUp: UInt64 = 600
  /// Fewer successes of the probe before the fault show nothing.
  private static let fewestSuccesses = 200

  static func run(
    _ kind: Kind, _ arguments: CrashArguments, _ cluster: CrashCluster, _ report: inout CrashReport
  ) async throws {
    let rounds = arguments.rounds(of: report.scenario)
    try await cluster.startAll()
    let crew = try WriterCrew(arguments, endpoints: cluster.endpoints)
    let probe = try Probe(endpoints: cluster.endpoints)
    let reader = try Client(endpoints: cluster.endpoints)
    var random = SeededRandom(seed: arguments.seed)
    var times = Times()
    crew.start()
    for round in 1...rounds {
      // Faults come at no particular moment of a heartbeat.
      let extra = random.below(100)
      try await self.round(
        round, of: rounds, kind, arguments, cluster, probe, reader, warmUp + extra, &times, &report)
    }
    await crew.stop()
    for problem in try await crew.readBack(endpoints: cluster.endpoints) {
      report.violated(problem)
    }
    await crew.close()
    await reader.close()
    probe.close()
    conclude(kind, arguments, rounds, crew, times, &report)
  }

  private static func round(
    _ round: Int, of rounds: Int, _ kind: Kind, _ arguments: CrashArguments,
    _ cluster: CrashCluster, _ probe: Probe, _ reader: Client, _ warmUp: UInt64,
    _ times: inout Times, _ report: inout CrashReport
  ) async throws {
    try await cluster.waitUntilBalanced()
    let victim = CrashCluster.nodes[round % CrashCluster.nodes.count]
    let led = await cluster.leaders().dropFirst().enumerated().filter { $0.element == victim }
      .map(\.offset)
    guard !led.isEmpty else { throw CrashFailure("node \(victim) leads nothing to be probed") }
    let plan = Probe.Plan(round: round, partitions: led, of: cluster.placement.count)
    let process = try cluster.process(victim)
    let eventsAt = Scratch.size(cluster.events(of: victim))
    probe.start(plan)
    let probedFrom = SystemClock.instant()
    try await Task.sleep(for: .milliseconds(warmUp))
    let faultAt = SystemClock.instant()
    process.send(kind == .kill ? SIGKILL : SIGTERM)
    let status = await process.waitForEnd(within: .seconds(20))
    times.toExit.append((SystemClock.instant() - faultAt).nanoseconds)
    judge(status, kind, victim, &report)
    let downUntil = faultAt + .milliseconds(UInt64(arguments.downMilliseconds))
    let remaining = downUntil - SystemClock.instant()
    try await Task.sleep(for: .nanoseconds(Int64(remaining.nanoseconds)))
    let until = SystemClock.instant()
    let operations = await probe.stop()
    let outage = Outage(
      operations, targets: led.count, victim: victim,
      from: probedFrom + .milliseconds(100), faultAt: faultAt, until: until)
    record(outage, operations, &times)
    judge(outage, round, &report)

    let restartedAt = SystemClock.instant()
    try await cluster.start(victim)
    try await cluster.waitUntilCaughtUp(victim)
    let caughtUp = (SystemClock.instant() - restartedAt).nanoseconds
    times.caughtUp.append(caughtUp)
    let snapshots = cluster.snapshotsInstalled(by: victim, since: eventsAt)
    if snapshots > 0 { times.bySnapshot += 1 }
    let (violations, undecided) = await ProbeHistory.problems(operations, plan, reader: reader)
    for problem in violations { report.violated("round \(round): \(problem)") }
    for problem in undecided { report.proves(nothing: "round \(round): \(problem)") }
    SimulationCommand.say(
      "\(report.scenario.rawValue) \(round)/\(rounds): n\(victim), \(led.count) partitions, "
        + "without service \(Spread.text(outage.overall)) ms (slowest partition "
        + "\(Spread.text(outage.worstPartition)) ms; before the fault "
        + "\(Spread.text(outage.before)) ms), caught up by "
        + "\(snapshots > 0 ? "\(snapshots) snapshots" : "log") in \(Spread.text(caughtUp)) ms")
  }

  private static func record(
    _ outage: Outage, _ operations: [Probe.Operation], _ times: inout Times
  ) {
    times.overall.append(outage.overall)
    times.worst.append(outage.worstPartition)
    times.before.append(outage.before)
    times.probed += operations.count
    for operation in operations {
      switch operation.result {
      case .written, .found: break
      case .pending: times.failed += 1
      case .refused(let why), .unknown(let why):
        times.failed += 1
        if times.failures.count < 4 {
          times.failures.append("\(operation.isPut ? "put" : "get"): \(why)")
        }
      }
    }
  }

  // MARK: Verdicts

  private static func judge(
    _ status: ExitStatus?, _ kind: Kind, _ victim: UInt32, _ report: inout CrashReport
  ) {
    switch kind {
    case .kill:
      if status != .signal(SIGKILL) {
        report.proves(nothing: "node \(victim) was killed and ended otherwise")
      }
    case .term:
      if status != .code(0) {
        report.violated(
          "node \(victim) was sent SIGTERM and "
            + (status.map { "ended with \($0), not 0" } ?? "had not ended after 20 s"))
      }
    }
  }

  private static func judge(_ outage: Outage, _ round: Int, _ report: inout CrashReport) {
    if outage.successesBefore < fewestSuccesses {
      report.proves(
        nothing: "round \(round): the probe had \(outage.successesBefore) successes before the "
          + "fault, \(fewestSuccesses) are the least")
    }
    if outage.servedByVictim * 10 < outage.successesBefore * 9 {
      report.proves(
        nothing: "round \(round): the fault did not bite: the node had answered "
          + "\(outage.servedByVictim) of \(outage.successesBefore) probes")
    }
    if outage.servedByOthers == 0 {
      report.violated("round \(round): no other node ever took over")
    }
  }

  private static func conclude(
    _ kind: Kind, _ arguments: CrashArguments, _ rounds: Int, _ crew: WriterCrew, _ times: Times,
    _ report: inout CrashReport
  ) {
    let what = kind == .kill ? "kill -9" : "SIGTERM"
    report.say(
      "\(rounds) x \(what) of a node that leads; then \(arguments.downMilliseconds) ms down")
    report.times("without service, any partition", "without_service", times.overall)
    report.times("the slowest partition", "slowest_partition", times.worst)
    report.times("the same without a fault", "without_fault", times.before)
    if kind == .term { report.times("from signal to exit", "exit", times.toExit) }
    report.times("from restart to caught up", "caught_up", times.caughtUp)
    report.say(
      "caught up by log \(times.caughtUp.count - times.bySnapshot) times, by snapshot "
        + "\(times.bySnapshot)")
    report.fact("by_snapshot", .integer(times.bySnapshot))
    report.say("probe: \(times.probed) operations, \(times.failed) failed")
    report.fact("probe_operations", .integer(times.probed))
    report.fact("probe_failed", .integer(times.failed))
    report.add(crew)
    for text in times.failures { report.say("  failed probe: \(text)") }
    for violation in crew.violations { report.violated(violation) }
    let failures = times.failed + crew.refused + crew.unknown
    if kind == .term, failures > 0 {
      report.violated("\(failures) calls failed: a node that is stopped must not be noticed")
    }
    let limit = UInt64(arguments.limitMilliseconds) * 1_000_000
    let late = times.worst.count { $0 > limit }
    if late > 0 {
      report.violated(
        "\(late) of \(rounds) times a partition was without service for more than "
          + "\(arguments.limitMilliseconds) ms")
    }
    if crew.operations < rounds * 100 {
      report.proves(nothing: "the writers did \(crew.operations) operations: too few to judge")
    }
  }
}

extension CrashReport {
  /// What the writers did.
  mutating func add(_ crew: WriterCrew) {
    say(
      "writers: \(crew.acknowledged) writes acknowledged, \(crew.reads) reads, \(crew.refused) "
        + "refused, \(crew.unknown) unknown")
    for text in crew.failures.prefix(4) { say("  failed call: \(text)") }
    fact("acknowledged", .integer(crew.acknowledged))
    fact("reads", .integer(crew.reads))
    fact("refused", .integer(crew.refused))
    fact("unknown", .integer(crew.unknown))
    fact("failures", .texts(crew.failures))
  }
}
