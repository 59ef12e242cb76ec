internal import KVBase

/// What a stage can do: faults that need more are refused before a run.
struct StageAbilities: Hashable, Sendable {
  var nodes: Int
  var hasFramedLinks: Bool
  var usesFaultLibrary: Bool
}

/// A kind of fault by its name on the command line.
struct Nemesis: Sendable {
  var name: String
  /// One line for `--help`.
  var text: String
  /// The least number of nodes.
  var nodes = 1
  var needsFrames = false
  var needsFaultLibrary = false
  /// Left out of `mix`: breaks what the system promises only within a bound, or is no fault.
  var isApart = false
  /// How long one takes, in milliseconds.
  var length = 5_000...10_000
  /// Decides one fault for a cluster of so many nodes; `nil`: none.
  var make: @Sendable (Int, inout SeededRandom) -> FaultAction?
}

enum NemesisCatalog {
  /// For `--help`: name, one line, least number of nodes.
  static var all: [(name: String, text: String, nodes: Int)] {
    (nemeses + [mix]).map { ($0.name, $0.text, $0.nodes) }
      + [(membership, "not available yet: kvnode can't change its members", 1)]
  }

  static let membership = "membership"

  /// A random mixture; the schedule knows how.
  static let mix = Nemesis(
    name: "mix", text: "a random mixture of all that follows from the seed, up to three at once",
    nodes: 3, make: { _, _ in nil })

  static let nemeses: [Nemesis] = [none] + partitions + traffic + processes + clocks + disks

  static func named(_ name: String) -> Nemesis? {
    (nemeses + [mix]).first { $0.name == name }
  }

  /// What may stand in a mixture on such a stage.
  static func mixture(_ abilities: StageAbilities) -> [Nemesis] {
    nemeses.filter { !$0.isApart && problem($0, abilities) == nil }
  }

  /// Why these can't be used, in a sentence; `nil`: they can.
  static func problem(_ names: [String], _ abilities: StageAbilities) -> String? {
    if names.isEmpty { return "give at least one nemesis, or none by its name" }
    for name in names {
      if name == membership {
        return "the nemesis membership is not available: kvnode can't change its members yet"
      }
      guard let nemesis = named(name) else {
        let known = all.map(\.name).joined(separator: ", ")
        return "there is no nemesis '\(name)': choose among \(known)"
      }
      if let problem = problem(nemesis, abilities) { return problem }
    }
    return nil
  }

  private static func problem(_ nemesis: Nemesis, _ abilities: StageAbilities) -> String? {
    if abilities.nodes < nemesis.nodes {
      return "the nemesis \(nemesis.name) needs \(nemesis.nodes) nodes, and there are "
        + "\(abilities.nodes): add --nodes \(nemesis.nodes)"
    }
    if nemesis.needsFrames, !abilities.hasFramedLinks {
      return "the nemesis \(nemesis.name) needs links whose frames can be told apart, and those of "
        + "this system can't"
    }
    if nemesis.needsFaultLibrary, !abilities.usesFaultLibrary {
      return "the nemesis \(nemesis.name) needs the fault library in the nodes' processes, and "
        + "this system is run without it"
    }
    return nil
  }

  // MARK: The nemeses

  private static let none = Nemesis(
    name: "none", text: "no fault", isApart: true, make: { _, _ in nil })

