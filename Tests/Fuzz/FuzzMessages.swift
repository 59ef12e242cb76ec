import KVBase
import KVCommand
import KVLog
import KVNodeCore
import KVRaft
import KVState
import KVWire

extension FuzzTarget {
  /// Payloads of frames.
  static let messages: [FuzzTarget] = [
    lenient(
      "request", samples: requestSamples,
      decode: { bytes throws(WireError) in try Request(decoding: bytes) },
      encode: { $0.encode(into: &$1) }),
    lenient(
      "reply", samples: replySamples,
      decode: { bytes throws(WireError) in try Reply(decoding: bytes) },
      encode: { $0.encode(into: &$1) }),
    lenient(
      "hello", samples: helloSamples,
      decode: { bytes throws(WireError) in try Hello(decoding: bytes) },
      encode: { $0.encode(into: &$1) }),
    lenient(
      "goaway", samples: { [Goaway(.shuttingDown, "shutting down")] },
      decode: { bytes throws(WireError) in try Goaway(decoding: bytes) },
      encode: { $0.encode(into: &$1) }),
    value(
      "peer message", samples: peerSamples,
      decode: { (reader: inout ByteReader) throws(WireError) in
        var envelope: PeerEnvelope?
        return try PeerMessage(from: &reader, after: &envelope)
      },
      encode: {
        var envelope: PeerEnvelope?
        $0.encode(after: &envelope, into: &$1)
      }),
  ]

  /// What comes from disks, and in snapshots from peers.
  static let stored: [FuzzTarget] = [
    FuzzTarget(
      name: "snapshot chunk", seeds: snapshotSeeds,
      run: { bytes in
        // Without its checksum, which is made to fit: else no change would get past it.
        guard bytes.count >= 34 else { return false }
        var writer = ByteWriter()
        writer.append(raw: bytes)
        let seed = bytes.load(UInt64.self, at: 26)
        let digest = unsafe bytes.withUnsafeBytes { unsafe XXH3.hash($0, seed: seed) }
        writer.append(digest)
        return (try? SnapshotFormat.decode(writer.take())) != nil
      }),
    FuzzTarget(
      name: "log record", seeds: logRecordSeeds,
      run: { bytes in
        var reader = ByteReader(bytes)
        return (try? LogRecordCodec.decode(from: &reader)) != nil
      }),
    FuzzTarget(
      name: "log segment header", seeds: segmentHeaderSeeds,
      run: { bytes in
        // With a checksum that fits: else no change would get past it.
        guard bytes.count >= LogFormat.segmentHeaderSize else { return false }
        var writer = ByteWriter()
        writer.append(raw: bytes[0..<LogFormat.segmentHeaderSize - 8])
        writer.append(writer.checksum(from: 0))
        return (try? SegmentHeader(writer.take())) != nil
      }),
    FuzzTarget(
      name: "session", seeds: sessionSeeds,
      run: { (try? SessionFormat.decode($0, client: sampleSession.client)) != nil }),
    FuzzTarget(
      name: "record",
      seeds: {
        var writer = ByteWriter()
        RecordFormat.appendHeader(version: LogIndex(4), to: &writer)
        writer.append(raw: "value")
        return [writer.bytes]
      },
      run: { (try? RecordFormat.decode($0)) != nil }),
  ]
}

// MARK: Samples

@Sendable private func requestSamples() -> [Request] {
  let scan = ScanCommand(
    keyspace: .default, from: "a", to: "z", descending: true, keysOnly: true, limit: 10)
  var requests = commandSamples().map { command in
    var writer = ByteWriter()
    command.encode(into: &writer)
    return Request(
      .mutate(command, encoded: writer.take()), deadline: .seconds(1), consistency: .quorum,
      epoch: Epoch(3))
  }
  requests += [
    Request(.read(.get(keyspace: .default, key: "key")), after: LogIndex(5)),
    Request(.read(.multiGet(keyspace: .default, keys: ["a", "b"])), maximumAge: .seconds(2)),
    Request(.read(.scan(scan)), group: GroupID(2)), Request(.map), Request(.status),
    Request(.health),
  ]
  return requests
}

@Sendable private func replySamples() -> [Reply] {
  let receipt = Receipt(
    served: .readIndex, node: NodeID(1), group: GroupID(2), term: Term(3), index: LogIndex(4),
    replicas: 2)
  let record = Record(version: LogIndex(4), value: "value")
  let group = NodeReport.Group(
    group: GroupID(1), role: .leader, term: Term(2), leader: NodeID(1), commit: LogIndex(9),
    applied: LogIndex(8), last: LogIndex(10), base: LogIndex(0), digest: 5)
  let report = NodeReport(
    node: NodeID(1), incarnation: 2, clusterID: 3, epoch: Epoch(4), version: "1.0",
    uptimeMilliseconds: 5, logBytes: 6, stateBytes: 7, clientConnections: 8, groups: [group],
    peers: [.init(node: NodeID(2), isConnected: true, sinceMilliseconds: 9)])
  let view = ClusterView(
    map: mapSamples()[1], leaders: [NodeID(1), NodeID(1), NodeID(0)])
  return resultSamples().map { .applied($0, receipt) } + [
    .read(.record(record), receipt), .read(.record(nil), receipt),
    .read(.records([record, nil]), receipt),
    .read(.page([ScannedRecord(key: "key", record: record)], more: true), receipt),
    .map(view), .status(report),
    .health(
      HealthReport(node: NodeID(1), groupsWithLeader: 2, groups: 3, isShuttingDown: false)),
    .failed(
      Failure(
        .unavailable, .noQuorum, notStarted: true, "no quorum", leader: NodeID(2),
        retryAfter: .seconds(1))),
  ]
}

