import JepsenHistory
import KVBase
import Testing

@testable import JepsenLite

@Suite struct WorkloadTests {
  /// Runs a workload on a store in memory, and judges it.
  private func judge(
    _ name: String, _ store: FakeStore, seconds: Double = 0.4, keys: Int? = nil
  ) async throws -> (verdicts: [Verdict], history: [HistoryOperation]) {
    let entry = try #require(WorkloadCatalog.named(name))
    let workload = entry.make(keys)
    let recorder = try Recorder(clock: RunClock(), file: nil)
    let load = Load(clients: 5, rate: 2500, timeout: .seconds(1), seed: 5)
    let client = FakeClient(store: store)
    let own = load.caller(client, load.clients, recorder)
    await workload.prepare(own)
    await load.run(
      workload, [any SystemClient](repeating: client, count: load.clients), recorder,
      until: UInt64(seconds * 1e9), StopFlag())
    let finalFrom = recorder.clock.now
    await workload.finish(own, recorder.history())
    let history = recorder.history()
    #expect(recorder.unsupported == nil)
    return (Judge.verdicts(of: workload.checks, history, finalFrom: finalFrom), history)
  }

  @Test(arguments: WorkloadCatalog.all.map(\.name))
  func soundStoresPass(workload: String) async throws {
    let (verdicts, history) = try await judge(workload, FakeStore())
    #expect(!verdicts.isEmpty)
    for verdict in verdicts { #expect(verdict.status == .passed, "\(verdict)") }
    #expect(history.count > 200 && history.allSatisfy { $0.outcome != .unknown })
  }

  @Test(arguments: WorkloadCatalog.all.map(\.name))
  func unknownOutcomesAreNoViolation(workload: String) async throws {
    let store = FakeStore(unknownPerThousand: 30)
    let (verdicts, history) = try await judge(workload, store)
    for verdict in verdicts { #expect(verdict.status == .passed, "\(verdict)") }
    let unknown = history.filter { $0.outcome == .unknown }
    #expect(!unknown.isEmpty && unknown.allSatisfy { $0.endNanoseconds == nil })
    // A process whose operation ended unknown has said its last.
    for operation in unknown {
      #expect(
        !history.contains {
          $0.process == operation.process && $0.startNanoseconds > operation.startNanoseconds
        })
    }
  }

  @Test(arguments: [
    ("register", FakeStore.Fault.staleRead), ("register", .lostWrite), ("register", .resurrection),
    ("list", .lostReplace), ("list", .staleRead), ("list", .replaceAnyVersion),
    ("set", .lostReplace), ("set", .staleRead), ("counter", .doubleAdd), ("counter", .repeatedSum),
    ("bank", .lostReplace), ("bank", .replaceAnyVersion), ("ids", .repeatedSum),
    ("locks", .replaceAnyVersion), ("locks", .deleteAnyVersion), ("scan", .shortScan),
    ("scan", .resurrection), ("session", .staleRead), ("session", .lostWrite),
  ])
  func plantedFaultsAreFound(workload: String, fault: FakeStore.Fault) async throws {
    let (verdicts, _) = try await judge(workload, FakeStore(fault), seconds: 0.8)
    let violated = verdicts.filter { $0.status == .violated }
    #expect(!violated.isEmpty, "\(verdicts)")
    for verdict in violated { #expect(!verdict.text.isEmpty) }
  }

  @Test func staleReadsAreMeasuredNotCondemned() async throws {
    let (verdicts, _) = try await judge("stale", FakeStore(.staleRead))
    for verdict in verdicts { #expect(verdict.status == .passed, "\(verdict)") }
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
    #expect((250...450).contains(recorder.counts.all), "\(recorder.counts)")
  }
}
