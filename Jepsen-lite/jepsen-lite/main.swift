import Glibc
import JepsenLite

let usage = """
  usage: jepsen-lite COMMAND [options]; jepsen-lite COMMAND --help says more

    run         real processes under faults, and a verdict on what clients saw
    check       a verdict on a recorded history
    sim         the production cores in a simulation from a seed
    self-test   whether planted faults are caught
    bench       how long the checkers take
    crash       kills, stops, wiped disks and bad bytes, one scenario after another
  """

let remaining = Array(CommandLine.arguments.dropFirst(2))
switch CommandLine.arguments.dropFirst().first {
case "run": exit(await RunCommand.run(remaining).rawValue)
case "check": exit(CheckCommand.run(remaining).rawValue)
case "sim": exit(await SimulationCommand.run(remaining).rawValue)
case "self-test": exit(await SelfTestCommand.run(remaining).rawValue)
case "bench": exit(BenchCommand.run(remaining).rawValue)
case "crash": exit(await CrashCommand.run(remaining).rawValue)
case "--help", "-h":
  SimulationCommand.show(usage)
  exit(0)
case let other:
  SimulationCommand.say((other.map { "there is no command \($0)\n" } ?? "") + usage)
  exit(2)
}
