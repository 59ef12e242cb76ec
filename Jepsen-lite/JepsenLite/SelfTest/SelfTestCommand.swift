internal import Glibc
internal import KVSimulator

/// `jepsen-lite self-test`: whether planted faults are caught.
package enum SelfTestCommand {
  package static func run(_ arguments: [String]) async -> SimulationCommand.ExitCode {
    if arguments.contains("--help") || arguments.contains("-h") {
      SimulationCommand.show(SelfTestArguments.help)
      return .passed
    }
    if arguments == ["--list"] {
      for fault in SelfTestCatalogue.all {
        SimulationCommand.show("\(fault.name): \(fault.text)")
        for way in fault.ways { SimulationCommand.show("    \(way.text)") }
      }
      return .passed
    }
    do throws(SelfTestArguments.Problem) {
      return await run(try SelfTestArguments(arguments))
    } catch {
      SimulationCommand.say(error.text + "\njepsen-lite self-test --help says what there is")
      return .usage
    }
  }

  private static func run(_ arguments: SelfTestArguments) async -> SimulationCommand.ExitCode {
    ChildTable.install()
    guard let spawner = try? Spawner() else { return cannot("no processes can be started") }
    var scratch: String?
    let folder: String
    if let out = arguments.out {
      guard Scratch.makeDirectory(out) else { return cannot("the folder \(out) can't be made") }
      folder = out
    } else {
      guard let made = Scratch.make() else { return cannot("no temporary folder can be made") }
      scratch = made
      folder = made
    }
    defer { if let scratch { Scratch.remove(scratch) } }
    var bin = arguments.bin ?? Scratch.ownFolder
    if arguments.builds {
      guard let built = await build(spawner, folder) else { return .invalid }
      bin = built
    } else if arguments.bin == nil, Planting.all.isEmpty {
      SimulationCommand.say(
        "this build has no planted faults: give the folder of one that has with --bin, or have it "
          + "made with --build")
      return .usage
    }
    guard unsafe access(bin + "/jepsen-lite", X_OK) == 0 else {
      SimulationCommand.say("there is no program \(bin)/jepsen-lite")
      return .usage
    }
    let runner = SelfTestRunner(
      arguments: arguments, bin: bin, folder: folder, spawner: spawner)
    let table = await carryOut(runner)
    return conclude(table, arguments)
  }

  private static func cannot(_ text: String) -> SimulationCommand.ExitCode {
    SimulationCommand.say(text)
    return .invalid
  }

  private static func carryOut(_ runner: SelfTestRunner) async -> SelfTestTable {
    let arguments = runner.arguments
    var table = SelfTestTable()
    func tell(_ line: String) {
      if arguments.isMarkdown { SimulationCommand.say(line) } else { SimulationCommand.show(line) }
    }
    tell(SelfTestTable.header)
    var ways: [SelfTestWay] = []
    for fault in arguments.faults {
      for way in arguments.ways(of: fault) {
        if !ways.contains(way) { ways.append(way) }
        let finding = await runner.tryToCatch(fault, way)
        let row = SelfTestTable.Row(fault: fault, way: way, finding: finding)
        table.rows.append(row)
        tell(SelfTestTable.line(row))
      }
    }
    guard arguments.hasControls else { return table }
    for way in ways {
      let row = SelfTestTable.Row(fault: nil, way: way, finding: await runner.control(way))
      table.rows.append(row)
      tell(SelfTestTable.line(row))
    }
    return table
  }

  private static func conclude(
    _ table: SelfTestTable, _ arguments: SelfTestArguments
  ) -> SimulationCommand.ExitCode {
    let markdown = table.markdown + ["", table.conclusion + "."]
    if arguments.isMarkdown { for line in markdown { SimulationCommand.show(line) } }
    if !arguments.isMarkdown { SimulationCommand.show(table.conclusion) }
    if let out = arguments.out {
      Scratch.remove(out + "/self-test.md")
      Scratch.append(markdown.joined(separator: "\n") + "\n", to: out + "/self-test.md")
    }
    SimulationCommand.show(table.isGood ? "PASSED" : "VIOLATED")
    return table.isGood ? .passed : .violated
  }

  /// Builds what is needed, in the package that this is called in.
  private static func build(_ spawner: Spawner, _ folder: String) async -> String? {
    guard Scratch.exists("Package.swift") else {
      SimulationCommand.say("--build is for the folder that Package.swift is in")
      return nil
    }
    SimulationCommand.say("building with planted faults into .build-planted: this takes minutes")
    let output = "\(folder)/build.txt"
    Scratch.remove(output)
    let products = ["jepsen-lite", "kvnode", "jepsen-faults"]
    for product in products {
      let command = [
        "/usr/bin/env", "swift", "build", "-c", "release", "--traits", "PlantedFaults",
        "--scratch-path", ".build-planted", "--product", product,
      ]
      guard let child = try? await spawner.start(command, output: output),
        await child.waitForEnd(within: .seconds(3600)) == .code(0)
      else {
        let lines = Scratch.read(output).split(separator: "\n")
        SimulationCommand.say(
          "\(product) could not be built:\n" + lines.suffix(20).joined(separator: "\n"))
        return nil
      }
    }
    return ".build-planted/release"
  }
}