  private static let partitions: [Nemesis] = [
    Nemesis(
      name: "isolate-leader", text: "the leader is cut off from all other nodes", nodes: 2,
      make: { _, _ in .partition(.isolate(.leader)) }),
    Nemesis(
      name: "isolate-follower", text: "a follower is cut off from all other nodes", nodes: 2,
      make: { nodes, random in .partition(.isolate(.follower(index(nodes - 1, &random)))) }),
    Nemesis(
      name: "halves", text: "a minority and a majority are cut off from each other", nodes: 3,
      make: { nodes, random in .partition(.halves(order: order(nodes, &random))) }),
    Nemesis(
      name: "bridge", text: "two halves that only one node hears and is heard by", nodes: 5,
      make: { nodes, random in .partition(.bridge(order: order(nodes, &random))) }),
    Nemesis(
      name: "ring", text: "each node sees only its two neighbours: a majority, each another one",
      nodes: 5, make: { nodes, random in .partition(.ring(order: order(nodes, &random))) }),
    Nemesis(
      name: "one-way",
      text: "a node, mostly the leader, can send and hears nothing, or the reverse",
      nodes: 2,
      make: { nodes, random in
        let who = leaderOrAny(nodes, &random)
        return .partition(random.chance(1, in: 2) ? .deaf(who) : .mute(who))
      }),
    Nemesis(
      name: "swizzle", text: "links are cut one by one, and healed in another order", nodes: 2,
      length: 6_000...10_000,
      make: { nodes, random in
        let links = NodeLink.all(nodes).shuffled(using: &random)
        let cut = Array(links.prefix(max(2, links.count * 2 / 3)))
        return .swizzle(cut: cut, heal: cut.shuffled(using: &random))
      }),
    Nemesis(
      name: "flapping", text: "a node's links are cut and opened again and again", nodes: 2,
      make: { nodes, random in
        .flapping(
          .isolate(leaderOrAny(nodes, &random)),
          periodMilliseconds: 200 + 100 * index(9, &random))
      }),
  ]

  private static let traffic: [Nemesis] = [
    Nemesis(
      name: "slow-links", text: "bytes between nodes are late, each by another time", nodes: 2,
      make: { _, random in
        .traffic(
          .slow(
            delayMilliseconds: 5 + index(60, &random), jitterMilliseconds: 5 + index(60, &random)))
      }),
    Nemesis(
      name: "throttle", text: "few bytes a second pass between nodes", nodes: 2,
      make: { _, random in .traffic(.throttle(bytesPerSecond: 20_000 + index(60_000, &random))) }),
    Nemesis(
      name: "duplicate", text: "frames between nodes arrive twice", nodes: 2, needsFrames: true,
      make: { _, random in .traffic(.duplicate(perThousand: 50 + index(250, &random))) }),
    Nemesis(
      name: "reorder", text: "frames between nodes overtake each other", nodes: 2,
      needsFrames: true,
      make: { _, random in .traffic(.reorder(perThousand: 50 + index(250, &random))) }),
    Nemesis(
      name: "flip-bytes", text: "bits of what nodes send each other are flipped on the way",
      nodes: 2, needsFrames: true,
      make: { _, random in .traffic(.flip(perThousand: 5 + index(30, &random))) }),
    Nemesis(
      name: "reset-connections", text: "connections of nodes and clients are reset", nodes: 1,
      make: { _, random in .traffic(.reset(periodMilliseconds: 300 + index(1200, &random))) }),
  ]

  private static let processes: [Nemesis] = [
    Nemesis(
      name: "kill-one", text: "kill -9 of a node, which is started again", length: 1_000...6_000,
      make: { nodes, random in .kill(.these([1 + index(nodes, &random)])) }),
    Nemesis(
      name: "kill-leader", text: "kill -9 of the leader", length: 1_000...6_000,
      make: { _, _ in .kill(.leader) }),
    Nemesis(
      name: "kill-majority", text: "kill -9 of the leader and as many as make a majority",
      length: 1_000...6_000,
      make: { nodes, random in .kill(.majority(order: order(nodes, &random))) }),
    Nemesis(
      name: "kill-all", text: "kill -9 of all nodes at once", length: 500...3_000,
      make: { nodes, _ in .kill(.these(Array(1...nodes))) }),
    Nemesis(
      name: "pause-leader", text: "the leader is stopped for longer than an election, and goes on",
      length: 2_000...8_000, make: { _, _ in .pause(.leader) }),
    Nemesis(
      name: "pause-one", text: "a node is stopped for a while, and goes on",
      length: 2_000...8_000,
      make: { nodes, random in .pause(.these([1 + index(nodes, &random)])) }),
  ]

