/// Faults that can be built in, to show that the checks catch them.
enum PlantedFaultNames {
  /// An exit code where `name` can't be planted, after saying why.
  static func problem(with name: String) -> SimulationCommand.ExitCode? {
    SimulationCommand.say(
      "this build has no planted faults: build it with `swift build --traits PlantedFaults`")
    return .usage
  }
}
