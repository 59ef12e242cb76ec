internal import Glibc
internal import JepsenHistory

/// One run, from the first process to the verdicts.
struct RunPlan {
  let arguments: RunArguments
  let system: any SystemUnderTest
  let folder: RunFolder
  let workload: any Workload

  init(_ arguments: RunArguments, _ system: any SystemUnderTest, _ folder: RunFolder) {
    self.arguments = arguments
    self.system = system
    self.folder = folder
    guard let entry = WorkloadCatalog.named(arguments.workload) else {
      preconditionFailure("there is no workload \(arguments.workload)")
    }
    workload = entry.make(arguments.keys)
  }

  /// Why this can't be run, in a sentence.
  static func problem(_ arguments: RunArguments, _ system: any SystemUnderTest) -> String? {
    let abilities = StageAbilities(
      nodes: arguments.nodes, hasFramedLinks: system.hasFramedLinks,
      usesFaultLibrary: usesFaultLibrary(arguments.nemeses, system))
    return NemesisCatalog.problem(arguments.nemeses, abilities)
      ?? FaultSchedule.problem(arguments.nemeses, seconds: arguments.seconds)
  }

  private static func usesFaultLibrary(
    _ nemeses: [String], _ system: any SystemUnderTest
  ) -> Bool {
    system.loadsLibraries
      && nemeses.contains { $0 == "mix" || NemesisCatalog.named($0)?.needsFaultLibrary ?? false }
  }

  private var load: Load {
    Load(
      clients: arguments.clients, rate: arguments.rate,
      timeout: .milliseconds(arguments.timeoutMilliseconds), seed: arguments.seed)
  }

  /// Throws a sentence where the run could not be made.
  func carryOut() async throws -> RunRecord {
    let stage = try Stage.prepare(
      folder: folder.path, system: arguments.nodes, hasDirectedPorts: system.hasDirectedPorts,
      hasFramedLinks: system.hasFramedLinks, hasSeparatePeerPorts: arguments.system == .etcd,
      usesFaultLibrary: Self.usesFaultLibrary(arguments.nemeses, system))
    Interrupt.install()
    do {
      let record = try await carryOut(on: stage)
      await stage.end()
      return record
    } catch {
      await stage.end()
      throw error
    }
  }

  private func carryOut(on stage: Stage) async throws -> RunRecord {
    say("starting \(arguments.nodes) nodes")
    try await stage.start(system)
    var connections: [any SystemClient] = []
    for number in 0...arguments.clients {
      connections.append(try await system.connect(client: number, stage.layout))
    }
    let own = connections.removeLast()
    var record = RunRecord(
      system: system.name, workload: arguments.workload, nemeses: arguments.nemeses,
      seed: arguments.seed, seconds: arguments.seconds, rate: arguments.rate,
      clients: arguments.clients, nodes: arguments.nodes, command: arguments.command,
      startedAt: Self.nowText())
    record.settings = settings
    let clock = RunClock()
    let recorder = try Recorder(clock: clock, file: folder.file("history.jsonl"))
    let caller = load.caller(own, arguments.clients, recorder)
    await workload.prepare(caller)
    let stop = StopFlag()
    record.faults = await disturb(stage, connections, recorder, stop)
    record.loadEndNanoseconds = clock.now
    let loadCounts = recorder.counts
    say("healing")
    let healed = await stage.heal()
    let finalFrom = clock.now
    if healed.status == .passed {
      say("reading everything once more")
      await workload.finish(caller, recorder.history())
    }
    let copies =
      healed.status == .passed
      ? await ReplicaReads(stage: stage, system: system, firstClient: arguments.clients + 1)
        .verdict(recorder.history()) : nil
    recorder.flush()
    record.nodeStates = stage.nodeStates
    let inside = healed.status == .passed ? await system.inspect(stage.layout) : []
    for client in connections + [own] { await client.close() }
    record.history = recorder.history()
    say("judging \(record.history.count) operations")
    record.verdicts = Judge(record.history, finalFrom: finalFrom).verdicts(of: workload.checks)
    record.verdicts.append(healed)
    if let copies { record.verdicts.append(copies) }
    record.verdicts += inside.map(Self.verdict)
    if let ends = RunValidity.verdict(ofEnds: stage.unexpectedEnds()) {
      record.verdicts.append(ends)
    }
    record.verdicts.append(
      validity(recorder, loadCounts, record, finalFrom: finalFrom, stop).verdict)
    return record
  }

