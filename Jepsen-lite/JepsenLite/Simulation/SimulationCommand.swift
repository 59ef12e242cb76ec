internal import Glibc
internal import JepsenHistory
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
    if arguments.contains("--help") || arguments.contains("-h") {
      show(SimulationArguments.help)
      return .passed
    }
    if arguments == ["--profiles"] {
      for line in SimulationArguments.profileLines { show(line) }
      return .passed
    }
    do throws(SimulationArguments.Problem) {
      let parsed = try SimulationArguments(arguments)
      return await run(parsed)
    } catch {
      say(error.text + "\njepsen-lite sim --help says what there is")
      return .usage
    }
  }

  /// For people: standard error.
  package static func say(_ text: String) { _ = Scratch.write(text + "\n", to: STDERR_FILENO) }

  /// What was asked for: standard output.
  package static func show(_ text: String) { _ = Scratch.write(text + "\n", to: STDOUT_FILENO) }

  private static func run(_ arguments: SimulationArguments) async -> ExitCode {
    if let plant = arguments.plant, let code = PlantedFaultNames.problem(with: plant) {
      return code
    }
    if !arguments.isReplay {
      TrapReport.install(command: arguments.replayCommand(seed: nil))
    }
    let start = ContinuousClock.now
    let runner = SimulationRunner(arguments: arguments)
    let (summary, first) = await runAll(runner)
    for line in summary.lines(realSeconds: (ContinuousClock.now - start).inSeconds) { show(line) }
    if let first, let plant = arguments.plant { show(judgement(of: plant, first)) }
    if let first, arguments.shrinks { await shrink(first, runner) }
    return conclude(summary, arguments)
  }

  static let caught = "caught by a check that is there for it: "

  /// Whether the first violation under a planted fault is of a check that is there to catch it.
  static func judgement(of plant: String, _ report: SimulationReport) -> String {
    let checks = Planting.all.first { $0.name == plant }?.checks ?? []
    guard let found = report.violations.first?.check else { return "not caught" }
    if checks.contains(found) { return caught + found.rawValue }
    let own = checks.map(\.rawValue).joined(separator: ", ")
    return "not caught by its own checks (\(own)), but by \(found.rawValue)"
  }

  private typealias Outcome = Result<SimulationReport, SimulationRunner.Failure>

  /// With the first run that was violated, by its seed.
  private static func runAll(
    _ runner: SimulationRunner
  ) async -> (SimulationSummary, SimulationReport?) {
    let arguments = runner.arguments
    var summary = SimulationSummary()
    var first: SimulationReport?
    var next = arguments.seeds.lowerBound
    var hasMore = true
    var shown = ContinuousClock.now
    await withTaskGroup(of: Outcome.self) { group in
      func addNext() {
        guard hasMore else { return }
        let seed = next
        if seed == arguments.seeds.upperBound { hasMore = false } else { next += 1 }
        group.addTask {
          do throws(SimulationRunner.Failure) {
            return .success(
              try await runner.run(seed, faults: arguments.faults, variant: arguments.variant))
          } catch {
            return .failure(error)
          }
        }
      }
      for _ in 0..<arguments.jobs { addNext() }
      for await result in group {
        switch result {
        case .failure(let failure): say("seed \(failure.seed) could not run: \(failure.text)")
        case .success(let report):
          summary.add(report)
          tell(report, arguments)
          if !report.violations.isEmpty {
            if report.seed < first?.seed ?? .max { first = report }
            if arguments.endsAtFirst { hasMore = false }
          }
        }
        addNext()
        if ContinuousClock.now - shown > .seconds(5) {
          shown = ContinuousClock.now
          say(
            "\(summary.runs) of \(arguments.seeds.count) runs, \(summary.violated.count) violated")
        }
      }
    }
    return (summary, first)
  }

  private static func shrink(_ report: SimulationReport, _ runner: SimulationRunner) async {
    do throws(SimulationRunner.Failure) {
      if let found = try await SimulationShrink(runner: runner, report: report).run() {
        for line in SimulationShrink.lines(found, of: report, runner.arguments) { show(line) }
      } else {
        say("seed \(report.seed) does not fail in the same way again: this is a fault of ours")
      }
    } catch {
      say("seed \(report.seed) can't be shrunk: \(error.text)")
    }
  }

  private static func conclude(
    _ summary: SimulationSummary, _ arguments: SimulationArguments
  ) -> ExitCode {
    if !summary.violated.isEmpty {
      show("VIOLATED by \(summary.violated.count) of \(summary.runs) seeds")
      return .violated
    }
    // A schedule chosen by hand need not have every fault bite.
    let problems = arguments.faults == nil ? summary.problems : []
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

  private static func tell(_ report: SimulationReport, _ arguments: SimulationArguments) {
    if arguments.showsPlan {
      let numbers = arguments.faults?.kept.map(\.number) ?? Array(1...report.plan.faults.count + 1)
      for (number, fault) in zip(numbers, report.plan.faults) { show("\(number)  \(fault)") }
      for fault in report.injected { show("done: \(fault)") }
    }
    for line in report.traceLines { show(line) }
    let found = lines(report.violations)
    if let first = found.first { show("seed \(report.seed) at \(first)") }
    for line in found.dropFirst() { show(line) }
    if !report.violations.isEmpty, !arguments.isReplay {
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

  /// When, what, and where there is one the witness; in full the first of them.
  static func lines(_ violations: [Violation]) -> [String] {
    guard let first = violations.first else { return [] }
    var lines = ["\(Trace.stamp(first.timeNanoseconds)): \(first.check.rawValue): \(first.what)"]
    if let witness = first.witness {
      lines.append("  operations on \(witness.key) that no order explains:")
      for operation in witness.operations { lines.append("    \(operation.jsonLine)") }
      for sentence in witness.explanation { lines.append("  \(sentence)") }
    }
    for violation in violations.dropFirst().prefix(3) {
      lines.append("  also \(violation.check.rawValue): \(violation.what)")
    }
    if violations.count > 4 { lines.append("  and \(violations.count - 4) more") }
    return lines
  }
}
