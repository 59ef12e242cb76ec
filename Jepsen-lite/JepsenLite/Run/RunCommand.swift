internal import Glibc
internal import JepsenHistory

/// `jepsen-lite run`: real processes, faults, and a verdict.
package enum RunCommand {
  package static func run(_ arguments: [String]) async -> SimulationCommand.ExitCode {
    if arguments.contains("--help") || arguments.contains("-h") {
      SimulationCommand.show(RunHelp.text(nemeses: NemesisCatalog.all))
      return .passed
    }
    do throws(RunArguments.Problem) {
      return await run(try RunArguments(arguments, readFile: read))
    } catch {
      SimulationCommand.say(wrapped(error.text) + "\njepsen-lite run --help says what there is")
      return .usage
    }
  }

  private static func read(_ path: String) -> String? {
    Scratch.exists(path) ? Scratch.read(path) : nil
  }

  private static func run(_ arguments: RunArguments) async -> SimulationCommand.ExitCode {
    let folder: RunFolder
    let system: any SystemUnderTest
    do throws(SystemProblem) {
      system = try makeSystem(arguments)
      if let problem = RunPlan.problem(arguments, system) { throw SystemProblem(problem) }
      folder = try RunFolder(
        arguments.out, command: arguments.command, replacing: arguments.replacesRun)
    } catch {
      SimulationCommand.say(wrapped(error.description))
      return .usage
    }
    let record: RunRecord
    do {
      record = try await RunPlan(arguments, system, folder).carryOut()
    } catch {
      SimulationCommand.say(wrapped("\(error)"))
      await system.close()
      return .invalid
    }
    await system.close()
    return conclude(record, arguments, folder)
  }

  private static func makeSystem(
    _ arguments: RunArguments
  ) throws(SystemProblem) -> any SystemUnderTest {
    switch arguments.system {
    case .etcd: return try EtcdSystem(nodes: arguments.nodes, bin: arguments.bin ?? "")
    case .kvnode:
      var settings = KVSystem.Settings()
      settings.bin = arguments.bin
      settings.reads = arguments.reads
      settings.logKeep = arguments.logKeep
      settings.plant = arguments.plant
      return try KVSystem(nodes: arguments.nodes, settings: settings)
    }
  }

  // MARK: The end

  private static func conclude(
    _ record: RunRecord, _ arguments: RunArguments, _ folder: RunFolder
  ) -> SimulationCommand.ExitCode {
    let written = RunReports.write(record, folder)
    // A program that reads the verdicts is given the whole of them.
    let cuts = isatty(STDOUT_FILENO) == 1
    for verdict in record.verdicts { SimulationCommand.show(line(verdict, cuts: cuts)) }
    SimulationCommand.show(record.status.rawValue.uppercased())
    SimulationCommand.say(
      written ? "report: \(folder.file("report.html"))" : "the report could not be written")
    if record.status == .passed, !arguments.keepsData {
      for node in 1...arguments.nodes {
        Scratch.remove(folder.file("node-\(node)"))
        Scratch.remove(folder.file("faults-\(node)"))
      }
    }
    switch record.status {
    case .passed: return written ? .passed : .invalid
    case .violated: return .violated
    case .unknown: return .unknown
    case .invalid: return .invalid
    }
  }

  /// A sentence in lines of 80 columns, where its words let it.
  static func wrapped(_ text: String, indent: Int = 0) -> String {
    var lines: [String] = [""]
    for word in text.split(separator: " ", omittingEmptySubsequences: false) {
      let line = lines[lines.count - 1]
      if line.isEmpty {
        lines[lines.count - 1] = String(word)
      } else if line.count + 1 + word.count <= 80 {
        lines[lines.count - 1] = line + " " + word
      } else {
        lines.append(String(repeating: " ", count: indent) + word)
      }
    }
    return lines.joined(separator: "\n")
  }

  /// One line where all is well, which is cut to 80 columns with `cuts`, since the report has the
  /// whole text; else all of it.
  static func line(_ verdict: Verdict, cuts: Bool = true) -> String {
    let status = verdict.status.rawValue
    let text =
      status + String(repeating: " ", count: max(1, 9 - status.count)) + verdict.name + ": "
      + verdict.text
    guard verdict.status == .passed else { return wrapped(text, indent: 9) }
    return !cuts || text.count <= 80 ? text : String(text.prefix(79)) + "…"
  }
}
