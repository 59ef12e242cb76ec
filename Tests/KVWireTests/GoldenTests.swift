import GoldenBytes
import KVBase
import KVCommand
import KVWire
import Testing

/// The bytes of frames, requests and replies, as `Tests/Golden` records them.
@Suite struct WireGoldenBytesTests {
  private static func bytes(_ write: (inout ByteWriter) -> Void) -> Bytes {
    var writer = ByteWriter()
    write(&writer)
    return writer.take()
  }

  private static func expectGolden(
    _ file: String, version: Int = Int(Hello.protocolVersion),
    _ samples: [(name: String, bytes: Bytes)]
  ) throws {
    let problems = try GoldenBytes.problems(
      file, version: version, samples.map { ($0.name, $0.bytes.hexadecimal) })
    #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))")
  }

  // MARK: Frames

  @Test func everyFrameHasItsGoldenBytes() throws {
    var samples: [(name: String, bytes: Bytes)] = []
    for type in FrameType.allCases {
      // Between nodes every frame has its checksum.
      for flags in type == .peer ? [FrameFlags.checksum] : [.checksum, []] {
        let frame = Frame(type: type, flags: flags, stream: 7, payload: "payload")
        let encoded = Self.bytes { FrameEncoder.append(frame, into: &$0) }
        samples.append(("\(type)\(flags == [] ? "-without-checksum" : "")", encoded))
        #expect(try decodeFrames(encoded.array) == [frame])
      }
    }
    try Self.expectGolden("frames", version: Int(Frame.version), samples)
  }

  @Test func everyStandingIsReadBack() throws {
    for standing in [Hello.Standing.begun, .blank, .unbegun] {
      var hello = Hello(
        role: .node, clusterID: 0, creationDigest: 9, node: NodeID(3), incarnation: 10,
        isBlank: false, software: "kvnode 1")
      hello.standing = standing
      let bytes = Self.bytes { hello.encode(into: &$0) }
      #expect(try Hello(decoding: bytes) == hello)
      var unknown = bytes.array
      // After role, versions, features, cluster, digest, node and incarnation.
      unknown[37] = 3
      #expect(throws: WireError.self) { try Hello(decoding: Bytes(unknown)) }
    }
  }

  @Test func helloAndGoawayHaveTheirGoldenBytes() throws {
    let client = Hello(
      role: .client, clusterID: 0, creationDigest: 0, node: NodeID(0), incarnation: 0,
      isBlank: false, software: "kvctl 1")
    let node = Hello(
      role: .node, clusterID: 0x0102_0304_0506_0708, creationDigest: 9, node: NodeID(3),
      incarnation: 10, isBlank: true, software: "kvnode 1")
    let blank = Hello(
      role: .node, clusterID: 0, creationDigest: 9, node: NodeID(3), incarnation: 10,
      isBlank: true, software: "kvnode 1", address: "127.0.0.1:7403")
    let goaway = Goaway(.failedPrecondition, "this node belongs to another cluster")
    let samples = [
      ("hello-of-a-client", Self.bytes { client.encode(into: &$0) }),
      ("hello-of-a-node", Self.bytes { node.encode(into: &$0) }),
      ("hello-of-a-blank-node", Self.bytes { blank.encode(into: &$0) }),
      ("goaway", Self.bytes { goaway.encode(into: &$0) }),
    ]
    #expect(try Hello(decoding: samples[0].1) == client)
    #expect(try Hello(decoding: samples[1].1) == node)
    #expect(try Hello(decoding: samples[2].1) == blank)
    #expect(try Goaway(decoding: samples[3].1) == goaway)
    try Self.expectGolden("handshake", samples)
  }

  // MARK: Requests

