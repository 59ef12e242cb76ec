internal import JepsenHistory

/// `jepsen-lite bench`: how long the checkers take over histories made from seeds.
package enum BenchCommand {
  private static let names = ["all", "hot", "repeated", "violated", "hard"]
  private static let usage = """
    usage: jepsen-lite bench [all|hot|repeated|violated|hard]
    Makes histories from seeds, judges them, and says how long that took:
      hot        1,000,000 operations of 32 clients on one key, unique values
      repeated   100,000 operations of 32 clients on one key, 50 values
      violated   100,000 operations, one of them a planted violation
      hard       1,000 histories of 100 operations: few values, many unknown
    """

  package static func run(_ arguments: [String]) -> SimulationCommand.ExitCode {
    if arguments == ["--help"] || arguments == ["-h"] {
      SimulationCommand.show(usage)
      return .passed
    }
    guard arguments.count <= 1, names.contains(arguments.first ?? "all") else {
      SimulationCommand.say("there is no history '\(arguments.joined(separator: " "))'\n" + usage)
      return .usage
    }
    for line in HistoryBench.run(arguments.first ?? "all") { SimulationCommand.show(line) }
    return .passed
  }
}
