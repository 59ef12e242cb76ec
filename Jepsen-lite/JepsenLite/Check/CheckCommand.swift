internal import JepsenHistory

/// `jepsen-lite check`: a verdict on a recorded history.
package enum CheckCommand {
  package static func run(_ arguments: [String]) -> SimulationCommand.ExitCode {
    if arguments == ["--help"] || arguments == ["-h"] {
      SimulationCommand.show(CheckArguments.usage)
      return .passed
    }
    let parsed: CheckArguments
    do throws(CheckArguments.Problem) {
      parsed = try CheckArguments(arguments)
    } catch {
      SimulationCommand.say("jepsen-lite check: \(error.text)\n" + CheckArguments.usage)
      return .usage
    }
    do throws(CheckInput.Failure) {
      return try check(parsed)
    } catch {
      SimulationCommand.say("jepsen-lite check: \(error.text)")
      return .usage
    }
  }

  private static func check(
    _ arguments: CheckArguments
  ) throws(CheckInput.Failure) -> SimulationCommand.ExitCode {
    let report = try judge(arguments)
    SimulationCommand.show(arguments.isJSON ? report.json : report.text)
    if let file = arguments.witnessFile, let witness = report.verdict.witness {
      try CheckInput.write(witness.operations.map { $0.jsonLine + "\n" }.joined(), to: file)
      SimulationCommand.say("the witness is in \(file): jepsen-lite check reads it too")
    }
    return exitCode(report.verdict.status)
  }

  static func judge(_ arguments: CheckArguments) throws(CheckInput.Failure) -> CheckReport {
    let clock = RunClock()
    let recorded = try CheckInput.read(arguments.file, arguments.readingOptions)
    let read = clock.now
    let initial = try initial(arguments, recorded.operations)
    let model = arguments.model ?? LinearizabilityChecker.Model.seen(in: recorded.operations)
    let begun = clock.now
    let decided = CheckDecision.decide(
      recorded.operations, model, initial: initial, arguments)
    let decision = clock.now - begun
    return CheckReport(
      file: arguments.file, recorded: recorded, readNanoseconds: read, model: model,
      isModelGiven: arguments.model != nil,
      verdict: CheckDecision.withDoubt(decided, recorded.operations),
      decisionNanoseconds: decision)
  }

  private static func initial(
    _ arguments: CheckArguments, _ history: [HistoryOperation]
  ) throws(CheckInput.Failure) -> HistoryValue? {
    guard let text = arguments.initial else { return nil }
    do throws(HistoryProblem) {
      return try HistoryValue.typed(text, like: history)
    } catch {
      throw CheckInput.Failure(
        text: "--initial is no value: \(error.text); give text, a number, or JSON")
    }
  }

  static func exitCode(_ status: Verdict.Status) -> SimulationCommand.ExitCode {
    switch status {
    case .passed: .passed
    case .violated: .violated
    case .unknown: .unknown
    case .invalid: .invalid
    }
  }
}
