import Foundation
import Glibc
import JepsenHistory
import JepsenNetwork
import KVBase
import Testing

@testable import JepsenLite

/// A system whose nodes only sleep.
private struct Sleepers: SystemUnderTest {
  var nodes: Int
  /// What a node runs.
  var script = "exec sleep 600"

  var name: String { "sleepers" }
  var hasDirectedPorts: Bool { true }
  var hasFramedLinks: Bool { false }

  func launch(_ node: Int, _ layout: Layout) -> Launch {
    Launch(command: ["/bin/sh", "-c", script], environment: ["NODE": "\(node)"])
  }
  func connect(client number: Int, _ layout: Layout) async throws -> any SystemClient {
    throw StageFailure("nobody listens")
  }
  var leading: Int? = 2
  func leader(of key: String) async -> Int? { leading }
  func trouble() async -> String? { nil }
  func inspect(_ layout: Layout) async -> [Inspection] { [] }
  func close() async {}
}

@Suite(.serialized) struct NemesisStageTests {
  private func withStage(
    _ system: Sleepers, _ body: (Stage) async throws -> Void
  ) async throws {
    let folder = FileManager.default.temporaryDirectory.path + "/stage-\(UUID().uuidString)"
    defer { Scratch.remove(folder) }
    let stage = try Stage.prepare(
      folder: folder, system: system.nodes, hasDirectedPorts: true, hasFramedLinks: false,
      hasSeparatePeerPorts: false, usesFaultLibrary: false)
    try await stage.start(system)
    stage.beginWatch(clock: RunClock(), hotKey: "k")
    do {
      try await body(stage)
    } catch {
      await stage.end()
      throw error
    }
    await stage.end()
    for node in stage.nodes { #expect(!node.isRunning) }
  }

  private func inject(_ stage: Stage, _ action: FaultAction, milliseconds: Int) async -> FaultRecord
  {
    let plan = FaultPlan(
      nemesis: "test", startMilliseconds: 0, lengthMilliseconds: milliseconds, action: action,
      seed: 1)
    var injection = FaultInjection(stage: stage, plan: plan, clock: RunClock())
    return await injection.carryOut()
  }

  @Test func aKilledNodeIsProvedDeadAndStartedAgain() async throws {
    try await withStage(Sleepers(nodes: 3)) { stage in
      let before = stage.node(2).pid
      let record = await inject(stage, .kill(.leader), milliseconds: 200)
      #expect(record.didBite && record.nodes == [2], "\(record)")
      #expect(record.proof.contains("ended by signal 9, started again"))
      #expect(stage.node(2).pid != nil && stage.node(2).pid != before)
      #expect(stage.unexpectedEnds().isEmpty)
      let conditions = stage.nodeStates.filter { $0.node == 2 }.map(\.condition)
      #expect(conditions.contains(.down), "\(conditions)")
    }
  }

  @Test func aPausedNodeIsProvedStoppedAndGoesOn() async throws {
    try await withStage(Sleepers(nodes: 2)) { stage in
      let record = await inject(stage, .pause(.these([1])), milliseconds: 300)
      #expect(record.didBite, "\(record)")
      #expect(stage.node(1).processState == "S")
    }
  }

  @Test func aPauseThatDidNotLastDidNotBite() async throws {
    try await withStage(Sleepers(nodes: 2)) { stage in
      let pid = try #require(stage.node(1).pid)
      async let record = inject(stage, .pause(.these([1])), milliseconds: 600)
      try await Task.sleep(for: .milliseconds(300))
      kill(pid, SIGCONT)
      #expect(await !record.didBite)
    }
  }

  @Test func healingStartsAndContinuesAll() async throws {
    try await withStage(Sleepers(nodes: 3)) { stage in
      stage.node(1).pause()
      _ = await stage.node(3).end(by: SIGKILL)
      _ = stage.board.lay([Link(NodeLink(from: 1, to: 2)): .cut])
      #expect(await stage.trouble() != nil)
      let verdict = await stage.heal()
      #expect(verdict.status == .passed && verdict.name == "heals", "\(verdict)")
      #expect(stage.node(1).processState != "T" && stage.node(3).isRunning)
      #expect(!stage.board.rule(Link(NodeLink(from: 1, to: 2))).isCut)
      #expect(stage.unexpectedEnds().isEmpty)
    }
  }

  @Test func aCutWithoutTrafficDidNotBite() async throws {
    try await withStage(Sleepers(nodes: 2)) { stage in
      let record = await inject(stage, .partition(.isolate(.these([1]))), milliseconds: 200)
      #expect(!record.didBite)
    }
  }

  @Test func aNodeThatEndsByItselfIsFound() async throws {
    let ends = "[ $NODE = 2 ] && sleep 0.3 && echo said last && exit 7; exec sleep 600"
    try await withStage(Sleepers(nodes: 3, script: ends)) { stage in
      try await Task.sleep(for: .milliseconds(800))
      let found = stage.unexpectedEnds()
      #expect(
        found.count == 1 && found.first?.text.contains("n2 ended by itself (exit code 7)") == true)
      #expect(found.first?.text.contains("said last") == true)
      #expect(found.first?.isViolation == false)
    }
  }

  @Test func aNodeThatTrapsIsAViolation() async throws {
    let ends = "[ $NODE = 2 ] && sleep 0.3 && kill -ABRT $$; exec sleep 600"
    try await withStage(Sleepers(nodes: 2, script: ends)) { stage in
      try await Task.sleep(for: .milliseconds(800))
      #expect(stage.unexpectedEnds().map(\.isViolation) == [true])
    }
  }

