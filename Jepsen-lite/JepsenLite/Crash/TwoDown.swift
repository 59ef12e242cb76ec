internal import Glibc
internal import KVBase
internal import KVClient
internal import KVLoop

/// Kills two of three nodes: the last one must soon say that it has no quorum, and why, and still
/// answer stale reads; with the others back, all is well.
enum TwoDown {
  /// Two election time-outs at their longest.
  private static let bound: UInt64 = 1_200_000_000

  private struct Answer: Sendable {
    var isPut: Bool
    var began: UInt64
    var ended: UInt64
    var error: KVError?
  }

  static func run(
    _ arguments: CrashArguments, _ cluster: CrashCluster, _ report: inout CrashReport
  ) async throws {
    try await cluster.startAll()
    let crew = try WriterCrew(arguments, endpoints: cluster.endpoints)
    crew.start()
    try await Task.sleep(for: .seconds(1))
    var puts: [UInt64] = []
    var gets: [UInt64] = []
    var recovered: [UInt64] = []
    var stale = 0
    for round in 1...arguments.rounds(of: .twoDown) {
      let survivor = CrashCluster.nodes[round % CrashCluster.nodes.count]
      let down = CrashCluster.nodes.filter { $0 != survivor }
      let client = try Client(endpoints: cluster.endpoints)
      // Connected, and with values to read.
      for key in 0..<32 { try await client.put("two-down-\(key)", "round \(round)") }
      // Until every node has heard that these are committed.
      try await Task.sleep(for: .milliseconds(300))
      let processes = try down.map { try cluster.process($0) }
      for process in processes { process.send(SIGKILL) }
      let killedAt = SystemClock.instant()
      for process in processes { _ = await process.waitForEnd(within: HarnessLimits.processEnd) }
      let answers = await ask(client, since: killedAt)
      judge(answers, round, &puts, &gets, &report)
      stale += await readStale(client, &report)
      await client.close()

      let restartedAt = SystemClock.instant()
      for node in down { try await cluster.start(node) }
      try await cluster.waitUntilLed()
      recovered.append((SystemClock.instant() - restartedAt).nanoseconds)
      try await cluster.waitUntilBalanced()
    }
    await crew.stop()
    for problem in try await crew.readBack(endpoints: cluster.endpoints) {
      report.violated(problem)
    }
    await crew.close()
    report.times("kill to UNAVAILABLE, put", "put_unavailable", puts)
    report.times("kill to UNAVAILABLE, get", "get_unavailable", gets)
    report.times("restart to all leaders known", "recovered", recovered)
    report.say("stale reads answered by the last node: \(stale)")
    report.fact("stale_reads", .integer(stale))
    report.add(crew)
    for violation in crew.violations { report.violated(violation) }
  }

  /// A put and a linearizable get on other keys every 50 ms for two seconds.
  private static func ask(_ client: Client, since killedAt: Instant) async -> [Answer] {
    await withTaskGroup(of: Answer.self) { group in
      for turn in 0..<40 {
        for isPut in [true, false] {
          group.addTask { await one(client, turn, isPut, since: killedAt) }
        }
        try? await Task.sleep(for: .milliseconds(50))
      }
      var answers: [Answer] = []
      for await answer in group { answers.append(answer) }
      return answers.sorted { $0.ended < $1.ended }
    }
  }

  @concurrent
  private static func one(
    _ client: Client, _ turn: Int, _ isPut: Bool, since killedAt: Instant
  ) async -> Answer {
    let key = "two-down-\(turn % 32)"
    let began = (SystemClock.instant() - killedAt).nanoseconds
    var answer = Answer(isPut: isPut, began: began, ended: began)
    do {
      if isPut {
        try await client.put(key, "without quorum")
      } else {
        _ = try await client.get(key)
      }
    } catch {
      answer.error = error
    }
    answer.ended = (SystemClock.instant() - killedAt).nanoseconds
    return answer
  }

  private static func judge(
    _ answers: [Answer], _ round: Int, _ puts: inout [UInt64], _ gets: inout [UInt64],
    _ report: inout CrashReport
  ) {
    for isPut in [true, false] {
      let name = isPut ? "put" : "get"
      let mine = answers.filter { $0.isPut == isPut }
      // What was answered in the very moment of the kill was answered by a majority.
      let served = mine.filter { $0.error == nil && $0.began > 50_000_000 }
      if !served.isEmpty {
        report.violated("round \(round): \(served.count) \(name)s succeeded without a majority")
      }
      let refused = mine.filter { $0.error?.kind == .unavailable && $0.error?.isNoQuorum == true }
      guard let first = refused.first, let error = first.error else {
        let said = mine.first { $0.error != nil }?.error?.message ?? "nothing"
        report.violated("round \(round): no \(name) was answered with UNAVAILABLE; said: \(said)")
        continue
      }
      if isPut { puts.append(first.ended) } else { gets.append(first.ended) }
      if first.ended > bound {
        report.violated(
          "round \(round): the first UNAVAILABLE to a \(name) came \(Spread.text(first.ended)) ms "
            + "after the kill, and two election time-outs are 1200 ms")
      }
      let late = refused.filter { $0.ended - $0.began > bound }
      if !late.isEmpty {
        report.violated("round \(round): \(late.count) \(name)s took longer than 1200 ms to refuse")
      }
      if let unsure = refused.first(where: {
        $0.error?.outcome == .unknown && (!isPut || $0.began > bound)
      }) {
        report.violated(
          "round \(round): a \(name) begun \(Spread.text(unsure.began)) ms after the kill is of "
            + "unknown outcome")
      }
      if round == 1, let last = refused.last?.error {
        report.say("\(name) is told: \(last.message)")
        report.fact("\(name)_sentence", .text(last.message))
      }
      if !error.message.contains("quorum") || !error.message.contains("retry") {
        report.violated("round \(round): the sentence does not help: \(error.message)")
      }
    }
  }

  private static func readStale(_ client: Client, _ report: inout CrashReport) async -> Int {
    var answered = 0
    for key in 0..<32 {
      do {
        let found = try await client.find("two-down-\(key)", consistency: .stale())
        if found.value != nil, found.receipt.served == "stale" { answered += 1 }
      } catch {
        report.violated("a stale read of two-down-\(key) failed: \(error.message)")
      }
    }
    if answered < 32 { report.violated("\(32 - answered) of 32 stale reads found nothing") }
    return answered
  }
}
