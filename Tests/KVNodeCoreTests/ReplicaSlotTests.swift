import KVBase
import KVCommand
import KVLog
import KVPlacement
import KVRaft
import KVState
import KVWire
import Testing

@testable import KVNodeCore

/// Slots of a shard are handles with a generation: what comes late for a replica that has gone
/// changes nothing of the next one in its slot.
@Suite struct ReplicaSlotTests {
  private let group = GroupID(1)

  private func isRecord(_ record: LogRecord, _ wanted: String) -> Bool {
    switch record {
    case .reset(group, _, _, _, _): wanted == "reset"
    case .removed(group): wanted == "removed"
    default: false
    }
  }

  @Test func aReplicaBeginsWithARecordAndAnEmptyState() throws {
    var bench = ShardBench()
    bench.give(.addReplica(group, ShardBench.own, ShardBench.alone))
    let (asked, batch) = bench.endTurn()
    let records = try #require(batch?.records)
    #expect(records.first.map { isRecord($0, "reset") } == true)
    #expect(asked.creations.map(\.group) == [group])
    #expect(asked.creations.map(\.generation) == [Generation(1)])
    // Once: it is there.
    bench.give(.addReplica(group, ShardBench.own, ShardBench.alone))
    let (again, none) = bench.endTurn()
    #expect(again.creations.isEmpty && none == nil)
    bench.lead()
  }

  @Test func whoWaitsForARemovedReplicaIsAnswered() throws {
    var bench = ShardBench()
    bench.give(.addReplica(group, ShardBench.own, ShardBench.alone))
    bench.lead()
    let opened = bench.get(.stale)
    let (asked, _) = bench.endTurn()
    let number = try #require(asked.reads.first?.number)
    let proposed = bench.put()
    let ticketed = bench.get()
    let indexed = bench.get(.session, after: LogIndex(100))
    bench.give(.removeReplica(group))
    var answers = try bench.endTurn().asked.answers()
    // What was proposed may yet take effect; of a read nothing was done.
    for (stream, notStarted) in [(proposed, false), (ticketed, true), (indexed, true)] {
      guard case .failed(let failure)? = answers[stream] else {
        Issue.record("stream \(stream): \(String(describing: answers[stream]))")
        continue
      }
      #expect(failure.notStarted == notStarted)
      #expect(failure.reason == (notStarted ? .notReplica : .leadershipLost))
    }
    // The state that this one was to be read from is about to go, or has gone.
    bench.shard.readDone(number, .record(nil), &bench.outputs)
    answers = try bench.endTurn().asked.answers()
    guard case .failed(let failure)? = answers[opened] else {
      Issue.record("a read of a removed replica: \(String(describing: answers[opened]))")
      return
    }
    #expect(failure.reason == .notReplica && failure.notStarted)
    #expect(bench.shard.isDrained)
    // Later ones are told where the group is.
    let late = bench.get(.stale)
    guard case .failed(let turn)? = try bench.endTurn().asked.answers()[late] else {
      Issue.record("served without a replica")
      return
    }
    #expect(turn.reason == .notReplica && turn.route?.group == group)
  }

  @Test func theStateGoesWhenTheRecordIsDurable() throws {
    var bench = ShardBench()
    bench.give(.addReplica(group, ShardBench.own, ShardBench.alone))
    bench.lead()
    bench.give(.removeReplica(group))
    let (asked, batch) = bench.endTurn()
    #expect(try #require(batch).records.contains { isRecord($0, "removed") })
    #expect(asked.removals.isEmpty)
    for _ in 0..<10 { bench.tick() }
    #expect(bench.endTurn().asked.removals.isEmpty)
    bench.persisted(batch)
    #expect(bench.endTurn().asked.removals == [group])
  }

  /// The next replica's state was begun anew already, and must not go with the earlier one.
  @Test func theStateOfTheNextReplicaStays() throws {
    var bench = ShardBench()
    bench.give(.addReplica(group, ShardBench.own, ShardBench.alone))
    bench.lead()
    bench.give(.removeReplica(group))
    let (_, removal) = bench.endTurn()
    bench.give(.addReplica(group, ShardBench.own, ShardBench.alone))
    let (asked, _) = bench.endTurn()
    // Told apart from what was applied for the earlier one.
    #expect(asked.creations.map(\.generation) == [Generation(2)])
    bench.persisted(removal)
    #expect(bench.endTurn().asked.removals.isEmpty)
  }

