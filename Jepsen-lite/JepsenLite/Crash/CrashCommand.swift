internal import Glibc

/// `jepsen-lite crash`: real processes, the real client library, and what came of it.
package enum CrashCommand {
  package static func run(_ arguments: [String]) async -> SimulationCommand.ExitCode {
    if arguments == ["--help"] || arguments == ["-h"] {
      out(CrashArguments.usage + "\n")
      return .passed
    }
    do throws(CrashArguments.Problem) {
      return await run(try CrashArguments(arguments))
    } catch {
      SimulationCommand.say(error.text + "\n" + CrashArguments.usage)
      return .usage
    }
  }

  private static func run(_ arguments: CrashArguments) async -> SimulationCommand.ExitCode {
    let isTemporary = arguments.directory == nil
    guard let directory = arguments.directory ?? Scratch.make(), Scratch.makeDirectory(directory)
    else {
      SimulationCommand.say("the folder for data and logs can't be made: give one with --dir")
      return .usage
    }
    ChildTable.install()
    let spawner: Spawner
    do {
      spawner = try Spawner()
    } catch {
      SimulationCommand.say("\(error)")
      return .invalid
    }
    var reports: [CrashReport] = []
    for scenario in arguments.scenarios {
      let report = await run(scenario, arguments, "\(directory)/\(scenario.rawValue)", spawner)
      if !arguments.isJSON { out(report.text) }
      reports.append(report)
    }
    let verdict = CrashVerdict.of(reports)
    if arguments.isJSON {
      out(
        "{\"verdict\":\"\(verdict.rawValue)\",\"scenarios\":["
          + reports.map(\.json).joined(separator: ",") + "]}\n")
    } else {
      out("\(verdict.rawValue.uppercased())\n")
    }
    if isTemporary, verdict == .passed {
      Scratch.remove(directory)
    } else {
      SimulationCommand.say("data and logs of the nodes: \(directory)")
    }
    return verdict.exitCode
  }

  private static func run(
    _ scenario: CrashScenario, _ arguments: CrashArguments, _ directory: String, _ spawner: Spawner
  ) async -> CrashReport {
    var report = CrashReport(scenario)
    do {
      if Scratch.exists(directory) {
        guard Scratch.exists("\(directory)/node-1.log") else {
          throw CrashFailure(
            "\(directory) is there and not of an earlier run: choose another --dir")
        }
        Scratch.remove(directory)
      }
      let cluster = try CrashCluster(arguments, directory: directory, spawner: spawner)
      do {
        switch scenario {
        case .leaderKill: try await LeaderFault.run(.kill, arguments, cluster, &report)
        case .term: try await LeaderFault.run(.term, arguments, cluster, &report)
        case .killAll: try await KillAll.run(arguments, cluster, &report)
        case .twoDown: try await TwoDown.run(arguments, cluster, &report)
        case .wipe: try await Wipe.run(arguments, cluster, &report)
        case .badInput: try await BadInput.run(arguments, cluster, &report)
        case .sessions: try await SessionAttack.run(arguments, cluster, &report)
        }
      } catch let failure as CrashFailure where failure.isViolation {
        report.violated(failure.description)
      } catch {
        report.proves(nothing: "\(error)")
      }
      for end in cluster.unexpectedEnds() where report.verdict == .passed { report.violated(end) }
      await cluster.endAll()
    } catch {
      report.proves(nothing: "\(error)")
    }
    return report
  }

  /// Data, on standard output, at once: a run may be watched.
  private static func out(_ text: String) {
    var remaining = Array(text.utf8)[...]
    while !remaining.isEmpty {
      let written = unsafe remaining.withUnsafeBytes {
        unsafe write(STDOUT_FILENO, $0.baseAddress, $0.count)
      }
      guard written > 0 else { return }
      remaining = remaining.dropFirst(written)
    }
  }
}
