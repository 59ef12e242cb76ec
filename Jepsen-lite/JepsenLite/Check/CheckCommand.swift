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
      do throws(CheckInput.Failure) {
        try CheckInput.write(witness.operations.map { $0.jsonLine + "\n" }.joined(), to: file)
        SimulationCommand.say("the witness is in \(file): jepsen-lite check reads it too")
      } catch {
        // The verdict is known, and is what the caller asked for.
        SimulationCommand.say("jepsen-lite check: \(error.text)")
      }
    }
    return exitCode(report.verdict.status)
  }

  static func judge(_ arguments: CheckArguments) throws(CheckInput.Failure) -> CheckReport {
    let clock = RunClock()
    let recorded = try CheckInput.read(arguments.file, arguments.readingOptions)
    let read = clock.now
    let model = arguments.model ?? LinearizabilityChecker.Model.seen(in: recorded.operations)
    let initial = try initial(arguments, recorded.operations, model)
    let begun = clock.now
    let decided = CheckDecision.decide(
      recorded.operations, model, initial: initial, arguments)
    let decision = clock.now - begun
    return CheckReport(
      file: arguments.file, recorded: recorded, readNanoseconds: read, model: model,
      isModelGiven: arguments.model != nil,
      verdict: CheckDecision.withDoubt(decided, recorded.operations, model),
      decisionNanoseconds: decision)
  }

  private static func initial(
    _ arguments: CheckArguments, _ history: [HistoryOperation],
    _ model: LinearizabilityChecker.Model
  ) throws(CheckInput.Failure) -> HistoryValue? {
    guard let text = arguments.initial else { return nil }
    let value: HistoryValue?
    do throws(HistoryProblem) {
      value = try HistoryValue.typed(text, like: history)
    } catch {
      throw CheckInput.Failure(
        text: "--initial is no value: \(error.text); give text, a number, or JSON")
    }
    guard let value else { return nil }
    switch (model, value) {
    case (.register, _), (.bank, .map): return value
    case (.counter, _) where value.integer != nil: return value
    case (.counter, _):
      throw CheckInput.Failure(text: "--initial of a counter is a whole number, not \(text)")
    case (.bank, _):
      throw CheckInput.Failure(
        text: "--initial of a bank is its balances, as {\"a\":10,\"b\":10}, not \(text)")
    case (.list, _), (.set, _), (.scan, _), (.ids, _), (.locks, _):
      throw CheckInput.Failure(
        text: "--initial is for registers, counters and banks: a history of the model"
          + " \(model.rawValue) begins with nothing, so record what was there as operations")
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
