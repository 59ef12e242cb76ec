import KVBase
import KVCommand
import KVCommandLine
import KVWire
import Testing

@Suite struct OutputTests {
  @Test func tablesAreAlignedWithoutTrailingSpaces() {
    var table = Table([.left("NAME"), .right("N"), .left("REST")])
    table.add(["a", "1", ""])
    table.add(["long name", "12345", "x"])
    #expect(
      table.text() == """
        NAME           N  REST
        a              1
        long name  12345  x

        """)
  }

  @Test func elasticColumnsGiveWayAtEightyColumns() {
    var table = Table([.elastic("KEY"), .right("VERSION"), .elastic("VALUE")])
    table.add([String(repeating: "k", count: 70), "123", String(repeating: "v", count: 70)])
    table.add(["line\nbreak", "1", "tab\there"])
    let lines = table.text().split(separator: "\n")
    #expect(lines.count == 3)
    #expect(lines.allSatisfy { $0.count <= 80 && $0.last != " " })
    #expect(lines[1].contains("…"))
    #expect(lines[2].contains("line break"))
  }

  func report(_ node: UInt32, leads: Set<UInt32>, groups: UInt32, applied: UInt64) -> NodeReport {
    NodeReport(
      node: NodeID(node), incarnation: 1, clusterID: 9, epoch: Epoch(4), version: "0.1.0",
      uptimeMilliseconds: 3_723_000, logBytes: 64 << 20, stateBytes: 1_234_567_890,
      clientConnections: 3,
      groups: (0..<groups).map { group in
        NodeReport.Group(
          group: GroupID(group), role: leads.contains(group) ? .leader : .follower,
          term: Term(2), leader: NodeID(1), commit: LogIndex(100), applied: LogIndex(applied),
          last: LogIndex(100), base: .zero, digest: 0)
      },
      peers: node == 1
        ? [.init(node: NodeID(3), isConnected: false, sinceMilliseconds: 12_000)] : [])
  }

  func status(address: String = "127.0.0.1:7401") -> ClusterStatus {
    let nodes = (1...3).map { id in
      MemberRecord(node: NodeID(UInt32(id)), incarnation: UInt64(id), address: address)
    }
    let set = ReplicaSet(epoch: Epoch(1), voters: nodes.map { ReplicaID(node: $0.node) })
    let view = ClusterView(
      map: ClusterMap(
        forming: 9, members: nodes, replicaSets: Array(repeating: set, count: 5),
        defaultMode: .cp),
      leaders: Array(repeating: NodeID(0), count: 5))
    return ClusterStatus(
      view: view,
      rows: [
        .init(node: nodes[0], report: report(1, leads: [0, 1], groups: 5, applied: 100)),
        .init(node: nodes[1], report: report(2, leads: [2], groups: 5, applied: 93)),
        .init(node: nodes[2], report: nil, problem: "n3 down: start it"),
      ])
  }

  @Test func theStatusIsATableThatAPersonReads() {
    let text = status().text()
    #expect(
      text == """
        ID  ADDRESS         STATE  LEADS  GROUPS  LAG    LOG  DATA  UPTIME  VERSION
        n1  127.0.0.1:7401  up         2       5    0  64.0M  1.1G    1h2m  0.1.0
        n2  127.0.0.1:7401  up         1       5    7  64.0M  1.1G    1h2m  0.1.0
        n3  127.0.0.1:7401  down       -       -    -      -     -       -  -

        1 keyspace, 4 partitions, replication 3, map 1. n1 leads 2, n2 leads 1, n3 leads
        0; 2 of 5 groups have no leader (2, 3).
        n3 down: start it (n1 lost it 12 s ago)

        """)
  }

  /// The state is measured now and then: none was found yet, which is not the same as none.
  @Test func aSizeThatIsNotMeasuredYetIsNoZero() throws {
    var status = status()
    status.rows[1].report?.stateBytes = 0
    #expect(status.text().contains("64.0M     -    1h2m"))
    #expect(status.json().line.contains("\"state_bytes\":null"))
  }

  @Test func aNodeThatStartsSaysWhatItWaitsFor() throws {
    var status = status()
    status.rows[1].report?.groups = []
    status.rows[1].report?.waitsFor = "it waits; not met: n1 (nobody listens at 127.0.0.1:7401)"
    let text = status.text()
    #expect(text.contains("n2  127.0.0.1:7401  starting      0       0"))
    #expect(text.contains("\nn2: it waits; not met: n1 (nobody listens at 127.0.0.1:7401)\n"))
    guard case .array(let nodes) = try JSON(parsing: status.json().line.utf8)["nodes"] else {
      Issue.record("no nodes")
      return
    }
    #expect(nodes[1]["state"] == .text("starting"))
    #expect(nodes[1]["waits_for"] == status.rows[1].report.map { .text($0.waitsFor) })
  }

  @Test func withoutAMapEveryEndpointSpeaksForItself() throws {
    var waiting = report(1, leads: [], groups: 0, applied: 0)
    waiting.waitsFor = "this node is new; not met: n2 (nobody listens at 127.0.0.1:7402)"
    let status = EndpointStatus(rows: [
      .init(address: "127.0.0.1:7401", report: waiting),
      .init(address: "127.0.0.1:7402", report: nil, problem: "127.0.0.1:7402 down: start it"),
    ])
    #expect(
      status.text() == """
        ID  ADDRESS         STATE
        n1  127.0.0.1:7401  starting
        -   127.0.0.1:7402  down

        No node serves: the cluster is not formed yet.
        n1: this node is new; not met: n2 (nobody listens at 127.0.0.1:7402)
        127.0.0.1:7402 down: start it

        """)
    guard case .array(let nodes) = try JSON(parsing: status.json().line.utf8)["nodes"] else {
      Issue.record("no nodes")
      return
    }
    #expect(nodes[0]["reason"] == .text(waiting.waitsFor) && nodes[1]["id"] == .null)
    #expect(status.hasAnswer)
  }

  @Test func theStatusFitsEightyColumnsWithLongAddresses() {
    let lines = status(address: "a-rather-long-host-name.internal.example.org:7401").text()
      .split(separator: "\n")
    #expect(lines.allSatisfy { $0.count <= 80 && $0.last != " " })
  }

  @Test func theStatusIsJSONToo() throws {
    let json = try JSON(parsing: status().json().line.utf8)
    #expect(json["groups_without_leader"] == .integer(2))
    guard case .array(let nodes) = json["nodes"] else {
      Issue.record("no nodes")
      return
    }
    #expect(nodes[1]["lag"] == .integer(7))
    #expect(nodes[2]["state"] == .text("down"))
  }

  @Test func base64AndHexadecimalAreReadBack() {
    var random = SeededRandom(seed: 3)
    for count in 0..<50 {
      let bytes = (0..<count).map { _ in UInt8(random.below(256)) }
      #expect(Encodings.bytes(base64: Encodings.base64(bytes)) == bytes)
      #expect(Encodings.bytes(hexadecimal: Encodings.hexadecimal(bytes)) == bytes)
    }
    #expect(Encodings.base64(Array("any carnal pleas".utf8)) == "YW55IGNhcm5hbCBwbGVhcw==")
    for text in ["A", "AA=A", "====", "A===", "AA$=", "AAAA="] {
      #expect(Encodings.bytes(base64: text) == nil, "\(text)")
    }
    #expect(Encodings.bytes(hexadecimal: "abc") == nil)
    #expect(Encodings.bytes(hexadecimal: "zz") == nil)
  }

  @Test func aHistogramIsNearTheSortedTruth() {
    var random = SeededRandom(seed: 9)
    var histogram = Histogram()
    var all: [UInt64] = []
    for _ in 0..<20_000 {
      let value = random.below(1 << (1 + random.below(40)))
      histogram.record(value)
      all.append(value)
    }
    all.sort()
    for share in [0.1, 0.5, 0.9, 0.99, 0.999] {
      let truth = Double(all[Int((Double(all.count) * share).rounded(.up)) - 1])
      let told = Double(histogram.quantile(share))
      #expect(told >= truth && told <= truth * 1.02 + 1, "\(share): \(told) for \(truth)")
    }
    #expect(histogram.quantile(1) == all.last)
    var empty = Histogram()
    #expect(empty.quantile(0.5) == 0)
    empty.record(.max)
    #expect(empty.quantile(0.5) == .max)
  }
}
