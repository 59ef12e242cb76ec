/// What `jepsen-lite self-test` was asked for.
package struct SelfTestArguments: Hashable, Sendable {
  package enum Ways: String, Hashable, Sendable { case all, sim, run }

  /// The folder with the planted build; `nil`: that of this program.
  package var bin: String?
  package var builds = false
  /// Faults by name; empty: all.
  package var only: [String] = []
  package var ways = Ways.all
  /// Of each run on real processes.
  package var seconds = 20
  /// Runs on real processes with other seeds, before a way is given up.
  package var tries = 3
  /// Simulated seeds, before a profile is given up.
  package var seeds = 400
  /// Seconds for one way, after which nothing new is tried.
  package var limit = 120
  package var out: String?
  package var isMarkdown = false
  package var hasControls = true

  /// Why the arguments make no sense, in a sentence.
  package struct Problem: Error, Hashable { package var text: String }

  package static let help = """
    usage: jepsen-lite self-test [options]

    Whether the checks catch what they are for: plants one fault after another
    into the nodes, in simulation and on real processes, and says which check
    found it and how soon. Then the same runs without a fault must pass. Needs a
    build with the package trait PlantedFaults.

      --bin DIR       the folder of that build (that of this program)
      --build         makes it: swift build -c release --traits PlantedFaults
                      --scratch-path .build-planted, in this folder
      --only NAME,…   these faults
      --ways KIND     sim, run or all (all)
      --seconds N     of each run on real processes (20)
      --tries N       such runs, with other seeds, before a way is given up (3)
      --seeds N       simulated seeds before a profile is given up (400)
      --limit N       seconds for one way, after which nothing new is tried (120)
      --no-controls   leaves the runs without a fault out
      --markdown      the table in Markdown
      --out DIR       keeps what the runs said, and self-test.md
      --list          the faults, and how they are to be caught

    exit codes: 0 all caught and all controls passed, 1 not so, 2 usage,
      4 could not be run
    """

  package init() {}

  package init(_ arguments: [String]) throws(Problem) {
    var remaining = arguments[...]
    while let flag = remaining.popFirst() {
      switch flag {
      case "--build": builds = true
      case "--markdown": isMarkdown = true
      case "--no-controls": hasControls = false
      case "--bin", "--only", "--ways", "--seconds", "--tries", "--seeds", "--limit", "--out":
        guard let value = remaining.popFirst() else { throw Problem(text: "\(flag) needs a value") }
        try apply(flag, value)
      default: throw Problem(text: "there is no option \(flag)")
      }
    }
    if builds, bin != nil { throw Problem(text: "--build and --bin don't go together") }
  }

  private mutating func apply(_ flag: String, _ value: String) throws(Problem) {
    switch flag {
    case "--bin": bin = value
    case "--out": out = value
    case "--only":
      only = value.split(separator: ",").map(String.init)
      for name in only where !SelfTestCatalogue.all.contains(where: { $0.name == name }) {
        throw Problem(
          text: "there is no planted fault \(name): "
            + SelfTestCatalogue.all.map(\.name).joined(separator: ", "))
      }
    case "--ways":
      guard let known = Ways(rawValue: value) else {
        throw Problem(text: "--ways is sim, run or all, not \(value)")
      }
      ways = known
    case "--seconds": seconds = try Self.number(flag, value, 5...600)
    case "--tries": tries = try Self.number(flag, value, 1...100)
    case "--seeds": seeds = try Self.number(flag, value, 1...100_000)
    default: limit = try Self.number(flag, value, 1...86_400)
    }
  }

  private static func number(
    _ flag: String, _ value: String, _ range: ClosedRange<Int>
  ) throws(Problem) -> Int {
    guard let number = Int(value), range.contains(number) else {
      throw Problem(
        text: "\(flag) needs a number from \(range.lowerBound) to \(range.upperBound), not "
          + value)
    }
    return number
  }

  /// What is to be tried of a fault.
  func ways(of fault: SelfTestFault) -> [SelfTestWay] {
    fault.ways.filter { way in
      switch ways {
      case .all: true
      case .sim: way.isSimulation
      case .run: !way.isSimulation
      }
    }
  }

  /// The faults that were asked for and that have such ways.
  var faults: [SelfTestFault] {
    SelfTestCatalogue.all.filter {
      (only.isEmpty || only.contains($0.name)) && !ways(of: $0).isEmpty
    }
  }
}