@Sendable private func helloSamples() -> [Hello] {
  [
    Hello(
      role: .node, clusterID: 1, creationDigest: 2, node: NodeID(3), incarnation: 4,
      isBlank: false, software: "kvnode")
  ]
}

@Sendable private func peerSamples() -> [PeerMessage] {
  let bodies: [PeerMessage.Body] = [
    .raft(
      .voteRequest(
        .init(isPreVote: true, lastIndex: LogIndex(7), lastTerm: Term(2), isTransfer: false))),
    .raft(.voteResponse(.init(isPreVote: false, granted: true))),
    .raft(
      .append(
        .init(
          previousIndex: LogIndex(4), previousTerm: Term(2), commit: LogIndex(3), round: 9,
          entries: entrySamples().prefix(1).map { $0 }))),
    .raft(.appendResponse(.init(outcome: .accepted(match: LogIndex(6)), round: 9))),
    .raft(
      .appendResponse(
        .init(
          outcome: .rejected(previousIndex: LogIndex(4), hint: LogIndex(2), hintTerm: Term(1)),
          round: 9))),
    .raft(.heartbeat(.init(commit: LogIndex(6), round: 10))),
    .raft(.heartbeatResponse(.init(round: 10))), .raft(.timeoutNow),
    .snapshot(.offer(transfer: 8, index: LogIndex(100), term: Term(2))),
    .snapshot(.request(transfer: 8, sequence: 1)),
    .snapshot(.chunk(transfer: 8, sequence: 1, isLast: true, bytes: "chunk")),
    .snapshot(.done(transfer: 8, succeeded: false)),
  ]
  return bodies.map {
    PeerMessage(
      group: GroupID(2), from: ReplicaID(node: NodeID(1)), to: ReplicaID(node: NodeID(3)),
      term: Term(3), body: $0)
  }
}

@Sendable private func snapshotSeeds() -> [[UInt8]] {
  // u8 version, u8 flags, u32 group, u64 index, u64 term, u32 sequence, u64 digest before; one
  // record; and in the second, which is the last, the count of all.
  [0, 2].map { (flags: UInt8) in
    var writer = ByteWriter()
    writer.append(SnapshotFormat.formatVersion)
    writer.append(flags)
    writer.append(UInt32(2))
    writer.append(UInt64(100))
    writer.append(UInt64(3))
    writer.append(UInt32(1))
    writer.append(UInt64(77))
    writer.append(UInt32(1))
    writer.append(short: "suffix")
    writer.append(sized: "value")
    if flags == 2 { writer.append(UInt64(1)) }
    return writer.bytes
  }
}

@Sendable private func logRecordSeeds() -> [[UInt8]] {
  let configuration = GroupConfiguration(voters: [ReplicaID(rawValue: 1)])
  let records: [LogRecord] = [
    .entries(GroupID(2), entrySamples()),
    .hardState(GroupID(2), HardState(term: Term(3), vote: ReplicaID(rawValue: 1))),
    .reset(
      GroupID(2), generation: Generation(1), index: LogIndex(5), term: Term(2),
      configuration: configuration),
    .removed(GroupID(2)), .data(.ap, PartitionID(3), "value"),
  ]
  var seeds = records.map {
    var writer = ByteWriter()
    LogRecordCodec.encode($0, salt: 9, into: &writer)
    return writer.bytes
  }
  let log = RecoveredLog(
    hardState: HardState(term: Term(3)), generation: Generation(1), baseIndex: LogIndex(5),
    baseTerm: Term(2), lastIndex: LogIndex(7),
    termRuns: [TermRun(term: Term(2), firstIndex: LogIndex(6))],
    configurations: [IndexedConfiguration(index: LogIndex(5), configuration: configuration)])
  var writer = ByteWriter()
  LogRecordCodec.encode(group: GroupID(2), log, neededFrom: LogPosition(77), into: &writer)
  seeds.append(writer.bytes)
  writer.removeAll()
  LogRecordCodec.encode(
    partition: RecoveredPartition(
      partition: PartitionID(3), releasedBefore: LogPosition(66), neededFrom: nil), into: &writer)
  seeds.append(writer.bytes)
  return seeds
}

@Sendable private func segmentHeaderSeeds() -> [[UInt8]] {
  var writer = ByteWriter()
  SegmentHeader(
    identity: LogIdentity(node: NodeID(1), creationDigest: 2), sequence: 3, salt: 4,
    begin: LogPosition(5000), firstNeeded: 2
  ).encode(into: &writer)
  return [writer.bytes]
}

@Sendable private func sessionSeeds() -> [[UInt8]] {
  var writer = ByteWriter()
  writer.append(SessionFormat.formatVersion)
  writer.append(UInt64(3))
  writer.append(UInt32(resultSamples().count))
  for (offset, result) in resultSamples().enumerated() {
    writer.append(UInt64(offset) + 3)
    result.encode(into: &writer)
  }
  return [writer.bytes]
}