  private static let clocks: [Nemesis] = [
    Nemesis(
      name: "clock-jump", text: "a node's wall clock is set forward or back",
      needsFaultLibrary: true,
      make: { nodes, random in
        let size = [500, 5_000, 60_000, 3_600_000][index(4, &random)]
        let amount = random.chance(1, in: 2) ? size : -size
        return .clock(leaderOrAny(nodes, &random), .jump(milliseconds: amount))
      }),
    Nemesis(
      name: "clock-strobe", text: "a node's wall clock is set to and fro", needsFaultLibrary: true,
      make: { nodes, random in
        .clock(
          leaderOrAny(nodes, &random),
          .strobe(
            milliseconds: 100 + index(4_000, &random),
            periodMilliseconds: 50 + index(400, &random)))
      }),
    Nemesis(
      name: "clock-rate",
      text: "clocks run apart by what leases allow for (up to 4 %), then the leader is cut off",
      nodes: 2, needsFaultLibrary: true,
      make: { nodes, random in .rates((0..<nodes).map { _ in 960 + index(81, &random) }) }),
    Nemesis(
      name: "clock-rate-beyond",
      text: "the leader's clocks hardly go on, then it is cut off: lease reads may be stale",
      nodes: 2, needsFaultLibrary: true, isApart: true,
      make: { _, random in .leaderRate([10, 20, 50][index(3, &random)]) }),
  ]

  private static let disks: [Nemesis] = [
    Nemesis(
      name: "power-loss-one", text: "a node ends, and what it has not synced is gone",
      needsFaultLibrary: true, length: 1_000...5_000,
      make: { nodes, random in .powerLoss(leaderOrAny(nodes, &random)) }),
    Nemesis(
      name: "power-loss-majority", text: "the same for the leader and a majority with it",
      needsFaultLibrary: true, length: 1_000...5_000,
      make: { nodes, random in .powerLoss(.majority(order: order(nodes, &random))) }),
    Nemesis(
      name: "power-loss-all", text: "the same for all nodes at once", needsFaultLibrary: true,
      length: 500...3_000, make: { nodes, _ in .powerLoss(.these(Array(1...nodes))) }),
    Nemesis(
      name: "fsync-error", text: "a node's fsync fails: it must stop, and is started again",
      needsFaultLibrary: true,
      make: { nodes, random in .disk(leaderOrAny(nodes, &random), .failSync) }),
    Nemesis(
      name: "full-disk", text: "a node's disk is full for a while", needsFaultLibrary: true,
      make: { nodes, random in .disk(leaderOrAny(nodes, &random), .full) }),
    Nemesis(
      name: "slow-disk", text: "a node's fsync takes long", needsFaultLibrary: true,
      make: { nodes, random in
        .disk(leaderOrAny(nodes, &random), .slow(milliseconds: 20 + index(180, &random)))
      }),
    Nemesis(
      name: "stalled-disk", text: "a node's fsync does not come back for seconds",
      needsFaultLibrary: true,
      make: { nodes, random in .disk(leaderOrAny(nodes, &random), .stalled) }),
    Nemesis(
      name: "flip-bits", text: "bits are flipped in files of a minority of stopped nodes", nodes: 3,
      make: { nodes, random in
        let some = order(nodes, &random).prefix(1 + index((nodes - 1) / 2, &random))
        return .flipBits(.these(some.sorted()), bits: 1 + index(4, &random))
      }),
  ]

  // MARK: Dice

  private static func index(_ bound: Int, _ random: inout SeededRandom) -> Int {
    Int(random.below(UInt64(max(bound, 1))))
  }

  private static func order(_ nodes: Int, _ random: inout SeededRandom) -> [Int] {
    Array(1...nodes).shuffled(using: &random)
  }

  /// Two times of three the leader: the more telling victim.
  private static func leaderOrAny(_ nodes: Int, _ random: inout SeededRandom) -> NodeChoice {
    random.chance(2, in: 3) ? .leader : .these([1 + index(nodes, &random)])
  }
}