  private static let requests: [(name: String, request: Request)] = [
    ("get", Request(.read(.get(keyspace: KeyspaceID(1), key: "key")))),
    ("multi-get", Request(.read(.multiGet(keyspace: KeyspaceID(2), keys: ["a", "bc"])))),
    (
      "scan",
      Request(
        .read(
          .scan(
            ScanCommand(
              keyspace: KeyspaceID(1), from: "a", to: "b", descending: true, keysOnly: true,
              limit: 100))), group: GroupID(5))
    ),
    (
      "scan-of-all",
      Request(
        .read(
          .scan(
            ScanCommand(
              keyspace: KeyspaceID(1), from: Bytes(), to: nil, descending: false, keysOnly: false,
              limit: 1))), group: GroupID(5))
    ),
    ("mutate", Request(.mutate(put, encoded: bytes { put.encode(into: &$0) }))),
    ("map", Request(.map)), ("status", Request(.status)), ("health", Request(.health)),
    (
      "get-with-all-metadata",
      Request(
        .read(.get(keyspace: KeyspaceID(1), key: "key")), deadline: .milliseconds(1500),
        consistency: .session, epoch: Epoch(4), after: LogIndex(77), maximumAge: .seconds(2),
        group: GroupID(3))
    ),
  ]

  private static let put = Command(
    session: SessionStamp(
      client: ClientID(createdMilliseconds: 1_700_000_000_000, random: 5), sequence: 8,
      lowestUnacknowledged: 6),
    body: .mutate(keyspace: KeyspaceID(1), key: "key", .put(value: "value", condition: .always)))

  @Test func everyRequestHasItsGoldenBytes() throws {
    let samples = Self.requests.map { sample in
      (name: sample.name, bytes: Self.bytes { sample.request.encode(into: &$0) })
    }
    try Self.expectGolden("requests", samples)
    for (_, encoded) in samples {
      let decoded = try Request(decoding: encoded)
      #expect(Self.bytes { decoded.encode(into: &$0) } == encoded)
    }
    #expect(Set(Self.requests.map(\.request.method)) == Set(Method.allCases))
  }

  /// Of a level, the number stands on the wire.
  @Test func levelsKeepTheirNumbers() {
    #expect(Consistency.allCases.map(\.rawValue) == [1, 2, 3, 4, 5, 6])
    #expect(Receipt.Served.allCases.map(\.rawValue) == [1, 2, 3, 4, 5])
    #expect(StatusCode.allCases.map(\.rawValue) == [UInt8](0...16))
    #expect(Reason.allCases.map(\.rawValue) == [UInt8](0...15))
  }

  // MARK: Replies

  private static let receipt = Receipt(
    served: .readIndex, node: NodeID(2), group: GroupID(5), term: Term(3), index: LogIndex(40),
    replicas: 2)
  private static let record = Record(version: LogIndex(31), value: "value")

  private static let replies: [(name: String, reply: Reply)] = [
    (
      "applied",
      .applied(
        .written(version: LogIndex(40)),
        Receipt(
          served: .commit, node: NodeID(2), group: GroupID(5), term: Term(3), index: LogIndex(40),
          replicas: 2, hasSiblings: true))
    ),
    ("record", .read(.record(record), receipt)),
    ("no-record", .read(.record(nil), receipt)),
    ("records", .read(.records([record, nil]), receipt)),
    ("page", .read(.page([ScannedRecord(key: "key", record: record)], more: true), receipt)),
    ("keyspace-dropped", .read(.keyspaceDropped, receipt)),
    ("too-large", .read(.tooLarge, receipt)),
    ("map", .map(view)), ("status", .status(report)),
    (
      "health",
      .health(
        HealthReport(node: NodeID(2), groupsWithLeader: 32, groups: 33, isShuttingDown: false))
    ),
    (
      "health-of-a-waiting-node",
      .health(
        HealthReport(
          node: NodeID(2), groupsWithLeader: 0, groups: 0, isShuttingDown: false,
          waitsFor: "not met: n1"))
    ),
    (
      "failed",
      .failed(
        Failure(
          .unavailable, .notLeader, notStarted: true, "n3 leads", leader: NodeID(3),
          retryAfter: .milliseconds(25)))
    ),
    (
      "failed-with-a-route",
      .failed(
        Failure(
          .unavailable, .notReplica, notStarted: true, "no replica here", leader: NodeID(3),
          route: GroupRoute(
            group: GroupID(5), epoch: Epoch(6),
            replicas: [
              .init(id: NodeID(3), address: "127.0.0.1:7403"), .init(id: NodeID(4), address: ""),
            ])))
    ),
    (
      "failed-without-advice",
      .failed(Failure(.deadlineExceeded, .leadershipLost, notStarted: false, ""))
    ),
  ]

