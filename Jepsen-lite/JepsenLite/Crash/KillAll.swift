internal import Glibc
internal import KVBase
internal import KVLoop

/// Kills all nodes at once under load and starts them again: nothing acknowledged may be gone.
enum KillAll {
  static func run(
    _ arguments: CrashArguments, _ cluster: CrashCluster, _ report: inout CrashReport
  ) async throws {
    let rounds = arguments.rounds(of: .killAll)
    try await cluster.startAll()
    let crew = try WriterCrew(arguments, endpoints: cluster.endpoints)
    var random = SeededRandom(seed: arguments.seed)
    var toServe: [UInt64] = []
    for round in 1...rounds {
      let before = crew.acknowledged
      crew.start()
      try await Task.sleep(for: .milliseconds(1500 + random.below(100)))
      let processes = try CrashCluster.nodes.map { try cluster.process($0) }
      for process in processes { process.send(SIGKILL) }
      for process in processes
      where await process.waitForEnd(within: HarnessLimits.processEnd) == nil {
        throw CrashFailure("a node did not end when it was killed")
      }
      if arguments.plantsRollback { try await cluster.setDisksBack() }
      let restartedAt = SystemClock.instant()
      for node in CrashCluster.nodes { try await cluster.start(node) }
      try await cluster.waitUntilLed()
      toServe.append((SystemClock.instant() - restartedAt).nanoseconds)
      try await Task.sleep(for: .milliseconds(500))
      await crew.stop()
      for problem in try await crew.readBack(endpoints: cluster.endpoints) {
        report.violated("round \(round): \(problem)")
      }
      let written = crew.acknowledged - before
      if written < 100 {
        report.proves(nothing: "round \(round): only \(written) writes were acknowledged")
      }
      SimulationCommand.say(
        "kill-all \(round)/\(rounds): served again \(Spread.text(toServe.last ?? 0)) ms after the "
          + "restart; \(written) writes acknowledged, \(crew.unknown) unknown so far")
    }
    await crew.close()
    report.say("\(rounds) x kill -9 of all three nodes at once, under load; every key read back")
    report.times("restart to all leaders known", "to_serve", toServe)
    report.add(crew)
    for violation in crew.violations { report.violated(violation) }
  }
}