  @Test func aLatePersistedOrAppliedIsNotTheNextReplicas() throws {
    var bench = ShardBench()
    bench.give(.addReplica(group, ShardBench.own, ShardBench.alone))
    bench.lead()
    // One write and one apply are on their way.
    _ = bench.put()
    let (_, first) = bench.endTurn()
    bench.persisted(first)
    let (applying, _) = bench.endTurn()
    #expect(applying.applies.count == 1)
    _ = bench.put()
    let (_, writing) = bench.endTurn()
    #expect(try #require(writing).records.count == 1)

    bench.give(.removeReplica(group))
    bench.give(.addReplica(group, ShardBench.own, ShardBench.alone))
    let (made, own) = bench.endTurn()
    #expect(made.creations.count == 1)
    bench.tick()
    let (_, campaign) = bench.endTurn()
    let before = try #require(bench.report)
    #expect(before.role != .leader && before.applied == .zero)
    bench.persisted(writing)
    bench.shard.applied(applying.applies.map(ShardBench.result), now: bench.now, &bench.outputs)
    let (late, batch) = bench.endTurn()
    let after = try #require(bench.report)
    #expect(after.role == before.role && after.term == before.term)
    #expect(after.applied == .zero && after.commit == .zero && after.digest == 0)
    #expect(late.isEmpty && batch == nil)
    // Its own make it the leader.
    bench.persisted(own)
    bench.persisted(campaign)
    bench.lead()
  }

  @Test func aLateReadOfTheLogIsNotTheNextReplicas() throws {
    // What a restart finds: entries that are durable and not applied, and none of them in memory.
    let configuration = GroupConfiguration(voters: [ShardBench.own])
    var recovered = NodeRecovery.Group(
      new: group, generation: Generation(1), configuration: configuration, map: nil)
    recovered.log = RecoveredLog(
      hardState: HardState(term: Term(1)), generation: Generation(1), baseIndex: .zero,
      baseTerm: .zero, lastIndex: LogIndex(2),
      termRuns: [TermRun(term: Term(1), firstIndex: LogIndex(1))],
      configurations: [IndexedConfiguration(index: .zero, configuration: configuration)])
    var bench = ShardBench([recovered])
    var order: NodeOutputs.LogRead?
    for _ in 0..<200 where order == nil {
      bench.tick()
      let (asked, batch) = bench.endTurn()
      bench.persisted(batch)
      order = asked.logReads.first
    }
    let read = try #require(order)
    bench.give(.removeReplica(group))
    bench.give(.addReplica(group, ShardBench.own, ShardBench.alone))
    _ = bench.endTurn()
    let entries = (1...2).map {
      LogEntry(
        index: LogIndex($0), term: Term(1), kind: .noop, logTimeMilliseconds: 1, payload: Bytes())
    }
    bench.shard.logRead(read.number, entries, now: bench.now, &bench.outputs)
    #expect(bench.endTurn().asked.isEmpty)
    // Nor is its absence a reason to stop.
    bench.shard.logRead(read.number, nil, now: bench.now, &bench.outputs)
    #expect(bench.endTurn().asked.fatal == nil)
  }

