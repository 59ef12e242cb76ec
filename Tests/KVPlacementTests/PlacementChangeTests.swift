import KVBase
import KVPlacement
import Testing

@Suite struct PlacementChangeTests {
  /// Replicas of `new` that their node did not hold in `old`, by node.
  private func arrivals(_ old: Placement, _ new: Placement) -> [NodeID: Int] {
    var result: [NodeID: Int] = [:]
    for (before, after) in zip(old.replicas, new.replicas) {
      for node in after where !before.contains(node) { result[node, default: 0] += 1 }
    }
    return result
  }

  private func departures(_ old: Placement, _ new: Placement) -> [NodeID: Int] {
    arrivals(new, old)
  }

  /// The goals of ARCHITECTURE.md, which hold where a node has at least 16 replicas.
  private func expectBalanced(
    _ placement: Placement, _ members: [PlacementMember], replication: Int, _ comment: Comment
  ) {
    let loads = loads(placement, members)
    let mean = Double(loads.reduce(0, +)) / Double(loads.count)
    guard mean >= 16, members.count > replication else { return }
    #expect(Double(loads.max() ?? 0) <= 1.1 * mean, "\(comment): \(loads)")
  }

  private func expectJoined(
    _ old: Placement, _ new: Placement, _ joiner: NodeID, share: Double, _ comment: Comment
  ) {
    let moved = arrivals(old, new)
    #expect(moved.allSatisfy { $0.key == joiner }, "\(comment): \(moved)")
    #expect(Double(moved[joiner] ?? 0) <= max(1.05 * share, share.rounded(.up)), comment)
    #expect(Double(moved[joiner] ?? 0) >= share.rounded(.down), comment)
  }

  private func expectLeft(
    _ old: Placement, _ new: Placement, _ leaver: NodeID, _ comment: Comment
  ) {
    #expect(departures(old, new).allSatisfy { $0.key == leaver }, comment)
    let arrived = arrivals(old, new).reduce(0) { $0 + $1.value }
    #expect(arrived <= old.load(of: leaver), comment)
  }

  @Test(arguments: [8, 32, 64, 256], 1...5)
  func nodesJoinAndLeaveOneByOne(_ partitions: Int, _ replication: Int) {
    var random = SeededRandom(seed: UInt64(partitions * 10 + replication))
    var present = members(1)
    var placement = Placement.initial(
      members: present, partitions: partitions, replication: replication)
    for joiner in members(20).dropFirst() {
      let comment: Comment = "\(joiner.node) joins, Q \(partitions), R \(replication)"
      let next = placement.adding(joiner, to: present, replication: replication)
      present.append(joiner)
      let share = Double(partitions * min(replication, present.count)) / Double(present.count)
      expectJoined(placement, next, joiner.node, share: share, comment)
      expectSound(next, present, partitions, replication, comment)
      placement = next
    }
    while present.count > 1 {
      let leaver = present[Int(random.below(UInt64(present.count)))]
      let comment: Comment =
        "\(leaver.node) leaves \(present.count), Q \(partitions), R \(replication)"
      let next = placement.removing(leaver.node, from: present, replication: replication)
      present.removeAll { $0 == leaver }
      expectLeft(placement, next, leaver.node, comment)
      expectSound(next, present, partitions, replication, comment)
      placement = next
    }
  }

  private func expectSound(
    _ placement: Placement, _ members: [PlacementMember], _ partitions: Int, _ replication: Int,
    _ comment: Comment
  ) {
    expectWellFormed(
      placement, members, partitions: partitions, replication: replication, comment)
    expectBalanced(placement, members, replication: replication, comment)
    #expect(
      spread(leaderships(placement, members)) <= 2,
      "\(comment): leaders \(leaderships(placement, members))")
    if members.count <= 8 {
      let most = leaderships(placement, members).max()
      #expect(most == lowestPossibleMaximum(placement, members), comment)
    }
  }

  /// Random churn far from an even start: every change alone keeps the goals.
  @Test func churnDoesNotDrift() {
    var random = SeededRandom(seed: 99)
    let all = members(16)
    var present = Array(all[0..<6])
    var placement = Placement.initial(members: present, partitions: 128, replication: 3)
    for step in 0..<200 {
      let absent = all.filter { !present.contains($0) }
      if present.count <= 4 || (!absent.isEmpty && random.chance(1, in: 2)) {
        let joiner = absent[Int(random.below(UInt64(absent.count)))]
        let next = placement.adding(joiner, to: present, replication: 3)
        present.append(joiner)
        let share = Double(128 * 3) / Double(present.count)
        expectJoined(placement, next, joiner.node, share: share, "step \(step)")
        placement = next
      } else {
        let leaver = present[Int(random.below(UInt64(present.count)))]
        let next = placement.removing(leaver.node, from: present, replication: 3)
        present.removeAll { $0 == leaver }
        expectLeft(placement, next, leaver.node, "step \(step)")
        placement = next
      }
      expectSound(placement, present, 128, 3, "step \(step)")
    }
  }

  /// A change never puts a partition into fewer zones than it could be in.
  @Test(arguments: [2, 3, 4], 2...3)
  func zonesStaySpread(_ zones: Int, _ replication: Int) {
    let all = members(zones * 4, zones: zones)
    var present = Array(all[0..<zones])
    var placement = Placement.initial(members: present, partitions: 64, replication: replication)
    let zoneOf = Dictionary(uniqueKeysWithValues: all.map { ($0.node, $0.zone) })
    func check(_ comment: Comment) {
      let names = Set(present.map(\.zone))
      for replicas in placement.replicas {
        let used = Set(replicas.compactMap { zoneOf[$0] })
        #expect(used.count == min(names.count, replicas.count), comment)
      }
      expectWellFormed(
        placement, present, partitions: 64, replication: replication, comment)
    }
    for joiner in all[zones...] {
      placement = placement.adding(joiner, to: present, replication: replication)
      present.append(joiner)
      check("\(joiner.node) joins")
    }
    let even = loads(placement, present)
    #expect(Double(even.max() ?? 0) <= 1.1 * Double(64 * replication) / Double(present.count) + 1)
    for leaver in all[zones...].reversed() {
      placement = placement.removing(leaver.node, from: present, replication: replication)
      present.removeAll { $0 == leaver }
      check("\(leaver.node) leaves")
    }
  }

  @Test func fewerNodesThanReplicationFillUpAsTheyCome() {
    let one = Placement.initial(members: members(1), partitions: 8, replication: 3)
    let two = one.adding(members(2)[1], to: members(1), replication: 3)
    let three = two.adding(members(3)[2], to: members(2), replication: 3)
    #expect(two.replicas.allSatisfy { $0.count == 2 })
    #expect(three.replicas.allSatisfy { $0.count == 3 })
    let back = three.removing(members(3)[0].node, from: members(3), replication: 3)
    #expect(back.replicas.allSatisfy { $0.count == 2 && !$0.contains(members(3)[0].node) })
  }

  @Test func theLargestClusterChangesQuickly() {
    let present = members(63)
    let joiner = members(64)[63]
    let placement = Placement.initial(
      members: present, partitions: Limits.partitions, replication: 3)
    let elapsed = ContinuousClock().measure {
      let wider = placement.adding(joiner, to: present, replication: 3)
      #expect(wider.load(of: joiner.node) == Limits.partitions * 3 / 64)
      let back = wider.removing(joiner.node, from: present + [joiner], replication: 3)
      #expect(back.load(of: joiner.node) == 0)
    }
    #expect(elapsed < .seconds(30))
  }
}
