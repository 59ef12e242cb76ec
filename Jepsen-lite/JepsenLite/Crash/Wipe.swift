internal import Glibc
internal import KVBase
internal import KVLoop

/// Takes a node's data directory away and starts it under its old id: it must refuse to run, with
/// advice, and the cluster must go on.
enum Wipe {
  static func run(
    _ arguments: CrashArguments, _ cluster: CrashCluster, _ report: inout CrashReport
  ) async throws {
    try await cluster.startAll()
    let crew = try WriterCrew(arguments, endpoints: cluster.endpoints)
    crew.start()
    try await Task.sleep(for: .seconds(1))
    let victim: UInt32 = 2
    let process = try cluster.process(victim)
    process.send(SIGTERM)
    guard await process.waitForEnd(within: .seconds(20)) != nil else {
      throw CrashFailure("node \(victim) did not stop")
    }
    Scratch.remove(cluster.dataDirectory(of: victim))
    guard !Scratch.exists(cluster.dataDirectory(of: victim)) else {
      throw CrashFailure("the data directory of node \(victim) can't be removed")
    }
    let logAt = Scratch.size(cluster.log(of: victim))
    let restartedAt = SystemClock.instant()
    try await cluster.start(victim)
    let wiped = try cluster.process(victim)
    let status = await wiped.waitForEnd(within: HarnessLimits.processEnd)
    let elapsed = (SystemClock.instant() - restartedAt).nanoseconds
    let said = Scratch.read(cluster.log(of: victim), from: logAt).split(separator: "\n")
    let advice = said.last { $0.contains("new id") }
    switch status {
    case nil: report.violated("the wiped node was still running after 10 s")
    case .code(0): report.violated("the wiped node exited with 0")
    case .some(let status): report.say("the wiped node ended with \(status)")
    }
    report.times("start to refusal", "refused_after", [elapsed])
    if let advice {
      report.say("it said: \(advice)")
      report.fact("advice", .text(String(advice)))
    } else {
      report.violated("the wiped node gave no advice; it said: \(said.last ?? "nothing")")
    }
    if status != nil { cluster.forget(victim) }
    await crew.stop()
    let before = crew.acknowledged
    crew.start()
    try await Task.sleep(for: .seconds(2))
    await crew.stop()
    if crew.acknowledged - before < 100 {
      report.violated("the cluster did not go on: \(crew.acknowledged - before) writes in 2 s")
    }
    for problem in try await crew.readBack(endpoints: cluster.endpoints) {
      report.violated(problem)
    }
    await crew.close()
    report.add(crew)
    if crew.refused + crew.unknown > 0 { report.violated("calls failed meanwhile: see above") }
    for violation in crew.violations { report.violated(violation) }
  }
}
