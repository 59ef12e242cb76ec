import JepsenHistory
import KVBase
import Testing

@testable import JepsenLite

/// On a store in memory. One after the other: the clients of each keep the machine busy.
@Suite(.serialized) struct WorkloadTests {
  private struct Result {
    var verdicts: [Verdict]
    var history: [HistoryOperation]
  }

  private func judge(
    _ name: String, _ store: FakeStore, operations: Int = 800
  ) async throws -> Result {
    let entry = try #require(WorkloadCatalog.named(name))
    return try await judge(entry.make(name == "register" ? 12 : nil), store, operations)
  }

  private func judge(
    _ workload: any Workload, _ store: FakeStore, _ operations: Int
  ) async throws -> Result {
    let recorder = try Recorder(clock: RunClock(), file: nil)
    let load = Load(clients: 5, rate: 0, timeout: .seconds(1), seed: 5)
    let client = FakeClient(store: store)
    let own = load.caller(client, load.clients, recorder)
    await workload.prepare(own)
    let stop = StopFlag()
    let watcher = Task {
      while recorder.counts.all < operations { try await Task.sleep(for: .milliseconds(2)) }
      stop.set()
    }
    await load.run(
      workload, [any SystemClient](repeating: client, count: load.clients), recorder,
      until: 600_000_000_000, stop)
    watcher.cancel()
    let finalFrom = recorder.clock.now
    await workload.finish(own, recorder.history())
    let history = recorder.history()
    #expect(recorder.unsupported == nil && history.count >= operations)
    return Result(
      verdicts: Judge(history, finalFrom: finalFrom).verdicts(of: workload.checks),
      history: history)
  }

  @Test(arguments: WorkloadCatalog.all.map(\.name))
  func soundStoresPass(workload: String) async throws {
    let result = try await judge(workload, FakeStore())
    #expect(!result.verdicts.isEmpty)
    for verdict in result.verdicts { #expect(verdict.status == .passed, "\(verdict)") }
    #expect(result.history.allSatisfy { $0.outcome != .unknown })
  }

  @Test(arguments: WorkloadCatalog.all.map(\.name))
  func unknownOutcomesAreNoViolation(workload: String) async throws {
    let store = FakeStore(unknownPerThousand: 30)
    let result = try await judge(workload, store)
    for verdict in result.verdicts { #expect(verdict.status == .passed, "\(verdict)") }
    let unknown = result.history.filter { $0.outcome == .unknown }
    #expect(!unknown.isEmpty && unknown.allSatisfy { $0.endNanoseconds == nil })
    // A process whose operation ended unknown has said its last.
    for operation in unknown {
      #expect(
        !result.history.contains {
          $0.process == operation.process && $0.startNanoseconds > operation.startNanoseconds
        })
    }
  }

  @Test(arguments: [
    ("register", FakeStore.Fault.staleRead), ("register", .lostWrite), ("register", .resurrection),
    ("list", .lostReplace), ("list", .staleRead), ("list", .replaceAnyVersion),
    ("set", .lostReplace), ("set", .staleRead), ("counter", .doubleAdd), ("counter", .repeatedSum),
    ("bank", .lostReplace), ("bank", .replaceAnyVersion), ("ids", .repeatedSum),
    ("scan", .shortScan),
    ("scan", .resurrection), ("session", .staleRead), ("session", .lostWrite),
  ])
  func plantedFaultsAreFound(workload: String, fault: FakeStore.Fault) async throws {
    try await expectViolation(judge(workload, FakeStore(fault), operations: 2000))
  }

  private func expectViolation(_ result: Result) throws {
    let violated = result.verdicts.filter { $0.status == .violated }
    #expect(!violated.isEmpty, "\(result.verdicts)")
    for verdict in violated {
      #expect(!verdict.text.isEmpty)
      #expect(verdict.witness.map { !$0.operations.isEmpty } ?? false, "\(verdict)")
    }
  }

  @Test(arguments: [FakeStore.Fault.replaceAnyVersion, .deleteAnyVersion])
  func locksOnFaultyStoresAreFound(fault: FakeStore.Fault) async throws {
    let workload = LockWorkload(keys: 1, lease: .milliseconds(5))
    let store = FakeStore(fault, pauseMicroseconds: 2000)
    try await expectViolation(judge(workload, store, 2000))
  }

  @Test func locksWithoutFencingAreFound() async throws {
    let workload = LockWorkload(keys: 2, lease: .milliseconds(5), isFenced: false)
    try await expectViolation(judge(workload, FakeStore(), 2000))
    let fenced = LockWorkload(keys: 2, lease: .milliseconds(5))
    let result = try await judge(fenced, FakeStore(), 2000)
    for verdict in result.verdicts { #expect(verdict.status == .passed, "\(verdict)") }
  }

  @Test func staleReadsAreMeasuredNotCondemned() async throws {
    let result = try await judge("stale", FakeStore(.staleRead))
    #expect(result.verdicts.first?.status == .passed, "\(result.verdicts)")
  }

  @Test func wheelGivesEveryKeyItsShare() {
    let wheel = KeyWheel("k", keys: 2, usesPerKey: 10)
    var random = SeededRandom(seed: 4)
    for _ in 0..<100 { _ = wheel.use(&random) }
    #expect((9...12).contains(wheel.all.count) && wheel.all.first == "k-0")
  }

  @Test func openSchedulesKeepTheirRate() async throws {
    let entry = try #require(WorkloadCatalog.named("ids"))
    let recorder = try Recorder(clock: RunClock(), file: nil)
    let load = Load(clients: 4, rate: 400, timeout: .seconds(1), seed: 5)
    let client = FakeClient(store: FakeStore())
    await load.run(
      entry.make(nil), [any SystemClient](repeating: client, count: 4), recorder,
      until: 1_000_000_000, StopFlag())
    #expect((150...450).contains(recorder.counts.all), "\(recorder.counts)")
  }
}
