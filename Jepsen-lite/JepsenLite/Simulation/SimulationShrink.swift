internal import KVSimulator

/// Shrinks the schedule of a run that broke a promise, and shows what is left.
struct SimulationShrink {
  let runner: SimulationRunner
  let report: SimulationReport
  /// Bounds of the search. Bounded by runs alone it always ends in the same way.
  var maximumRuns = 3_000
  var maximumTime = Duration.seconds(60)

  struct Found: Sendable {
    var schedule: FaultShrinker.Schedule
    var plan: KVSimulator.FaultPlan
    var report: SimulationReport
    var runs: Int
    var isComplete: Bool
    var seconds: Double
  }

  /// The fewest faults that break the same promise; `nil` where the run can't be repeated.
  func run() async throws(SimulationRunner.Failure) -> Found? {
    guard let first = report.violations.first else { return nil }
    let check = first.check
    let seed = report.seed
    let whole = try runner.plan(of: seed)
    // What would only have begun later has no part in it.
    let begun = whole.faults.indices.filter {
      whole.faults[$0].startNanoseconds <= first.timeNanoseconds
    }
    let start = ContinuousClock.now
    let runner = runner
    var shrinker = FaultShrinker(
      FaultSelection(kept: begun.map { FaultSelection.Kept(number: $0 + 1) }),
      fails: { await runner.firstVariant($1, of: seed, faults: $0, violating: check) },
      mayGoOn: { [maximumRuns, maximumTime] runs in
        runs < maximumRuns && ContinuousClock.now - start < maximumTime
      })
    await shrinker.shrink { whole.faults[$0 - 1].lengthNanoseconds / 1_000_000 }
    // What is printed is carried out once more from its text, as a reader would.
    let best = shrinker.best
    guard let selection = FaultSelection(parsing: best.faults.text),
      let plan = selection.applied(to: whole)
    else { return nil }
    let again = try await runner.run(seed, faults: selection, variant: best.variant)
    guard again.violations.first?.check == check else { return nil }
    return Found(
      schedule: best, plan: plan, report: again, runs: shrinker.runs,
      isComplete: shrinker.isComplete, seconds: (ContinuousClock.now - start).inSeconds)
  }

  /// What a reader is told.
  static func lines(
    _ found: Found, of report: SimulationReport, _ arguments: SimulationArguments
  ) -> [String] {
    let kept = found.schedule.faults.kept
    var lines = [
      "seed \(report.seed) fails with \(kept.count) of its \(report.plan.faults.count) faults"
        + (found.isComplete ? "" : " (the search was ended early: fewer may do)")
        + ", found in \(found.runs) runs and \(Tenths.text(found.seconds)) s:"
    ]
    for (one, fault) in zip(kept, found.plan.faults) { lines.append("  \(one.number)  \(fault)") }
    lines += SimulationCommand.lines(found.report.violations)
    let command = arguments.replayCommand(
      seed: report.seed, faults: found.schedule.faults, variant: found.schedule.variant)
    lines.append("  replay: \(command)")
    return lines
  }
}

extension SimulationRunner {
  /// The first of these variants that breaks the same promise. As many run at one time as the
  /// arguments allow.
  func firstVariant(
    _ variants: [UInt64], of seed: UInt64, faults: FaultSelection,
    violating check: KVSimulator.Check
  ) async -> UInt64? {
    var remaining = variants[...]
    while !remaining.isEmpty {
      let wave = remaining.prefix(max(1, arguments.jobs))
      remaining = remaining.dropFirst(wave.count)
      let found = await withTaskGroup(of: UInt64?.self) { group in
        for variant in wave {
          group.addTask {
            let report = try? await run(seed, faults: faults, variant: variant)
            return report?.violations.first?.check == check ? variant : nil
          }
        }
        var found: [UInt64] = []
        for await case .some(let variant) in group { found.append(variant) }
        return wave.first { found.contains($0) }
      }
      if let found { return found }
    }
    return nil
  }
}

extension Duration {
  var inSeconds: Double {
    Double(components.seconds) + Double(components.attoseconds) / 1e18
  }
}
