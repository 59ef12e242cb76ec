import KVBase
import KVCommand
import KVWire
import Testing

@testable import KVNodeCore

/// Whom a node talks with.
@Suite struct MembershipTests {
  private static let own = TestCluster.configuration(1, of: 3, partitions: 4)

  private func membership(clusterID: UInt64, adjust: (inout ClusterMap) -> Void = { _ in })
    -> Membership
  {
    guard clusterID != 0 else { return Membership(Self.own, isBlank: true, map: .unformed) }
    var map = Bootstrap.map(Self.own, clusterID: clusterID) { UInt64($0.rawValue) * 1000 }
    adjust(&map)
    return Membership(Self.own, isBlank: false, map: map)
  }

  private func hello(
    clusterID: UInt64 = 0, digest: UInt64? = nil, node: UInt32 = 2, incarnation: UInt64 = 2000
  ) -> Hello {
    Hello(
      role: .node, clusterID: clusterID, creationDigest: digest ?? Self.own.creationDigest,
      node: NodeID(node), incarnation: incarnation, isBlank: clusterID == 0, software: "test",
      address: "127.0.0.1:7402")
  }

  /// While one side does not know its cluster the digests must be equal; afterwards the ids must.
  @Test(arguments: [UInt64(0), 7], [UInt64(0), 7, 8])
  func digestsCountWhileOneSideIsUnformed(_ own: UInt64, _ other: UInt64) {
    let membership = membership(clusterID: own)
    for digest in [nil, 99] as [UInt64?] {
      let hello = hello(clusterID: other, digest: digest)
      let expected: Goaway.Reason? =
        if own == 0 || other == 0 {
          digest == nil ? nil : .creationDiffers
        } else {
          own == other ? nil : .wrongCluster
        }
      #expect(membership.problem(withDialing: hello, canJudge: true)?.reason == expected)
      #expect(membership.problem(withDialed: hello, expected: NodeID(2))?.reason == expected)
    }
  }

  /// What a node was made with counts, not the flags of this start.
  @Test func theDigestIsThatOfTheDataDirectory() {
    var later = Self.own
    later.recordedDigest = later.creationDigest
    later.partitions = 64
    later.members = [later.members[0]]
    #expect(later.creationDigest == Self.own.creationDigest)
    later.recordedDigest = nil
    #expect(later.creationDigest != Self.own.creationDigest)
  }

  @Test func theMapSaysWhoIsAMember() {
    let formed = membership(clusterID: 7) { map in
      map.members.removeAll { $0.node == NodeID(3) }
      map.members.append(MemberRecord(node: NodeID(9), incarnation: 0, address: "h:9"))
    }
    let reasons = [UInt32(2), 3, 9].map {
      formed.problem(
        withDialing: hello(clusterID: 7, node: $0, incarnation: UInt64($0) * 1000), canJudge: true
      )?.reason
    }
    #expect(reasons == [nil, .notAMember, nil])
    #expect(formed.others.map(\.address) == ["127.0.0.1:7402", "h:9"])
    let unformed = membership(clusterID: 0)
    #expect(unformed.others.map(\.address) == ["127.0.0.1:7402", "127.0.0.1:7403"])
    #expect(
      unformed.problem(withDialing: hello(node: 9), canJudge: true)?.reason == .creationDiffers)
  }

  @Test func anotherIncarnationIsAWipedDisk() {
    let hello = hello(clusterID: 0, incarnation: 2001)
    #expect(
      membership(clusterID: 7).problem(withDialing: hello, canJudge: true)?.reason == .wipedDisk)
    // Only what this version can do is advised.
    let advice = membership(clusterID: 7).problem(withDialing: hello, canJudge: true)?.message
    #expect(advice?.contains("start it with its old --data-dir") == true)
    #expect(advice?.contains("can neither replace nor add a member") == true)
    #expect((advice ?? "").utf8.count < Limits.errorMessageBytes)
    let unmet = membership(clusterID: 7) { $0.members[1].incarnation = 0 }
    #expect(unmet.problem(withDialing: hello, canJudge: true) == nil)
    #expect(unmet.problem(withDialing: hello, canJudge: false)?.reason == .cannotJudgeYet)
  }
}

extension Membership {
  /// `canJudge`: the map is as recent as the HELLO.
  func problem(withDialing hello: Hello, canJudge: Bool) -> Goaway? {
    var membership = self
    let now = Instant(nanoseconds: 1_000)
    return membership.problem(withDialing: hello, mapAsOf: canJudge ? now : nil, now: now)
  }
}
