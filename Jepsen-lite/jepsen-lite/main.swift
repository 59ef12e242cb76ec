import Glibc
import JepsenLite

let arguments = Array(CommandLine.arguments.dropFirst())
switch arguments.first {
case "sim": exit(await SimulationCommand.run(Array(arguments.dropFirst())).rawValue)
case "run": exit(await RunCommand.run(Array(arguments.dropFirst())).rawValue)
case "crash": exit(await CrashCommand.run(Array(arguments.dropFirst())).rawValue)
case "check": exit(CheckCommand.run(Array(arguments.dropFirst())).rawValue)
default:
  SimulationCommand.say(
    "usage: jepsen-lite run|check|sim|crash [options]; jepsen-lite run --help says more")
  exit(arguments.first == "--help" ? 0 : 2)
}