  /// The load, and the faults while it lasts.
  private func disturb(
    _ stage: Stage, _ connections: [any SystemClient], _ recorder: Recorder, _ stop: StopFlag
  ) async -> [FaultRecord] {
    let clock = recorder.clock
    let end = UInt64(arguments.seconds * 1e9)
    let faults = Task {
      await stage.runNemeses(
        arguments.nemeses, seconds: arguments.seconds, seed: arguments.seed, clock: clock,
        hotKey: workload.hotKey)
    }
    let watcher = Task {
      var lastSaid: UInt64 = 0
      var lastFlushed: UInt64 = 0
      while !Task.isCancelled {
        try? await Task.sleep(for: .milliseconds(100))
        if Interrupt.wasAsked, !stop.isSet {
          say("told to end: healing, then judging what there is (once more ends at once)")
          stop.set()
          faults.cancel()
        }
        let now = clock.now
        if now - lastFlushed >= 1_000_000_000 {
          lastFlushed = now
          // Little is missing from the file of a run that is cut off.
          recorder.flush()
        }
        guard now - lastSaid >= 5_000_000_000 else { continue }
        lastSaid = now
        let counts = recorder.counts
        say(
          "\(now / 1_000_000_000) s: \(counts.all) operations, \(counts.answered) answered, "
            + "\(counts.refused) refused, \(counts.unknown) unknown")
      }
    }
    await load.run(workload, connections, recorder, until: end, stop)
    let records = await faults.value
    watcher.cancel()
    return records
  }

  private var settings: [(name: String, value: String)] {
    var all = [(name: "operation time-out", value: "\(arguments.timeoutMilliseconds) ms")]
    if arguments.system == .kvnode {
      all.append((name: "linearizable reads", value: arguments.reads))
    }
    if let keys = arguments.keys { all.append((name: "keys", value: "\(keys)")) }
    if let keep = arguments.logKeep { all.append((name: "log kept", value: keep)) }
    if let plant = arguments.plant { all.append((name: "planted fault", value: plant)) }
    return all
  }

  private func validity(
    _ recorder: Recorder, _ counts: RecordedCounts, _ record: RunRecord, finalFrom: UInt64,
    _ stop: StopFlag
  ) -> RunValidity {
    var problems: [String] = []
    if let call = recorder.unsupported {
      problems.append("\(system.name) has no such call: \(call)")
    }
    if let problem = recorder.fileProblem { problems.append(problem) }
    let seconds = min(arguments.seconds, Double(record.loadEndNanoseconds) / 1e9)
    return RunValidity(
      counts: counts, seconds: seconds, leastRate: arguments.leastRate,
      nemeses: arguments.nemeses.filter { $0 != "none" }, faults: record.faults,
      finalReadsFailed: Self.unread(record.history, from: finalFrom),
      wasInterrupted: stop.isSet, wasFull: recorder.isFull, otherProblems: problems,
      history: record.history.filter { $0.startNanoseconds < record.loadEndNanoseconds },
      kinds: workload.kinds)
  }

  /// Keys that could not be read in the end.
  private static func unread(_ history: [HistoryOperation], from finalFrom: UInt64) -> Int {
    let last = history.filter {
      $0.startNanoseconds >= finalFrom && ($0.kind == .read || $0.kind == .scan)
    }
    let read = Set(last.filter { $0.outcome == .ok }.map(\.key))
    return Set(last.map(\.key)).subtracting(read).count
  }

  private static func verdict(_ inspection: Inspection) -> Verdict {
    Verdict(
      inspection.name,
      inspection.isGood ? .passed : inspection.couldCheck ? .violated : .unknown,
      method: "asking the nodes", text: inspection.text)
  }

  private func say(_ text: String) { SimulationCommand.say(text) }

  private static func nowText() -> String {
    var now = time(nil)
    var parts = unsafe tm()
    unsafe gmtime_r(&now, &parts)
    var text = [CChar](repeating: 0, count: 64)
    let count = unsafe strftime(&text, text.count, "%Y-%m-%d %H:%M:%S UTC", &parts)
    return String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
