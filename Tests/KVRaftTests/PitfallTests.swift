import KVBase
import Testing

@testable import KVRaft

/// Faults that other systems of this kind really had, each named after the fault; where it was seen
/// is said with it.
@Suite struct PitfallTests {
  // MARK: Elections and leadership

  /// Cloudflare's etcd outage of 2020, cockroach#107060. One link is cut, in one direction or both:
  /// the leader that reaches a majority stays.
  @Test(
    arguments: [[(1, 2)], [(2, 1)], [(1, 2), (2, 1)], [(2, 3), (3, 2)], [(2, 3)]]
      as [[(UInt32, UInt32)]])
  func partialPartitionDoesNotDepose(links: [(UInt32, UInt32)]) {
    let cluster = Cluster.ledByFirst(3)
    let term = cluster.hosts[0].core?.term
    for (from, to) in links { cluster.block(from, to) }
    for _ in 0..<100 {
      cluster.run(milliseconds: 50)
      cluster.propose(0, "p")
    }
    #expect(cluster.leader == 0 && cluster.hosts[0].core?.term == term)
    #expect(cluster.highestCommit > LogIndex(90))
    cluster.heal()
    #expect(cluster.converges(within: 2000))
    #expect(cluster.findings == [])
  }

  /// The same sources. The leader hears nobody, or reaches nobody, or only r3 reaches everyone: one
  /// that can lead does.
  @Test(arguments: 0...3)
  func partialPartitionDoesNotKeepAUselessLeader(shape: Int) {
    let cluster = Cluster.ledByFirst(5)
    switch shape {
    case 0: for other: UInt32 in 2...5 { cluster.block(other, 1) }
    case 1: for other: UInt32 in 2...5 { cluster.block(1, other) }
    case 2:
      for a: UInt32 in 1...5 {
        for b: UInt32 in 1...5 where a != b && a != 3 && b != 3 { cluster.block(a, b) }
      }
    default:
      // r1 keeps one follower; r2, r3, r4 hear each other, r5 only r4.
      for other: UInt32 in 3...5 {
        cluster.block(1, other)
        cluster.block(other, 1)
      }
      for other: UInt32 in 2...3 {
        cluster.block(5, other)
        cluster.block(other, 5)
      }
    }
    let before = cluster.highestCommit
    cluster.run(milliseconds: 3000)
    if let leader = cluster.leader { cluster.propose(leader, "after") }
    cluster.run(milliseconds: 500)
    #expect(cluster.leader != nil && cluster.leader != 0)
    #expect(cluster.highestCommit > before + 1)
    cluster.heal()
    #expect(cluster.converges(within: 3000))
    #expect(cluster.findings == [])
  }

  /// ClickHouse PR#121252.
  @Test func preVoteComparesLogs() {
    var voter = Solo(log: [1, 1, 2])
    let out = voter.receive(.vote(1, 9, pre: true), term: 3, from: 2)
    #expect(out.voteResponse?.response.granted == false)
  }

  /// ClickHouse#111454.
  @Test func termAndVoteAreOneRecord() {
    var solo = Solo(log: [1], hardState: HardState(term: Term(1), vote: r(3)))
    let out = solo.receive(.vote(1, 1), term: 2, from: 2)
    #expect(out.persists.count == 1)
    #expect(out.persists[0].hardState == HardState(term: Term(2), vote: r(2)))
    // A term alone never stands with the vote of another.
    let next = solo.receive(.heartbeat(), term: 3, from: 3)
    #expect(next.persists[0].hardState == HardState(term: Term(3), vote: nil))
  }

  /// openraft a48a3282: (2, 1) is later than (1, 9).
  @Test func logsAreComparedByTermFirst() {
    var voter = Solo(log: [1, 1, 1])
    #expect(voter.receive(.vote(2, 1), term: 3, from: 2).voteResponse?.response.granted == true)
    var other = Solo(log: [2])
    #expect(other.receive(.vote(1, 9), term: 3, from: 2).voteResponse?.response.granted == false)
  }

  /// openraft#1802.
  @Test func commitIndexIsTakenInOrderOfMatchNotOfId() throws {
    for order in [[9, 2, 5, 7], [2, 9, 7, 5], [5, 7, 9, 2], [7, 5, 2, 9]] as [[UInt64]] {
      var solo = Solo(of: GroupConfiguration(1...5))
      solo.leadAndCommit()
      for _ in 0..<10 { try solo.propose() }
      solo.turn()
      solo.sync()
      for (offset, match) in order.enumerated() {
        solo.acknowledge(LogIndex(match), from: UInt32(offset) + 2)
      }
      // Own 11, then 9, 7, 5, 2.
      #expect(solo.core.commitIndex == LogIndex(7))
    }
  }

