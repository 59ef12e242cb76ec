import JepsenHistory
import KVBase
import KVClientCore
import KVCommand
import Testing

@testable import KVSimulator

@Suite struct WorkloadTests {
  @Test func keysHaveTheirModels() {
    #expect(Workload.model(of: "r0-1") == .register)
    #expect(Workload.model(of: "c0-0") == .counter)
    #expect(Workload.model(of: "l3-0") == .list)
  }

  /// What appends leave is read as the list of their elements.
  @Test func aListIsReadAsItsElements() throws {
    var text = ""
    for element in ["v1", "v2++"] {
      let call = PlannedOperation(kind: .append(element), key: "l0-0").call
      guard case .mutate("l0-0", .append(let append)) = call else {
        Issue.record("\(call)")
        return
      }
      text += try #require(append.suffix.text)
    }
    #expect(
      Workload.historyValue(text, of: "l0-0") == .list([.text("v1"), .text("v2++")]))
    #expect(Workload.historyValue(nil, of: "l0-0") == .list([]))
    #expect(Workload.historyValue("v1", of: "r0-0") == .text("v1"))
    #expect(Workload.historyValue(nil, of: "r0-0") == nil)
  }

  /// Every kind of operation comes, and elements are unique.
  @Test func everyKindOfOperationComes() {
    var workload = Workload()
    var random = SeededRandom(seed: 1)
    var elements: [String] = []
    var counts = (reads: 0, writes: 0, swaps: 0, deletes: 0, adds: 0)
    for _ in 0..<2_000 {
      switch workload.next(time: 0, lastSeen: [:], random: &random).kind {
      case .read: counts.reads += 1
      case .write: counts.writes += 1
      case .cas: counts.swaps += 1
      case .delete: counts.deletes += 1
      case .add: counts.adds += 1
      case .append(let element): elements.append(element)
      }
    }
    #expect(counts.reads > 100 && counts.writes > 100 && counts.swaps > 100)
    #expect(counts.deletes > 100 && counts.adds > 100 && elements.count > 100)
    #expect(Set(elements).count == elements.count)
  }
}
