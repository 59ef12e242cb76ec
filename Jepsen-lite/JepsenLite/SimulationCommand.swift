internal import Glibc
internal import KVSimulator

/// `jepsen-lite sim`: runs seeds in simulation and says what came of them.
package enum SimulationCommand {
  package enum ExitCode: Int32, Sendable {
    case passed = 0
    case violated = 1
    case usage = 2
    case unknown = 3
    case invalid = 4
  }

  package static func run(_ arguments: [String]) async -> ExitCode {
    if arguments == ["--help"] || arguments == ["-h"] {
      show(SimulationArguments.usage)
      return .passed
    }
    do throws(SimulationArguments.Problem) {
      let parsed = try SimulationArguments(arguments)
      return await run(parsed)
    } catch {
      say(error.text + "\n" + SimulationArguments.usage)
      return .usage
    }
  }

  /// For people: standard error.
  package static func say(_ text: String) { send(text + "\n", to: 2) }

  /// What was asked for: standard output.
  package static func show(_ text: String) { send(text + "\n", to: 1) }

  private static func send(_ text: String, to descriptor: Int32) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let written = unsafe bytes.withUnsafeBytes {
        unsafe write(descriptor, $0.baseAddress, $0.count)
      }
      guard written > 0 else { return }
      bytes = bytes.dropFirst(written)
    }
  }

  private static func run(_ arguments: SimulationArguments) async -> ExitCode {
    if let plant = arguments.plant, let code = PlantedFaultNames.problem(with: plant) {
      return code
    }
    if !arguments.isReplay {
      TrapReport.install(command: arguments.replayCommand(seed: nil))
    }
    let start = ContinuousClock.now
    var summary = SimulationSummary()
    var next = arguments.seeds.lowerBound
    var shown = start
    await withTaskGroup(of: Result<SimulationReport, RunFailure>.self) { group in
      func addNext() {
        guard next <= arguments.seeds.upperBound else { return }
        let seed = next
        next += 1
        group.addTask { await one(seed, arguments) }
      }
      for _ in 0..<arguments.jobs { addNext() }
      for await result in group {
        addNext()
        switch result {
        case .failure(let failure): say("seed \(failure.seed) could not run: \(failure.text)")
        case .success(let report):
          summary.add(report)
          tell(report, arguments)
        }
        if ContinuousClock.now - shown > .seconds(5) {
          shown = ContinuousClock.now
          say(
            "\(summary.runs) of \(arguments.seeds.count) runs, \(summary.violated.count) violated")
        }
      }
    }
    let elapsed = (ContinuousClock.now - start).components
    let real = Double(elapsed.seconds) + Double(elapsed.attoseconds) / 1e18
    for line in summary.lines(realSeconds: real) { show(line) }
    return conclude(summary, arguments)
  }

  private static func conclude(
    _ summary: SimulationSummary, _ arguments: SimulationArguments
  ) -> ExitCode {
    if !summary.violated.isEmpty {
      show("VIOLATED by \(summary.violated.count) of \(summary.runs) seeds")
      return .violated
    }
    let problems = summary.problems
    if summary.runs < arguments.seeds.count || !problems.isEmpty {
      for problem in problems { show("INVALID: \(problem)") }
      return .invalid
    }
    if !summary.undecided.isEmpty {
      show("UNKNOWN: the checker gave up on seeds \(summary.undecided.sorted())")
      return .unknown
    }
    show("PASSED")
    return .passed
  }

  private struct RunFailure: Error {
    var seed: UInt64
    var text: String
  }

  @concurrent
  private static func one(
    _ seed: UInt64, _ arguments: SimulationArguments
  ) async -> Result<SimulationReport, RunFailure> {
    guard var profile = SimulationProfile.named(arguments.profile) else {
      return .failure(RunFailure(seed: seed, text: "there is no profile \(arguments.profile)"))
    }
    profile.nodes = arguments.nodes
    var options = SimulationOptions(seed: seed, profile: profile, seconds: arguments.seconds)
    options.keepsTrace = arguments.isTraced
    options.stopsAtViolation = !arguments.goesOn
    options.plant = arguments.plant
    if !arguments.isReplay { TrapReport.begins(seed: seed) }
    do {
      return .success(try Simulation(options).run())
    } catch {
      return .failure(RunFailure(seed: seed, text: "\(error)"))
    }
  }

  private static func tell(_ report: SimulationReport, _ arguments: SimulationArguments) {
    if arguments.showsPlan { for fault in report.plan.faults { show(fault.description) } }
    for line in report.traceLines { show(line) }
    for violation in report.violations {
      show(
        "seed \(report.seed) at \(Trace.stamp(violation.timeNanoseconds)): "
          + "\(violation.check.rawValue): \(violation.what)")
    }
    if !report.violations.isEmpty {
      show("  replay: \(arguments.replayCommand(seed: report.seed))")
    }
    if !report.undecided.isEmpty {
      show("seed \(report.seed): undecided keys \(report.undecided)")
    }
    if arguments.isReplay {
      show(
        "seed \(report.seed): \(report.counts.events) events, hash "
          + String(report.traceHash, radix: 16))
    }
  }
}
