import KVBase
import KVPlacement
import Testing

/// Members 1…`count` (ids not in a row), in zones by turns where `zones` > 0.
func members(_ count: Int, zones: Int = 0) -> [PlacementMember] {
  (0..<count).map {
    PlacementMember(node: NodeID(UInt32($0 * 3 + 1)), zone: zones == 0 ? "" : "z\($0 % zones)")
  }
}

func loads(_ placement: Placement, _ members: [PlacementMember]) -> [Int] {
  members.map { placement.load(of: $0.node) }
}

func leaderships(_ placement: Placement, _ members: [PlacementMember]) -> [Int] {
  members.map { member in placement.replicas.count { $0.first == member.node } }
}

func spread(_ numbers: [Int]) -> Int { (numbers.max() ?? 0) - (numbers.min() ?? 0) }

/// What must hold of every placement.
func expectWellFormed(
  _ placement: Placement, _ members: [PlacementMember], partitions: Int, replication: Int,
  _ comment: Comment
) {
  let nodes = Set(members.map(\.node))
  #expect(placement.replicas.count == partitions, comment)
  for replicas in placement.replicas {
    #expect(replicas.count == min(replication, members.count), comment)
    #expect(Set(replicas).count == replicas.count, comment)
    #expect(nodes.isSuperset(of: replicas), comment)
  }
}

/// The lowest that the busiest leader's count can be: for each set of nodes, the partitions whose
/// replicas all lie in it must be led from within it (Hall). Tries every set.
func lowestPossibleMaximum(_ placement: Placement, _ members: [PlacementMember]) -> Int {
  let masks = placement.replicas.map { replicas in
    replicas.reduce(0) { mask, node in
      mask | 1 << (members.firstIndex { $0.node == node } ?? 0)
    }
  }
  var lowest = 0
  for set in 1..<(1 << members.count) {
    let inside = masks.count { $0 & ~set == 0 }
    lowest = max(lowest, (inside + set.nonzeroBitCount - 1) / set.nonzeroBitCount)
  }
  return lowest
}

@Suite struct PlacementTests {
  @Test(arguments: [8, 32, 128, 256], 1...5)
  func withoutZonesTheLoadIsAsEvenAsCanBe(_ partitions: Int, _ replication: Int) {
    for count in 1...20 {
      let members = members(count)
      let placement = Placement.initial(
        members: members, partitions: partitions, replication: replication)
      let comment: Comment = "\(count) nodes, Q \(partitions), R \(replication)"
      expectWellFormed(
        placement, members, partitions: partitions, replication: replication, comment)
      #expect(spread(loads(placement, members)) <= 1, comment)
      #expect(spread(leaderships(placement, members)) <= 1, comment)
    }
  }

  @Test(arguments: [8, 16, 64], 1...5)
  func withZonesEachPartitionIsInAsManyAsCanBe(_ partitions: Int, _ replication: Int) {
    for count in 1...20 {
      for zones in 1...5 {
        let members = members(count, zones: zones)
        let placement = Placement.initial(
          members: members, partitions: partitions, replication: replication)
        let comment: Comment = "\(count) nodes, \(zones) zones, Q \(partitions), R \(replication)"
        expectWellFormed(
          placement, members, partitions: partitions, replication: replication, comment)
        expectSpreadOverZones(placement, members, replication: replication, comment)
        if count % zones == 0 { #expect(spread(loads(placement, members)) <= 1, comment) }
      }
    }
  }

  private func expectSpreadOverZones(
    _ placement: Placement, _ members: [PlacementMember], replication: Int, _ comment: Comment
  ) {
    let zoneOf = Dictionary(uniqueKeysWithValues: members.map { ($0.node, $0.zone) })
    let all = Set(members.map(\.zone))
    for replicas in placement.replicas {
      let used = replicas.compactMap { zoneOf[$0] }
      #expect(Set(used).count == min(all.count, replicas.count), comment)
      // No zone has two more than another that still has a node to give.
      for zone in all {
        for other in all {
          let inZone = used.count { $0 == zone }
          let inOther = used.count { $0 == other }
          let size = members.count { $0.zone == other }
          #expect(inZone <= inOther + 1 || inOther == size, comment)
        }
      }
    }
  }

  @Test func unevenZones() {
    // One zone with one node, one with five, three replicas: the lone node must be everywhere.
    let nodes = (1...6).map {
      PlacementMember(node: NodeID(UInt32($0)), zone: $0 == 1 ? "small" : "large")
    }
    let placement = Placement.initial(members: nodes, partitions: 64, replication: 3)
    #expect(placement.load(of: NodeID(1)) == 64)
    #expect(spread(Array(loads(placement, nodes).dropFirst())) <= 1)
    #expect(spread(leaderships(placement, nodes)) <= 1)
  }

  /// Leadership is as even as the replica lists allow, by trying every set of nodes.
  @Test(arguments: 1...10)
  func preferredLeadersAreAsEvenAsCanBe(_ count: Int) {
    for zones in 0...3 {
      for replication in 1...3 {
        for partitions in [8, 32] {
          let members = members(count, zones: zones)
          let placement = Placement.initial(
            members: members, partitions: partitions, replication: replication)
          let most = leaderships(placement, members).max()
          #expect(
            most == lowestPossibleMaximum(placement, members),
            "\(count) nodes, \(zones) zones, R \(replication), Q \(partitions)")
        }
      }
    }
  }

  @Test func theOrderOfTheMembersDoesNotMatter() {
    var random = SeededRandom(seed: 5)
    let members = members(9, zones: 3)
    let first = Placement.initial(members: members, partitions: 64, replication: 3)
    for _ in 0..<10 {
      let shuffled = members.shuffled(using: &random)
      #expect(Placement.initial(members: shuffled, partitions: 64, replication: 3) == first)
    }
  }

  /// Golden: nodes of different builds must compute the same first map.
  @Test func theFirstPlacementOfThreeNodesStays() {
    let members = (1...3).map { PlacementMember(node: NodeID($0)) }
    let placement = Placement.initial(members: members, partitions: 8, replication: 3)
    #expect(
      placement.replicas.map { $0.map(\.rawValue) } == [
        [1, 2, 3], [3, 1, 2], [1, 2, 3], [2, 1, 3], [3, 1, 2], [3, 1, 2], [2, 1, 3], [2, 3, 1],
      ])
  }

  @Test func aSingleNodeHoldsAndLeadsAll() {
    let placement = Placement.initial(members: members(1), partitions: 32, replication: 3)
    #expect(placement.replicas == [[NodeID]](repeating: [NodeID(1)], count: 32))
    #expect(placement.replicas(of: PartitionID(31)).first == NodeID(1))
    #expect(placement.replicas(of: PartitionID(0)) == [NodeID(1)])
  }

  /// Consistent hashing: the replicas of one node are not always with the same companions.
  @Test func companionsVary() {
    let members = members(12)
    let placement = Placement.initial(members: members, partitions: 256, replication: 3)
    for member in members {
      let companions = Set(placement.replicas.filter { $0.contains(member.node) }.joined())
      #expect(companions.count > 9, "\(member.node) shares with \(companions.count - 1)")
    }
  }

  @Test func theLargestClusterIsQuick() {
    let clock = ContinuousClock()
    let members = members(64, zones: 3)
    let elapsed = clock.measure {
      let placement = Placement.initial(
        members: members, partitions: Limits.partitions, replication: 5)
      #expect(placement.replicas.count == Limits.partitions)
    }
    #expect(elapsed < .seconds(30))
  }
}
