import KVBase
import KVCommand
import KVRaft
import KVState
import KVWire
import Testing

@testable import KVNodeCore

/// Snapshots of group 1, sent and received by hand.
extension ShardBench {
  /// A leader whose log begins after what its learner, node 2, has: it opens an image.
  mutating func openImage() throws -> TransferID {
    let group = GroupID(1)
    give(
      .addReplica(
        group, Self.own, ReplicaSet(epoch: Epoch(1), voters: [Self.own], learners: [Self.other])))
    lead()
    for _ in 0..<3 { _ = put() }
    lead()
    let report = try #require(report)
    give(
      .flushed([
        FlushedGroup(
          group: group, index: report.applied, firstForFollowers: nil, firstForTransfers: nil)
      ]))
    #expect(try #require(self.report).base == report.applied)
    for _ in 0..<200 {
      tick()
      let (asked, batch) = endTurn()
      persisted(batch)
      for case .open(let transfer, group) in asked.snapshots { return transfer }
      for message in try asked.messages() where message.term == report.term {
        if let answer = Self.answer(to: message.body) { try receive(answer, term: report.term) }
      }
    }
    Issue.record("no image was asked for: \(String(describing: self.report))")
    throw CancellationError()
  }

  /// What a learner with an empty log says.
  private static func answer(to body: PeerMessage.Body) -> PeerMessage.Body? {
    switch body {
    case .raft(.append(let append)):
      let outcome = RaftMessage.AppendResponse.Outcome.rejected(
        previousIndex: append.previousIndex, hint: .zero, hintTerm: .zero)
      return .raft(.appendResponse(.init(outcome: outcome, round: append.round)))
    case .raft(.heartbeat(let heartbeat)):
      return .raft(.heartbeatResponse(.init(round: heartbeat.round)))
    default: return nil
    }
  }

  /// The last entry of the snapshot that node 2 offers, and its term.
  static let snapshot = (index: LogIndex(50), term: Term(2))

  /// A follower of node 2 that lacks everything: its installation of a snapshot has begun, and
  /// waits for the first chunk.
  mutating func beginInstall() throws -> TransferID {
    give(
      .addReplica(
        GroupID(1), Self.own, ReplicaSet(epoch: Epoch(1), voters: [Self.other, Self.own])))
    persisted(endTurn().batch)
    let (index, term) = Self.snapshot
    try receive(.snapshot(.offer(transfer: 4, index: index, term: term)), term: term)
    guard case .beginInstall(let transfer, _, _)? = endTurn().asked.snapshots.first else {
      Issue.record("the offer was not taken")
      throw CancellationError()
    }
    step(transfer, .stepDone(problem: nil))
    return transfer
  }

  /// The only chunk of that snapshot comes. True where it is to be installed.
  mutating func receiveChunk() throws -> Bool {
    let chunk = SnapshotMessage.chunk(transfer: 4, sequence: 0, isLast: true, bytes: "chunk")
    try receive(.snapshot(chunk), term: Self.snapshot.term)
    return endTurn().asked.snapshots.contains { if case .installChunk = $0 { true } else { false } }
  }

  mutating func step(_ transfer: TransferID, _ step: SnapshotStep) {
    shard.snapshotStep(transfer, step, now: now, &outputs)
  }

  /// What a state of one replica holds after these entries.
  static func status(through index: LogIndex, term: Term) -> GroupStatus {
    var status = NodeRecovery.Group(
      new: GroupID(1), generation: Generation(1),
      configuration: GroupConfiguration(voters: [own]), map: nil
    ).status
    status.appliedIndex = index
    status.appliedTerm = term
    return status
  }
}
