package import KVBase

/// All that will go wrong in a run: a value, made from the seed, which can be printed and carried
/// out again.
package struct FaultPlan: Hashable, Sendable {
  package var faults: [PlannedFault]

  package init(faults: [PlannedFault]) {
    self.faults = faults
  }

  package static let none = FaultPlan(faults: [])

  /// Faults of the profile's kinds that begin within `span`.
  package static func make(
    _ profile: SimulationProfile, in span: Range<UInt64>, random: inout SeededRandom
  ) -> FaultPlan {
    var plan = FaultPlan.none
    let total = profile.faults.reduce(0) { $0 + $1.weight }
    guard total > 0 else { return plan }
    let end = span.upperBound
    var time = span.lowerBound
    while true {
      time += random.below(2 * profile.meanGapNanoseconds) + 1
      guard time < end else { return plan }
      var draw = random.below(total)
      var kind = profile.faults[0].kind
      for (candidate, weight) in profile.faults {
        kind = candidate
        if draw < weight { break }
        draw -= weight
      }
      let longest = min(profile.longestFaultNanoseconds, end - time)
      let length = 20_000_000 + random.below(max(1, longest))
      plan.faults.append(
        PlannedFault(
          startNanoseconds: time, lengthNanoseconds: length,
          fault: fault(kind, profile, random: &random)))
    }
  }

  private static func fault(
    _ kind: FaultKind, _ profile: SimulationProfile, random: inout SeededRandom
  ) -> Fault {
    let nodes = UInt64(profile.nodes)
    let node = Int(random.below(nodes))
    let other = (node + 1 + Int(random.below(nodes - 1))) % profile.nodes
    let group = Int(random.below(UInt64(profile.groups)))
    let coin = random.chance(1, in: 2)
    switch kind {
    case .halves:
      var minority: [Int] = []
      for candidate in 0..<profile.nodes where minority.count < (profile.nodes - 1) / 2 {
        if random.chance(1, in: 2) || candidate == profile.nodes - 1 { minority.append(candidate) }
      }
      let clients = (0..<profile.workload.clients).filter { _ in random.chance(1, in: 3) }
      return .halves(minority: minority, clients: clients, resets: coin)
    case .isolate: return .isolate(node: node, resets: coin)
    case .isolateLeader: return .isolateLeader(group: group, resets: coin)
    case .oneWay: return .oneWay(from: node, to: other)
    case .deafLeader: return .deafLeader(group: group)
    case .muteLeader: return .muteLeader(group: group)
    case .muteNewLeaders: return .muteNewLeaders(longestMilliseconds: 20 + random.below(1_000))
    case .flapping:
      return .flapping(a: node, b: other, periodMilliseconds: 50 + random.below(600))
    case .unruly:
      return .unruly(
        loss: random.below(200), duplicate: random.below(200), reorder: random.below(200))
    case .slowLinks: return .slowLinks(node: node, milliseconds: 5 + Int(random.below(150)))
    case .breakConnections: return .breakConnections(ofThousand: 200 + random.below(801))
    case .halfOpen: return .halfOpen(ofThousand: 200 + random.below(801))
    case .crash: return .crash(node: node, losesPower: coin)
    case .crashLeader: return .crashLeader(group: group, losesPower: coin)
    case .crashMajority: return .crashMajority(losesPower: coin)
    case .crashAll: return .crashAll(losesPower: coin)
    case .shutdown: return .shutdown(node: node)
    case .pause: return .pause(node: node)
    case .pauseLeader: return .pauseLeader(group: group)
    case .slowDisk: return .slowDisk(node: node, factor: 4 + random.below(200))
    case .stuckDisk: return .stuckDisk(node: node)
    case .failedSync: return .failedSync(node: node)
    case .wipe: return .wipe(node: node)
    case .clockRate:
      let bound = UInt64(profile.clockBoundPartsPerMillion)
      return .clockRate(
        node: node, partsPerMillion: Int64(random.below(2 * bound + 1)) - Int64(bound))
    case .wallJump:
      return .wallJump(
        node: node, milliseconds: Int64(random.below(20_000)) - 10_000)
    }
  }
}
