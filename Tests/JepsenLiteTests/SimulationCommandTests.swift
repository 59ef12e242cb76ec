import Foundation
import KVSimulator
import Testing

@testable import JepsenLite

@Suite struct SimulationCommandTests {
  private func problem(_ arguments: String) -> String? {
    do throws(SimulationArguments.Problem) {
      _ = try SimulationArguments(arguments.split(separator: " ").map(String.init))
      return nil
    } catch {
      return error.text
    }
  }

  @Test func argumentsAreRead() throws {
    let parsed = try SimulationArguments([
      "--seeds", "3..17", "--seconds", "5", "--profile", "lease", "--jobs", "1", "--nodes", "5",
    ])
    #expect(parsed.seeds == 3...17 && parsed.seconds == 5 && parsed.profile == "lease")
    #expect(parsed.jobs == 1 && parsed.nodes == 5 && !parsed.isReplay)
    let replay = try SimulationArguments(["--replay", "9", "--trace"])
    #expect(replay.seeds == 9...9 && replay.isReplay && replay.isTraced && replay.jobs == 1)
    #expect(
      parsed.replayCommand(seed: 4)
        == "jepsen-lite sim --seconds 5 --profile lease --nodes 5 --replay 4")
    let few = try SimulationArguments(["--replay", "9", "--faults", "2,5:40", "--variant", "3"])
    #expect(few.faults?.text == "2,5:40" && few.variant == 3 && !few.shrinks)
    #expect(
      few.replayCommand(seed: 9, faults: few.faults, variant: 3)
        == "jepsen-lite sim --seconds 60 --profile cp --faults 2,5:40 --variant 3 --replay 9")
  }

  @Test(arguments: [
    "--seeds", "--seeds 5..1", "--seeds 1...3x", "--seeds a..b", "--seconds 0", "--profile no",
    "--nodes 4", "--trace", "--what", "--jobs 0", "--faults 3", "--replay 1 --faults 3,2",
    "--variant 2", "--replay 1 --variant x",
  ])
  func invalidArgumentsAreRefused(arguments: String) {
    #expect(problem(arguments) != nil)
  }

  @Test func exitCodes() async {
    #expect(await SimulationCommand.run(["--nonsense"]) == .usage)
    #expect(await SimulationCommand.run(["--help"]) == .passed)
    #expect(await SimulationCommand.run(["--profiles"]) == .passed)
    #expect(
      SimulationArguments.profileLines.allSatisfy { !$0.hasSuffix(" ") && $0.utf8.count < 100 })
    #expect(
      await SimulationCommand.run(["--seeds", "1..1", "--seconds", "3", "--profile", "calm"])
        == .passed)
    if Planting.all.isEmpty {
      #expect(await SimulationCommand.run(["--plant", "list"]) == .usage)
    } else {
      #expect(await SimulationCommand.run(["--plant", "list"]) == .passed)
      #expect(await SimulationCommand.run(["--plant", "nonsense"]) == .usage)
      #expect(
        await SimulationCommand.run([
          "--plant", Planting.all[1].name, "--profile", Planting.all[1].profile, "--seeds", "1..4",
          "--seconds", "5", "--first", "--no-shrink",
        ]) == .violated)
    }
  }

  private func report(
    definite: UInt64, unknown: UInt64, injected: UInt64 = 0, bit: UInt64 = 0
  ) throws -> SimulationReport {
    var report = try Simulation(SimulationOptions(seed: 1, profile: .cp, seconds: 1)).run()
    report.counts.definite = definite
    report.counts.unknown = unknown
    report.counts.refusals = 0
    report.faults[FaultKind.crash.index].injected = injected
    report.faults[FaultKind.crash.index].bit = bit
    return report
  }

  @Test func runsThatProveNothingAreInvalid() throws {
    var good = SimulationSummary()
    good.add(try report(definite: 500, unknown: 20, injected: 9, bit: 1))
    #expect(good.problems == [])
    var mute = SimulationSummary()
    mute.add(try report(definite: 20, unknown: 500))
    #expect(mute.problems.count == 1)
    var toothless = SimulationSummary()
    toothless.add(try report(definite: 500, unknown: 20, injected: 9, bit: 0))
    #expect(toothless.problems == ["crash was injected 9 times and never bit"])
    var missing = SimulationSummary()
    missing.add(try report(definite: 500, unknown: 20, injected: 30, bit: 9))
    #expect(missing.problems == ["crash was injected 30 times and bit 9 times only"])
    // Reads alone made up what was definite: every add was refused.
    var useless = try report(definite: 500, unknown: 20, injected: 9, bit: 1)
    useless.counts.kinds[OperationKind.add.index].tried = 100
    useless.counts.kinds[OperationKind.add.index].succeeded = 0
    var refused = SimulationSummary()
    refused.add(useless)
    #expect(refused.problems == ["0 of 100 add operations succeeded"])
    var hoarding = SimulationSummary()
    hoarding.add(try report(definite: 10_000, unknown: 20, injected: 9, bit: 1))
    #expect(hoarding.problems == ["10000 operations, and no log was ever compacted"])
    // Nobody lags where there are no faults.
    for (injected, problems) in [
      (9, ["10000 operations, and no snapshot was ever installed"]), (0, []),
    ] as [(UInt64, [String])] {
      var compacted = try report(definite: 10_000, unknown: 20)
      compacted.faults = FaultKind.allCases.map { _ in FaultCount() }
      compacted.faults[FaultKind.crash.index].injected = injected
      compacted.faults[FaultKind.crash.index].bit = injected
      compacted.counts.compactions = 100
      compacted.counts.snapshotsInstalled = 0
      var upToDate = SimulationSummary()
      upToDate.add(compacted)
      #expect(upToDate.problems == problems)
    }
  }

  /// Hashes have another seed in every process: a run that depended on their order would differ.
  @Test func twoProcessesRunASeedAlike() throws {
    let folder = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
    let tool = folder.appending(path: "jepsen-lite")
    guard FileManager.default.isExecutableFile(atPath: tool.path) else { return }
    var outputs: [String] = []
    for _ in 0..<2 {
      let process = Process()
      process.executableURL = tool
      process.arguments = ["sim", "--replay", "21", "--seconds", "5", "--trace"]
      let pipe = Pipe()
      process.standardOutput = pipe
      try process.run()
      let data = pipe.fileHandleForReading.readDataToEndOfFile()
      process.waitUntilExit()
      // The last lines tell of real time.
      let lines = String(decoding: data, as: UTF8.self).split(separator: "\n")
      outputs.append(lines.prefix { !$0.hasPrefix("1 runs") }.joined(separator: "\n"))
    }
    #expect(outputs[0].count > 10_000)
    #expect(outputs[0] == outputs[1])
  }
}
