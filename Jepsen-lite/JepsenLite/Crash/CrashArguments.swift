internal import Glibc

/// What `jepsen-lite crash` can do to real processes.
package enum CrashScenario: String, Sendable, CaseIterable {
  case leaderKill = "leader-kill"
  case term
  case killAll = "kill-all"
  case twoDown = "two-down"
  case wipe
  case badInput = "bad-input"
  case sessions
}

/// What `jepsen-lite crash` was asked for.
package struct CrashArguments: Sendable {
  package var scenarios: [CrashScenario] = CrashScenario.allCases
  /// Where `kvnode` is; `nil`: beside this tool.
  package var bin: String?
  /// Where logs and data go; `nil`: a temporary folder, removed where all went well.
  package var directory: String?
  package var rounds = 50
  package var hasRounds = false
  package var clients = 8
  /// Operations that each client begins in a second.
  package var rate = 100
  package var valueBytes = 128
  package var basePort = 17401
  package var seed: UInt64 = 1
  /// How long a killed node stays down.
  package var downMilliseconds = 2000
  /// The longest time without service that passes.
  package var limitMilliseconds = 1000
  /// Handed on to the nodes; `nil`: theirs.
  package var logKeep: String?
  package var reads = "read-index"
  package var isJSON = false
  /// kill-all: the disks of all nodes go back to what they were a round before.
  package var plantsRollback = false

  package static let usage = """
    usage: jepsen-lite crash [options]
    Starts three nodes as processes of this machine, loads them through the client
    library, does them harm, and judges what clients saw.
      --scenario S    \(CrashScenario.allCases.map(\.rawValue).joined(separator: ", ")),
                      or all (all); several with commas
      --rounds N      kills of leader-kill (50); term, kill-all: a fifth of it, but
                      N where one of them is asked for alone
      --bin DIR       where kvnode is (beside jepsen-lite)
      --dir DIR       data and logs of the nodes (a temporary folder)
      --clients N     writers in the background (8)
      --rate N        operations a second of each of them (100)
      --value-bytes N size of what they write (128)
      --base-port N   the first of three ports (17401)
      --down MS       how long a killed node stays down (2000)
      --limit MS      the longest time without service that passes (1000)
      --seed N        of keys, values and bad bytes (1)
      --log-keep B    given to the nodes, such as 1MiB
      --linearizable-reads K  given to the nodes: read-index or lease
      --plant rollback  in kill-all, sets all disks back by a round: must be found
      -o simple|json  a summary to read, or one JSON object (simple)
    exit codes: 0 passed, 1 violated, 2 usage, 4 invalid run
    """

  /// Why the arguments make no sense, in a sentence.
  package struct Problem: Error { package var text: String }

  package init() {}

  package init(_ arguments: [String]) throws(Problem) {
    var remaining = arguments[...]
    while let flag = remaining.popFirst() {
      guard flag.hasPrefix("-") else { throw Problem(text: "there is no argument '\(flag)'") }
      guard Self.flags.contains(flag) else { throw Problem(text: "there is no option \(flag)") }
      guard let value = remaining.popFirst() else { throw Problem(text: "\(flag) needs a value") }
      try apply(flag, value)
    }
    if hasRounds == false, scenarios.count == 1, scenarios != [.leaderKill] { rounds = 10 }
  }

  private static let flags: Set<String> = [
    "--scenario", "--rounds", "--bin", "--dir", "--clients", "--rate", "--value-bytes",
    "--base-port", "--down", "--limit", "--seed", "--log-keep", "--linearizable-reads", "--plant",
    "-o",
  ]

  private mutating func apply(_ flag: String, _ value: String) throws(Problem) {
    switch flag {
    case "--scenario": scenarios = try Self.scenarios(value)
    case "--rounds":
      rounds = try Self.number(flag, value, 1...100_000)
      hasRounds = true
    case "--bin": bin = value
    case "--dir": directory = value
    case "--clients": clients = try Self.number(flag, value, 1...256)
    case "--rate": rate = try Self.number(flag, value, 1...10_000)
    case "--value-bytes": valueBytes = try Self.number(flag, value, 32...1_000_000)
    case "--base-port": basePort = try Self.number(flag, value, 1024...65_000)
    case "--down": downMilliseconds = try Self.number(flag, value, 100...600_000)
    case "--limit": limitMilliseconds = try Self.number(flag, value, 1...60_000)
    case "--seed": seed = UInt64(try Self.number(flag, value, 0...Int.max))
    case "--log-keep": logKeep = value
    case "--linearizable-reads":
      guard value == "read-index" || value == "lease" else {
        throw Problem(text: "\(flag) is read-index or lease, not \(value)")
      }
      reads = value
    case "--plant":
      guard value == "rollback" else { throw Problem(text: "\(flag) is rollback, not \(value)") }
      plantsRollback = true
    default:
      guard value == "json" || value == "simple" else {
        throw Problem(text: "-o is simple or json, not \(value)")
      }
      isJSON = value == "json"
    }
  }

  private static func scenarios(_ text: String) throws(Problem) -> [CrashScenario] {
    if text == "all" { return CrashScenario.allCases }
    var found: [CrashScenario] = []
    for name in text.split(separator: ",") {
      guard let scenario = CrashScenario(rawValue: String(name)) else {
        throw Problem(
          text: "there is no scenario \(name): "
            + CrashScenario.allCases.map(\.rawValue).joined(separator: ", ") + ", all")
      }
      found.append(scenario)
    }
    guard !found.isEmpty else { throw Problem(text: "--scenario names none") }
    return found
  }

  private static func number(
    _ flag: String, _ value: String, _ range: ClosedRange<Int>
  ) throws(Problem) -> Int {
    guard let number = Int(value), range.contains(number) else {
      throw Problem(
        text: "\(flag) needs a number from \(range.lowerBound) to \(range.upperBound), not \(value)"
      )
    }
    return number
  }

  /// How often a scenario does its harm.
  func rounds(of scenario: CrashScenario) -> Int {
    switch scenario {
    case .leaderKill: rounds
    case .term, .killAll: scenarios.count == 1 ? rounds : max(1, rounds / 5)
    case .twoDown: min(rounds, 3)
    case .wipe, .badInput, .sessions: 1
    }
  }
}