  private static var view: ClusterView {
    let set = ReplicaSet(epoch: Epoch(1), voters: [ReplicaID(node: NodeID(1))])
    let member = MemberRecord(
      node: NodeID(1), incarnation: 10, address: "127.0.0.1:7401", zone: "a")
    return ClusterView(
      map: ClusterMap(
        forming: 9, members: [member], replicaSets: [set, set, set], defaultMode: .cp),
      leaders: [NodeID(1), NodeID(0), NodeID(1)])
  }

  private static let report = NodeReport(
    node: NodeID(1), incarnation: 10, clusterID: 9, epoch: Epoch(4), version: "1.0",
    uptimeMilliseconds: 5, logBytes: 6, stateBytes: 7, clientConnections: 8,
    groups: [
      NodeReport.Group(
        group: GroupID(1), role: .leader, term: Term(3), leader: NodeID(1), commit: LogIndex(12),
        applied: LogIndex(11), last: LogIndex(13), base: LogIndex(2), digest: 14)
    ],
    peers: [NodeReport.Peer(node: NodeID(2), isConnected: true, sinceMilliseconds: 15)],
    waitsFor: "not met: n2")

  @Test func everyReplyHasItsGoldenBytes() throws {
    let samples = Self.replies.map { sample in
      (name: sample.name, bytes: Self.bytes { sample.reply.encode(into: &$0) })
    }
    try Self.expectGolden("replies", samples)
    for (_, encoded) in samples {
      let decoded = try Reply(decoding: encoded)
      #expect(Self.bytes { decoded.encode(into: &$0) } == encoded)
    }
  }

  /// A kind of reply that the decoder knows and no sample has would have no golden bytes.
  @Test func everyKindOfReplyHasASample() {
    // An OK reply: status, flags, kind.
    let sampled = Set(
      Self.replies.compactMap { sample -> UInt8? in
        let bytes = Self.bytes { sample.reply.encode(into: &$0) }.array
        return bytes[0] == 0 ? bytes[2] : nil
      })
    for kind in UInt8.min...UInt8.max {
      var isKnown = true
      do throws(WireError) {
        _ = try Reply(decoding: Bytes([0, 0, kind]))
      } catch {
        isKnown = error != .unknownValue(what: "reply kind", value: UInt64(kind))
      }
      #expect(isKnown == sampled.contains(kind), "kind \(kind)")
    }
  }

  // MARK: The comparison itself

  @Test func aChangeIsFound() {
    func compare(_ samples: [(name: String, bytes: String)], _ recorded: String) -> [String] {
      GoldenBytes.compare(samples, version: 1, recorded: "version 1\n" + recorded)
    }
    #expect(compare([("a", "00"), ("b", "0102")], "a 00\nb 0102\n").isEmpty)
    #expect(compare([("a", "01")], "a 00\n") == ["a was 00 and is 01"])
    #expect(compare([("a", "01")], "") == ["a has no recorded bytes"])
    #expect(compare([], "a 00\n") == ["a is recorded, and has no sample"])
  }

  @Test func bytesOfAnotherVersionAreFound() {
    let recorded = "version 1\na 00\n"
    #expect(
      GoldenBytes.compare([("a", "00")], version: 2, recorded: recorded)
        == ["recorded for version 1, and this is 2"])
    #expect(
      GoldenBytes.compare([("a", "00")], version: 1, recorded: "a 00\n")
        == ["recorded for version ?, and this is 1"])
  }

  /// What has gone out under a version stays what it is: to record another needs a new version.
  @Test func recordedBytesChangeOnlyWithTheVersion() {
    let recorded = GoldenBytes.text([("a", "00"), ("b", "01")], version: 1)
    func changes(_ samples: [(name: String, bytes: String)], version: Int) -> [String] {
      GoldenBytes.changes(samples, version: version, recorded: recorded)
    }
    #expect(changes([("a", "00"), ("b", "01"), ("c", "02")], version: 1).isEmpty)
    #expect(
      changes([("a", "09"), ("b", "01")], version: 1)
        == ["a was 00 and is 09: raise the version of the format, 1, first"])
    #expect(
      changes([("a", "00")], version: 1)
        == ["b is recorded, and has no sample: raise the version of the format, 1, first"])
    #expect(changes([("a", "09")], version: 2).isEmpty)
    #expect(changes([("a", "00"), ("b", "01")], version: 0).count == 1)
  }
}
