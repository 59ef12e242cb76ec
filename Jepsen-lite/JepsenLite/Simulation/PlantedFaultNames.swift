internal import KVSimulator

/// Faults that can be built in, to show that the checks catch them.
enum PlantedFaultNames {
  /// An exit code where `name` can't be planted, after saying why.
  static func problem(with name: String) -> SimulationCommand.ExitCode? {
    let known = Planting.all
    if known.isEmpty {
      SimulationCommand.say(
        "this build has no planted faults: build it with `swift build --traits PlantedFaults`")
      return .usage
    }
    if name == "list" {
      for fault in known {
        SimulationCommand.show("\(fault.name) (shows with --profile \(fault.profile))")
      }
      return .passed
    }
    if !known.contains(where: { $0.name == name }) {
      SimulationCommand.say(
        "there is no planted fault \(name): \(known.map(\.name).joined(separator: ", "))")
      return .usage
    }
    return nil
  }
}