  @Test func aMessageInAnothersNameIsRefused() throws {
    var bench = ShardBench()
    var writer = ByteWriter()
    var envelope: PeerEnvelope?
    PeerMessage(
      group: group, from: ReplicaID(node: NodeID(3)), to: ShardBench.own, term: Term(9),
      body: .raft(.timeoutNow)
    ).encode(after: &envelope, into: &writer)
    let payload = writer.take()
    #expect(throws: WireError.invalid("peer message: another's replica")) {
      try bench.shard.peerFrame(from: NodeID(2), payload, now: bench.now, &bench.outputs)
    }
  }

  /// Such as one that the node had before it was made anew.
  @Test func aMessageToAnotherReplicaIsPassedOver() throws {
    var bench = ShardBench()
    let pair = ReplicaSet(epoch: Epoch(1), voters: [ShardBench.other, ShardBench.own])
    bench.give(.addReplica(group, ShardBench.own, pair))
    bench.persisted(bench.endTurn().batch)
    _ = bench.endTurn()
    let term = try #require(bench.report).term
    for (to, after) in [
      (ReplicaID(node: NodeID(1), ordinal: 2), term), (ShardBench.own, Term(9)),
    ] {
      var writer = ByteWriter()
      var envelope: PeerEnvelope?
      PeerMessage(
        group: group, from: ShardBench.other, to: to, term: Term(9),
        body: .raft(.heartbeat(.init(commit: .zero, round: 1)))
      ).encode(after: &envelope, into: &writer)
      try bench.shard.peerFrame(from: NodeID(2), writer.take(), now: bench.now, &bench.outputs)
      _ = bench.endTurn()
      #expect(try #require(bench.report).term == after)
    }
  }

  /// The sender would compact its log up to there, with fewer durable copies than it counts.
  @Test func anOfferForWhatIsCommittedAndNotDurableIsNotAcknowledged() throws {
    var bench = ShardBench()
    let pair = ReplicaSet(epoch: Epoch(1), voters: [ShardBench.other, ShardBench.own])
    bench.give(.addReplica(group, ShardBench.own, pair))
    bench.persisted(bench.endTurn().batch)
    let entries = (1...3).map {
      LogEntry(
        index: LogIndex($0), term: Term(2), kind: .noop, logTimeMilliseconds: 1, payload: Bytes())
    }
    let append = RaftMessage.AppendRequest(
      previousIndex: .zero, previousTerm: .zero, commit: LogIndex(3), round: 1, entries: entries)
    try bench.receive(.raft(.append(append)), term: Term(2))
    let (_, batch) = bench.endTurn()
    #expect(try #require(bench.report).commit == LogIndex(3))
    let offer = SnapshotMessage.offer(transfer: 4, index: LogIndex(3), term: Term(2))
    try bench.receive(.snapshot(offer), term: Term(2))
    #expect(try bench.endTurn().asked.messages().isEmpty)
    bench.persisted(batch)
    _ = bench.endTurn()
    // The offer comes again.
    try bench.receive(.snapshot(offer), term: Term(2))
    let sent = try bench.endTurn().asked.messages().map(\.body)
    #expect(sent.contains(.snapshot(.done(transfer: 4, succeeded: true))), "\(sent)")
  }

  @Test func aLateStepOfASnapshotIsNotTheNextReplicas() throws {
    var bench = ShardBench()
    let pair = ReplicaSet(epoch: Epoch(1), voters: [ShardBench.other, ShardBench.own])
    bench.give(.addReplica(group, ShardBench.own, pair))
    _ = bench.endTurn()
    let offer = SnapshotMessage.offer(transfer: 4, index: LogIndex(50), term: Term(2))
    try bench.receive(.snapshot(offer), term: Term(2))
    guard
      case .beginInstall(let transfer, _, let generation)? = bench.endTurn().asked.snapshots.first
    else {
      Issue.record("the offer was not taken")
      return
    }
    bench.give(.removeReplica(group))
    bench.give(.addReplica(group, ShardBench.own, pair))
    let (made, _) = bench.endTurn()
    #expect(try #require(made.creations.first).generation > generation)
    var status = NodeRecovery.Group(
      new: group, generation: generation, configuration: GroupConfiguration(voters: pair.voters),
      map: nil
    ).status
    status.appliedIndex = LogIndex(50)
    for step in [
      SnapshotStep.stepDone(problem: nil), .stepDone(problem: "bad"), .installed(status),
    ] {
      bench.shard.snapshotStep(transfer, step, now: bench.now, &bench.outputs)
      let (asked, batch) = bench.endTurn()
      #expect(asked.isEmpty && batch == nil, "\(step)")
    }
    #expect(bench.report?.applied == .zero && bench.report?.last == .zero)
  }

  /// An image that is opened for a replica that has gone is released, and its share of the node's
  /// transfers is free again.
  @Test func imagesOfARemovedReplicaAreReleased() throws {
    var bench = ShardBench()
    for round in 0..<(Limits.outgoingSnapshots * 2) {
      let transfer = try bench.openImage()
      let isOpen = round % 2 == 0
      var status = NodeRecovery.Group(
        new: group, generation: Generation(1),
        configuration: GroupConfiguration(voters: [ShardBench.own]), map: nil
      ).status
      status.appliedIndex = LogIndex(3)
      if isOpen {
        bench.shard.snapshotStep(transfer, .opened(status), now: bench.now, &bench.outputs)
      }
      bench.give(.removeReplica(group))
      var closed = bench.endTurn().asked.snapshots.compactMap { order -> TransferID? in
        if case .close(let id) = order { id } else { nil }
      }
      #expect(closed.contains(transfer))
      if !isOpen {
        bench.shard.snapshotStep(transfer, .opened(status), now: bench.now, &bench.outputs)
        closed = bench.endTurn().asked.snapshots.compactMap { order -> TransferID? in
          if case .close(let id) = order { id } else { nil }
        }
        #expect(closed == [transfer])
      }
    }
  }
}
