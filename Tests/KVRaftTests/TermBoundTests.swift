import KVBase
import Testing

@testable import KVRaft

/// A term is a number that anybody who can connect may name. One far beyond the replica's own is
/// not entered: there would be no next one.
@Suite struct TermBoundTests {
  private static let bodies: [RaftMessage.Body] = [
    .heartbeat(), .append(), .vote(9, 9), .vote(9, 9, transfer: true), .timeoutNow,
    .voteResponse(.init(isPreVote: false, granted: false)),
    .appendResponse(.init(outcome: .accepted(match: .zero), round: 0)),
    .heartbeatResponse(.init(round: 0)),
  ]

  @Test(arguments: bodies.indices)
  func aTermFarBeyondItsOwnIsNotEntered(at: Int) throws {
    var solo = Solo(log: [1])
    for term in [UInt64.max, UInt64.max - 1] {
      let out = solo.receive(Self.bodies[at], term: term, from: 2)
      #expect(solo.core.term == Term(1) && out.sends.isEmpty)
    }
    // It campaigns, leads, and takes what an honest leader says.
    solo.lead()
    #expect(solo.core.term == Term(2))
    solo.receive(.heartbeat(), term: 3, from: 3)
    #expect(solo.core.term == Term(3) && solo.core.leader == r(3))
  }

  @Test func aSnapshotOfATermFarBeyondItsOwnIsNotTaken() {
    var solo = Solo(log: [1])
    let isUseful = solo.core.offeredSnapshot(
      from: r(2), term: Term(.max), index: LogIndex(9), snapshotTerm: Term(3), now: solo.now,
      into: &solo.out)
    #expect(!isUseful && solo.core.term == Term(1))
  }
}
