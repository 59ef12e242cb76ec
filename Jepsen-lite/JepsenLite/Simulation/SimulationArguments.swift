internal import KVSimulator

/// What `jepsen-lite sim` was asked for.
package struct SimulationArguments: Sendable {
  package var seeds: ClosedRange<UInt64> = 1...20
  package var seconds: UInt64 = 60
  package var profile = "cp"
  package var nodes = 3
  package var jobs = 2
  package var plant: String?
  package var isReplay = false
  /// Only these of the plan, with `isReplay`.
  package var faults: FaultSelection?
  /// Other chances under the same plan, with `isReplay`.
  package var variant: UInt64 = 0
  package var isTraced = false
  package var goesOn = false
  package var showsPlan = false
  package var endsAtFirst = false
  package var mayShrink = true

  /// Whether a failing schedule is to be shrunk: not where a run is only to be looked at.
  package var shrinks: Bool {
    mayShrink && !isTraced && !showsPlan && !goesOn && faults == nil && variant == 0
  }

  /// Why the arguments make no sense, in a sentence.
  package struct Problem: Error { package var text: String }

  package init() {}

  package init(_ arguments: [String]) throws(Problem) {
    var remaining = arguments[...]
    while let flag = remaining.popFirst() {
      switch flag {
      case "--trace": isTraced = true
      case "--go-on": goesOn = true
      case "--plan": showsPlan = true
      case "--first": endsAtFirst = true
      case "--no-shrink": mayShrink = false
      case "--seeds", "--replay", "--faults", "--variant", "--seconds", "--profile", "--nodes",
        "--jobs",
        "--plant":
        guard let value = remaining.popFirst() else { throw Problem(text: "\(flag) needs a value") }
        try apply(flag, value)
      default: throw Problem(text: "there is no option \(flag)")
      }
    }
    if isTraced || showsPlan || faults != nil || variant > 0, !isReplay {
      throw Problem(text: "--trace, --plan, --faults and --variant go with --replay SEED")
    }
  }

  private mutating func apply(_ flag: String, _ value: String) throws(Problem) {
    switch flag {
    case "--seeds": seeds = try Self.range(value)
    case "--replay":
      let seed = try Self.number(flag, value, atLeast: 0)
      seeds = seed...seed
      isReplay = true
      jobs = 1
    case "--faults":
      guard let selection = FaultSelection(parsing: value) else {
        throw Problem(
          text: "--faults needs rising numbers of the plan such as 3,7:120,12, or none, not "
            + value)
      }
      faults = selection
    case "--variant": variant = try Self.number(flag, value, atLeast: 0)
    case "--seconds": seconds = try Self.number(flag, value, atLeast: 1)
    case "--jobs": jobs = Int(clamping: try Self.number(flag, value, atLeast: 1))
    case "--nodes":
      guard let count = Int(value), count == 3 || count == 5 else {
        throw Problem(text: "--nodes is 3 or 5, not \(value)")
      }
      nodes = count
    case "--profile":
      guard SimulationProfile.named(value) != nil else {
        throw Problem(
          text: "there is no profile \(value): "
            + SimulationProfile.names.joined(separator: ", "))
      }
      profile = value
    default: plant = value
    }
  }

  private static func number(
    _ flag: String, _ value: String, atLeast least: UInt64
  ) throws(Problem) -> UInt64 {
    guard let number = UInt64(value), number >= least else {
      throw Problem(text: "\(flag) needs a number of at least \(least), not \(value)")
    }
    return number
  }

  private static func range(_ value: String) throws(Problem) -> ClosedRange<UInt64> {
    let ends = value.split(separator: ".", omittingEmptySubsequences: true).map { UInt64($0) }
    let isRange = value.contains("..") && ends.count == 2
    guard isRange || (ends.count == 1 && !value.contains(".")), let first = ends.first ?? nil,
      let last = ends.last ?? nil, first <= last
    else { throw Problem(text: "--seeds needs a range like 1..100, not \(value)") }
    return first...last
  }

  /// The command that runs one seed again; without a seed, up to where it stands.
  package func replayCommand(
    seed: UInt64?, faults: FaultSelection? = nil, variant: UInt64 = 0
  ) -> String {
    var command = "jepsen-lite sim --seconds \(seconds) --profile \(profile)"
    if nodes != 3 { command += " --nodes \(nodes)" }
    if let plant { command += " --plant \(plant)" }
    if let faults { command += " --faults \(faults.text)" }
    if variant > 0 { command += " --variant \(variant)" }
    command += " --replay "
    if let seed { command += String(seed) }
    return command
  }
}