  /// hashicorp/raft#503, etcd#13527, tikv#19626.
  @Test func aLeaderWithAStalledDiskHandsOver() {
    let cluster = Cluster.ledByFirst(3)
    cluster.hosts[0].isDiskStalled = true
    cluster.propose(0, "stuck")
    cluster.run(milliseconds: 20)
    cluster.input(0) { $0.stepDown(now: cluster.now, into: &$1) }
    #expect(cluster.run(within: 50) { cluster.leader != nil })
    #expect(cluster.leader != 0)
    // And it does not come back to lead while its disk stands still.
    cluster.run(milliseconds: 3000)
    #expect(cluster.leader != 0)
    cluster.resumeDisk(0)
    #expect(cluster.converges(within: 2000))
    #expect(cluster.findings == [])
  }

  /// etcd#20418, etcd#15247.
  @Test(arguments: [80, 150, 400, 2000] as [UInt64])
  func aPausedLeaderDoesNotServeAsIfNoTimeHadPassed(milliseconds: UInt64) {
    let cluster = Cluster.ledByFirst(3)
    cluster.askToRead(0)
    cluster.pause(0, milliseconds: milliseconds)
    for host in [1, 2] {
      cluster.input(host) { $0.nodeUnreachable(NodeID(1), now: cluster.now, into: &$1) }
    }
    for _ in 0..<(milliseconds / 10) {
      cluster.run(milliseconds: 10)
      if let leader = cluster.leader { cluster.propose(leader, "meanwhile") }
    }
    // The first thing it does is to answer reads.
    cluster.askToRead(0)
    cluster.run(milliseconds: 2000)
    #expect(cluster.converges(within: 2000))
    #expect(cluster.findings == [])
  }

  // MARK: Log and durability

  /// openraft 9540c904.
  @Test func anOldAppendDoesNotTruncate() {
    var solo = Solo(log: [1, 1, 1, 1, 1])
    let out = solo.receive(.append(after: 1, 1, entries([1], from: 2)), term: 1, from: 2)
    #expect(solo.core.lastIndex == LogIndex(5) && out.persists.isEmpty)
    #expect(out.appendResponses.map(\.outcome) == [.accepted(match: LogIndex(2))])
    // Nor does one without entries.
    solo.receive(.append(after: 3, 1), term: 1, from: 2)
    #expect(solo.core.lastIndex == LogIndex(5))
  }

  /// etcd-io/raft `async_storage_writes_append_aba_race`.
  @Test func anOldCompletionIsNotTakenForANewEntry() {
    var solo = Solo(log: [1])
    let first = solo.receive(.append(after: 1, 1, entries([2, 2], from: 2)), term: 2, from: 2)
    let second = solo.receive(.append(after: 1, 1, entries([3, 3], from: 2)), term: 3, from: 3)
    solo.core.persisted(first.persists[0].token, now: solo.now, into: &solo.out)
    solo.turn()
    #expect(solo.core.stableIndex == LogIndex(1))
    solo.core.persisted(second.persists[0].token, now: solo.now, into: &solo.out)
    solo.turn()
    #expect(solo.core.stableIndex == LogIndex(3))
  }

  /// The same, for a leader that counts itself.
  @Test func anOldCompletionDoesNotCountForALeaderOfALaterTerm() throws {
    var solo = Solo(hardState: HardState(term: .zero))
    solo.leadAndCommit()
    try solo.propose("old")
    let old = solo.turn().persists[0].token
    solo.receive(.append(after: 1, 1, entries([2], from: 2)), term: 2, from: 3)
    solo.now = solo.now + .milliseconds(200)
    // The disk has not finished any of it yet, but for the vote's sake.
    solo.core.persisted(old, now: solo.now, into: &solo.out)
    solo.turn()
    #expect(solo.core.stableIndex == LogIndex(1))
  }

  /// etcd#14370.
  @Test func aSingleReplicaCommitsOnlyWhatIsDurable() throws {
    var solo = Solo(of: GroupConfiguration(1...1))
    solo.lead()
    let index = try solo.propose()
    #expect(!solo.turn().commitAdvanced)
    #expect(solo.core.commitIndex < index)
    #expect(solo.sync().commitAdvanced)
    #expect(solo.core.commitIndex == index)
  }

  /// etcd#10219: what is said in a term waits for the term to be durable, also after a
  /// snapshot.
  @Test func theAnswerToASnapshotWaitsForTheTerm() {
    var solo = Solo(log: [1])
    _ = solo.core.offeredSnapshot(
      from: r(2), term: Term(4), index: LogIndex(9), snapshotTerm: Term(3), now: solo.now,
      into: &solo.out)
    _ = solo.core.beginInstall(index: LogIndex(9), term: Term(3))
    solo.core.installed(
      index: LogIndex(9), term: Term(3), configuration: GroupConfiguration(1...3), from: r(2),
      now: solo.now, into: &solo.out)
    let out = solo.turn()
    #expect(out.persists[0].hardState == HardState(term: Term(4)))
    #expect(out.appendResponses[0].after == out.persists[0].token)
  }
}
