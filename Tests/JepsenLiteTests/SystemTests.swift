import Foundation
import KVBase
import KVCommandLine
import KVWire
import Testing

@testable import JepsenLite

@Suite struct SystemTests {
  // MARK: Answers, base 64, HTTP

  @Test func answersAreLookedAt() throws {
    let text = #"""
      {"a": [1, -2, "x\n\"é\u00e9", null], "b": {"c": true, "d": {}}, "e": "12", "f": 1.5}
      """#
    let value = try JSON(parsing: text.utf8)
    #expect(value["a"]?.list == [.integer(1), .integer(-2), .text("x\n\"éé"), .null])
    #expect(value["b"]?["c"] == .bool(true) && value["b"]?["d"] == .object([] as [JSON.Member]))
    #expect(value["e"]?.integer == 12 && value["f"] == .number(1.5) && value["g"] == nil)
  }

  @Test func base64() {
    var random = SeededRandom(seed: 6)
    for count in 0..<40 {
      let bytes = (0..<count).map { _ in UInt8(random.below(256)) }
      let text = Encodings.base64(bytes)
      #expect(text == Data(bytes).base64EncodedString())
      #expect(Encodings.bytes(base64: text) == bytes)
    }
    #expect(Encodings.bytes(base64: "a?") == nil)
  }

  /// Feeds an answer in pieces of every size.
  private func response(_ text: String, pieces: Int) -> HTTPResponse.Progress {
    var response = HTTPResponse()
    let bytes = Array(text.utf8)
    var last = HTTPResponse.Progress.more
    for start in stride(from: 0, to: bytes.count, by: pieces) {
      guard case .more = last else { break }
      last = response.feed(Bytes(Array(bytes[start..<min(start + pieces, bytes.count)])))
    }
    return last
  }

  @Test(arguments: [
    "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
  ])
  func answersInPieces(text: String) {
    for pieces in [1, 2, 3, 7, 1000] {
      guard case .complete(200, let body) = response(text, pieces: pieces) else {
        Issue.record("not whole in pieces of \(pieces)")
        continue
      }
      #expect(body == Array("hello".utf8))
    }
    for count in 1..<text.utf8.count - 5 {
      guard case .more = response(String(text.prefix(count)), pieces: 1000) else { continue }
    }
  }

  @Test(arguments: [
    "nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
  ])
  func brokenAnswersAreNoted(text: String) {
    guard case .broken = response(text, pieces: 1000) else {
      Issue.record("\(text) was taken")
      return
    }
  }

  // MARK: What nodes say of their inside

  private func inspect(_ files: [String]) throws -> [Inspection] {
    var events = KVEvents()
    for (position, text) in files.enumerated() {
      let path = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString).path
      defer { try? FileManager.default.removeItem(atPath: path) }
      try text.write(toFile: path, atomically: true, encoding: .utf8)
      events.read(path, node: position + 1)
    }
    return events.inspections
  }

  private func role(_ node: Int, _ role: String, term: Int) -> String {
    "{\"time_ms\":1,\"node\":\(node),\"event\":\"role\",\"group\":7,\"role\":\"\(role)\","
      + "\"term\":\(term),\"leader\":null}\n"
  }

  private func commit(_ node: Int, _ index: Int) -> String {
    "{\"time_ms\":1,\"node\":\(node),\"event\":\"committed\",\"group\":7,\"index\":\(index)}\n"
  }

  @Test func soundEventsAreGood() throws {
    let first = role(1, "leader", term: 2) + commit(1, 4) + commit(1, 5) + "{\"torn"
    // It starts again, takes a role, and begins lower.
    let second =
      role(2, "follower", term: 2) + commit(2, 5) + role(2, "follower", term: 2) + commit(2, 3)
      + role(2, "leader", term: 3)
    let found = try inspect([first, second])
    #expect(found.count == 2 && found.allSatisfy { $0.isGood && $0.couldCheck })
  }

  @Test func twoLeadersOfATermAreFound() throws {
    let found = try inspect([role(1, "leader", term: 2), role(2, "leader", term: 2)])
    #expect(!found[0].isGood && found[0].couldCheck && found[0].text.contains("term 2"))
  }

  @Test func commitsThatAreTakenBackAreFound() throws {
    let found = try inspect([role(1, "leader", term: 2) + commit(1, 4) + commit(1, 3)])
    #expect(!found[1].isGood && found[1].couldCheck)
  }

  @Test func silentNodesProveNothing() throws {
    let found = try inspect([role(1, "leader", term: 2), ""])
    #expect(found.allSatisfy { !$0.couldCheck && !$0.isGood })
  }

  private func report(
    _ node: UInt32, leads: Bool, applied: UInt64, digest: UInt64, leader: UInt32 = 1
  ) -> NodeReport {
    let group = NodeReport.Group(
      group: GroupID(4), role: leads ? .leader : .follower, term: Term(3), leader: NodeID(leader),
      commit: LogIndex(applied), applied: LogIndex(applied), last: LogIndex(applied),
      base: LogIndex(0), digest: digest)
    return NodeReport(
      node: NodeID(node), incarnation: 1, clusterID: 1, epoch: Epoch(1), version: "1",
      uptimeMilliseconds: 1, logBytes: 0, stateBytes: 0, clientConnections: 0, groups: [group],
      peers: [])
  }

  @Test func equalCopiesHaveConverged() {
    let reports = KVReports([
      report(1, leads: true, applied: 9, digest: 5), report(2, leads: false, applied: 9, digest: 5),
    ])
    #expect(reports.hasConverged && reports.convergence.isGood && reports.agreement.isGood)
    #expect(reports.leaderTrouble == nil && reports.committed[GroupID(4)] == LogIndex(9))
  }

  @Test func unequalCopiesHaveNot() {
    let digests = KVReports([
      report(1, leads: true, applied: 9, digest: 5), report(2, leads: false, applied: 9, digest: 6),
    ])
    #expect(digests.hasUnequalDigests && !digests.convergence.isGood)
    let behind = KVReports([
      report(1, leads: true, applied: 9, digest: 5), report(2, leads: false, applied: 8, digest: 5),
    ])
    #expect(!behind.hasUnequalDigests && !behind.hasConverged && !behind.convergence.isGood)
  }

  @Test func aMissingCopyIsFound() {
    let two = [
      report(1, leads: true, applied: 9, digest: 5), report(2, leads: false, applied: 9, digest: 5),
    ]
    let short = KVReports(two, copies: 3)
    #expect(!short.hasConverged && !short.convergence.isGood)
    #expect(short.convergence.text.contains("2 of 3 copies: on n1, n2"))
    #expect(KVReports(two, copies: 2).hasConverged)
    #expect(!KVReports([], copies: 3).hasConverged && !KVReports([]).convergence.isGood)
  }

  @Test func leadersAreAgreedOn() {
    let none = KVReports([report(1, leads: false, applied: 9, digest: 5, leader: 0)])
    #expect(none.leaderTrouble?.contains("0 leaders") == true)
    let other = KVReports([
      report(1, leads: true, applied: 9, digest: 5),
      report(2, leads: false, applied: 9, digest: 5, leader: 3),
    ])
    #expect(other.leaderTrouble?.contains("does not know") == true && !other.agreement.isGood)
    #expect(KVReports([]).leaderTrouble != nil)
  }
}
