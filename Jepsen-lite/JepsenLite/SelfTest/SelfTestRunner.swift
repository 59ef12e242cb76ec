internal import Glibc

/// Carries one way out, with or without a fault, as a child process of the planted build.
struct SelfTestRunner: Sendable {
  let arguments: SelfTestArguments
  /// The folder of the planted build.
  let bin: String
  /// Where children leave what they say.
  let folder: String
  let spawner: Spawner

  /// What came of a way.
  struct Finding: Hashable, Sendable {
    enum Outcome: Hashable, Sendable {
      /// A check was violated.
      case violated
      case passed
      /// Neither: the run proved nothing, or could not be made.
      case nothing(String)
    }

    var outcome: Outcome
    /// The check that found it, and where.
    var text: String
    var seconds: Double
    var tries: Int
  }

  /// Tries until a check is violated, or enough was tried.
  func tryToCatch(_ fault: SelfTestFault, _ way: SelfTestWay) async -> Finding {
    let start = ContinuousClock.now
    let deadline = start + .seconds(arguments.limit)
    let tries = way.isSimulation ? 1 : arguments.tries
    var last = Finding(outcome: .nothing("not tried"), text: "", seconds: 0, tries: 0)
    for attempt in 1...tries where attempt == 1 || ContinuousClock.now < deadline {
      last = await carryOut(way, plant: fault.name, attempt: attempt, deadline: deadline)
      last.tries = attempt
      last.seconds = (ContinuousClock.now - start).inSeconds
      if last.outcome == .violated { break }
    }
    return last
  }

  /// The same without a fault: must pass. A run that proves nothing is made again.
  func control(_ way: SelfTestWay) async -> Finding {
    let start = ContinuousClock.now
    var last = Finding(outcome: .nothing("not tried"), text: "", seconds: 0, tries: 0)
    for attempt in 1...3 {
      let deadline = ContinuousClock.now + .seconds(arguments.limit)
      last = await carryOut(way, plant: nil, attempt: attempt, deadline: deadline)
      last.tries = attempt
      last.seconds = (ContinuousClock.now - start).inSeconds
      if last.outcome == .violated || last.outcome == .passed || way.isSimulation { break }
    }
    return last
  }

  private func carryOut(
    _ way: SelfTestWay, plant: String?, attempt: Int, deadline: ContinuousClock.Instant
  ) async -> Finding {
    let label = "\(plant ?? "control")-\(way.text.replacing(" ", with: "-"))-\(attempt)"
    let output = "\(folder)/\(label).txt"
    Scratch.remove(output)
    let command = command(way, plant: plant, attempt: attempt, label: label)
    let child: ChildProcess
    do {
      child = try await spawner.start(command, output: output)
    } catch {
      return Finding(outcome: .nothing("\(error)"), text: "", seconds: 0, tries: 1)
    }
    // A run that has begun may end as it would, since it takes a known time.
    let timeout = way.isSimulation ? deadline - .now : .seconds(3 * arguments.seconds + 120)
    var ended = await child.waitForEnd(within: timeout)
    if ended == nil {
      child.send(SIGTERM)
      ended = await child.waitForEnd(within: .seconds(30))
      await child.end()
    }
    let said = SelfTestOutput(text: Scratch.read(output), way: way, isPlanted: plant != nil)
    return said.finding(ended)
  }

  private func command(
    _ way: SelfTestWay, plant: String?, attempt: Int, label: String
  ) -> [String] {
    var words = [bin + "/jepsen-lite"]
    switch way {
    case .simulation(let profile):
      let seeds = plant == nil ? min(arguments.seeds, 100) : arguments.seeds
      words += ["sim", "--profile", profile, "--seeds", "1..\(seeds)", "--seconds", "20"]
      words += plant == nil ? [] : ["--first", "--no-shrink"]
    case .run(let workload, let nemesis, let extra):
      words += [
        "run", "--workload", workload, "--nemesis", nemesis, "--seconds", "\(arguments.seconds)",
        "--seed", "\(attempt)", "--rate", "600", "--clients", "12", "--min-rate", "20", "--bin",
        bin, "--out", "\(folder)/\(label)", "--force",
      ]
      words += extra
    }
    if let plant { words += ["--plant", plant] }
    return words
  }
}

/// What a child said.
struct SelfTestOutput {
  var text: String
  var way: SelfTestWay
  /// Else any violation is one.
  var isPlanted = true

  func finding(_ ended: ExitStatus?) -> SelfTestRunner.Finding {
    let lines = text.split(separator: "\n").map(String.init)
    var finding = SelfTestRunner.Finding(outcome: .passed, text: "", seconds: 0, tries: 1)
    switch ended {
    case .code(0): break
    case .code(1):
      finding.text = violated(lines)
      finding.outcome = caught(lines) ? .violated : .nothing("not by its checks: \(finding.text)")
    case .code(let code):
      let last = lines.last { !$0.hasPrefix("report:") } ?? "nothing said"
      let invalid = lines.first { $0.hasPrefix("invalid") || $0.hasPrefix("INVALID:") }
      finding.outcome = .nothing("exit code \(code): \(invalid ?? last)")
    case .signal(let number): finding.outcome = .nothing("ended by signal \(number)")
    case nil: finding.outcome = .nothing("did not end in time")
    }
    return finding
  }

  /// Whether a check that is there for the fault has found it.
  private func caught(_ lines: [String]) -> Bool {
    guard isPlanted else { return true }
    switch way {
    case .simulation: return lines.contains { $0.hasPrefix(SimulationCommand.caught) }
    case .run:
      return lines.contains { line in
        way.verdicts.contains { line.hasPrefix("violated \($0)") }
      }
    }
  }

  /// `seed 9 at 14.923273: election safety: …` or `violated linearizability …: …`.
  private func violated(_ lines: [String]) -> String {
    switch way {
    case .simulation:
      guard let line = lines.first(where: { $0.hasPrefix("seed ") }) else {
        return lines.contains { $0.contains("a core found itself broken") }
          ? "a core found itself broken" : "violated"
      }
      let parts = line.split(separator: ":", maxSplits: 2)
      let seed = parts[0].split(separator: " ").dropFirst().first ?? ""
      return "seed \(seed): " + (parts.count > 1 ? parts[1].drop { $0 == " " } : "violated")
    case .run:
      guard let line = lines.first(where: { $0.hasPrefix("violated") }) else { return "violated" }
      let name = line.dropFirst("violated".count).drop { $0 == " " }
      return String(name.prefix { $0 != ":" })
    }
  }
}