  @Test func anExcusedEndIsNoFinding() async throws {
    let ends = "[ $NODE = 2 ] && sleep 0.3 && exit 7; exec sleep 600"
    try await withStage(Sleepers(nodes: 3, script: ends)) { stage in
      stage.node(2).excuse(
        "it may", expecting: [ExpectedEnd(code: 7, message: "")])
      try await Task.sleep(for: .milliseconds(800))
      stage.node(2).endExcuse()
      #expect(stage.unexpectedEnds().isEmpty)
      #expect(stage.node(2).excusedEnd == .code(7))
    }
  }

  /// Under a fault a trap, another exit code, and other last words are findings.
  @Test(arguments: [
    ("kill -ABRT $$", ""), ("exit 6", ""), ("echo all is well && exit 7", "the disk is full"),
  ])
  func anotherEndThanTheFaultsOwnIsAViolation(_ script: String, _ message: String) async throws {
    let ends = "[ $NODE = 2 ] && sleep 0.3 && \(script); exec sleep 600"
    try await withStage(Sleepers(nodes: 2, script: ends)) { stage in
      stage.node(2).excuse("its disk was full", expecting: [ExpectedEnd(code: 7, message: message)])
      try await Task.sleep(for: .milliseconds(800))
      stage.node(2).endExcuse()
      let found = stage.unexpectedEnds()
      #expect(found.map(\.isViolation) == [true] && stage.node(2).excusedEnd == nil, "\(found)")
      #expect(found.first?.text.contains("not as it may where its disk was full") == true)
    }
  }

  @Test func aFaultOfTheLeaderIsNotDoneToAnotherNode() async throws {
    var system = Sleepers(nodes: 3)
    system.leading = nil
    try await withStage(system) { stage in
      let before = (1...3).map { stage.node($0).pid }
      let record = await inject(stage, .kill(.leader), milliseconds: 100)
      #expect(!record.didBite && record.nodes == [] && record.what.hasPrefix("not done"))
      #expect((1...3).map { stage.node($0).pid } == before)
    }
  }

  @Test func aRecordSaysWhyItsVictimWasChosen() async throws {
    try await withStage(Sleepers(nodes: 3)) { stage in
      let killed = await inject(stage, .kill(.leader), milliseconds: 100)
      #expect(
        killed.nodes == [2] && killed.reason.hasPrefix("n2 led the group of k, as the system"))
      #expect(killed.jsonLine.contains("\"reason\":\"n2 led"))
      let paused = await inject(stage, .pause(.these([1])), milliseconds: 100)
      #expect(paused.reason == "drawn from the seed")
    }
  }

  @Test func aScheduleIsCarriedOutAndLogged() async throws {
    try await withStage(Sleepers(nodes: 3)) { stage in
      let records = await stage.runNemeses(
        ["kill-all"], seconds: 4, seed: 5, clock: RunClock(), hotKey: "k")
      #expect(records.count == 1 && records.allSatisfy { $0.didBite })
      let log = Scratch.read(stage.layout.folder + "/faults.jsonl").split(separator: "\n")
      #expect(log.map(String.init) == records.map(\.jsonLine))
      #expect(log.first?.contains("\"nodes\":[1,2,3]") == true)
    }
  }
}

@Suite struct NemesisBoardTests {
  @Test func layersAddUpAndComeOffByThemselves() {
    let rules = Locked<[Link: LinkRule]>([:])
    let board = LinkBoard(
      apply: { rule, link in rules.withLock { $0[link] = rule } }, count: { _ in LinkCounters() })
    let (one, other) = (Link(NodeLink(from: 1, to: 2)), Link(NodeLink(from: 2, to: 1)))
    var slow = LinkRule()
    slow.delayNanoseconds = 5
    let cut = board.lay([one: .cut, other: .cut])
    let late = board.lay([one: slow])
    #expect(rules.withLock { $0[one]?.isCut == true && $0[one]?.delayNanoseconds == 5 })
    board.lift(cut)
    #expect(rules.withLock { $0[one]?.isCut == false && $0[one]?.delayNanoseconds == 5 })
    #expect(rules.withLock { $0[other] == .open })
    board.replace(late, with: [other: slow])
    #expect(rules.withLock { $0[one] == .open && $0[other]?.delayNanoseconds == 5 })
    board.liftAll()
    #expect(rules.withLock { $0[other] == .open })
    board.lift(late)
  }

  @Test func aReservedPortCanBeListenedOnAgainAndAgain() throws {
    let held = try #require(HeldPort())
    #expect(held.port < 32_768)
    #expect(!RawSocket.connects(to: held.port))
    for _ in 0..<2 {
      let server = try #require(TestListener(port: held.port))
      #expect(RawSocket.connects(to: held.port))
      server.stop()
    }
    // Nobody else who looks for a port is given it.
    let other = try #require(HeldPort())
    #expect(other.port != held.port)
  }

  @Test func aTimelineJoinsEqualSamples() {
    var timeline = Timeline(nodes: 2)
    timeline.note(1, .leader, at: 10)
    timeline.note(2, .follower, at: 10)
    timeline.note(1, .leader, at: 20)
    timeline.note(1, .down, at: 30)
    timeline.note(1, .down, at: 40)
    let states = timeline.states.filter { $0.node == 1 }
    #expect(states.map(\.condition) == [.leader, .down])
    #expect(states.map(\.startNanoseconds) == [10, 30])
    #expect(states.map(\.endNanoseconds) == [30, 40])
  }
}

/// Listens as servers do.
private final class TestListener {
  private let descriptor: Int32

  init?(port: UInt16) {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var yes: Int32 = 1
    unsafe setsockopt(
      descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
    let made = descriptor
    let status = unsafe LoopbackAddress.with(port: port) { unsafe bind(made, $0, $1) }
    guard status == 0, listen(descriptor, 8) == 0 else { return nil }
  }

  func stop() { close(descriptor) }
}
