import Testing

@testable import JepsenLite

@Suite struct NemesisPartitionTests {
  private func links(_ text: String) -> Set<NodeLink> {
    Set(
      text.split(separator: " ").map { pair in
        let ends = pair.split(separator: ">").compactMap { Int($0) }
        return NodeLink(from: ends[0], to: ends[1])
      })
  }

  /// Whether a hears b and is heard.
  private func together(_ a: Int, _ b: Int, _ cuts: Set<NodeLink>) -> Bool {
    !cuts.contains(NodeLink(from: a, to: b)) && !cuts.contains(NodeLink(from: b, to: a))
  }

  private func isSymmetric(_ cuts: Set<NodeLink>) -> Bool {
    cuts.allSatisfy { cuts.contains(NodeLink(from: $0.to, to: $0.from)) }
  }

  @Test func isolationFollowsTheLeader() {
    #expect(
      Partition.isolate(.leader).cuts(nodes: 3, leader: 2) == links("2>1 2>3 1>2 3>2"))
    // To cut off any other node would be another fault.
    #expect(Partition.isolate(.leader).cuts(nodes: 3, leader: nil).isEmpty)
    #expect(
      Partition.isolate(.follower(1)).cuts(nodes: 3, leader: 2) == links("3>1 3>2 1>3 2>3"))
    #expect(Partition.isolate(.leader).cuts(nodes: 5, leader: 5).count == 8)
  }

  @Test func halvesAreAMinorityAndAMajority() {
    #expect(
      Partition.halves(order: [3, 1, 2]).cuts(nodes: 3, leader: 1) == links("3>1 3>2 1>3 2>3"))
    let cuts = Partition.halves(order: [4, 2, 5, 1, 3]).cuts(nodes: 5, leader: 1)
    #expect(isSymmetric(cuts) && cuts.count == 12)
    #expect(together(4, 2, cuts) && together(5, 1, cuts) && together(1, 3, cuts))
    #expect(!together(4, 5, cuts) && !together(2, 3, cuts))
  }

  @Test func aBridgeSeesBothHalves() {
    let cuts = Partition.bridge(order: [5, 1, 2, 4, 3]).cuts(nodes: 5, leader: nil)
    #expect(isSymmetric(cuts) && cuts.count == 8)
    for node in [1, 2, 4, 5] { #expect(together(3, node, cuts)) }
    #expect(together(5, 1, cuts) && together(2, 4, cuts) && !together(5, 2, cuts))
  }

  @Test func inARingAllHaveAMajorityAndNoTwoTheSame() {
    let cuts = Partition.ring(order: [2, 4, 1, 5, 3]).cuts(nodes: 5, leader: nil)
    #expect(isSymmetric(cuts))
    var seen: Set<Set<Int>> = []
    for node in 1...5 {
      let view = Set((1...5).filter { $0 == node || together(node, $0, cuts) })
      #expect(view.count == 3)
      seen.insert(view)
    }
    #expect(seen.count == 5)
  }

  @Test(arguments: 5...9) func inARingOfAnySizeAllHaveAMajorityAndNoneAll(_ nodes: Int) {
    let cuts = Partition.ring(order: Array((1...nodes).reversed())).cuts(nodes: nodes, leader: nil)
    for node in 1...nodes {
      let seen = (1...nodes).count { $0 == node || together(node, $0, cuts) }
      #expect(seen > nodes / 2 && seen < nodes, "n\(node) sees \(seen) of \(nodes)")
    }
  }

  @Test func oneWayCutsOneDirection() {
    #expect(Partition.deaf(.leader).cuts(nodes: 3, leader: 1) == links("2>1 3>1"))
    #expect(Partition.mute(.leader).cuts(nodes: 3, leader: 1) == links("1>2 1>3"))
    #expect(Partition.deaf(.these([2])).cuts(nodes: 5, leader: 1) == links("1>2 3>2 4>2 5>2"))
  }

  @Test func aMajorityHasTheLeader() {
    #expect(NodeChoice.majority(order: [3, 2, 1]).nodes(of: 3, leader: 1) == [1, 3])
    #expect(NodeChoice.majority(order: [5, 3, 2, 1, 4]).nodes(of: 5, leader: 3) == [2, 3, 5])
    #expect(NodeChoice.leader.nodes(of: 1, leader: nil) == [1])
    for choice in [NodeChoice.leader, .follower(1), .majority(order: [1, 2, 3])] {
      #expect(choice.nodes(of: 3, leader: nil) == [] && choice.needsLeader)
    }
    #expect(NodeChoice.these([2]).nodes(of: 3, leader: nil) == [2])
  }
}
