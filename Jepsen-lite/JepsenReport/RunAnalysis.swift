package import JepsenHistory

/// What a run's history says about service: throughput and latency over time, and how each fault
/// was felt.
package struct RunAnalysis: Sendable {
  /// What ended (or, without an answer, began) in a stretch of time.
  package struct Slot: Hashable, Sendable {
    package var ok = 0
    package var refused = 0
    package var unknown = 0
    /// Of what was answered, in nanoseconds; 0 where nothing was.
    package var median: UInt64 = 0
    package var high: UInt64 = 0
    package var longest: UInt64 = 0

    package init() {}
  }

  package var slotNanoseconds: UInt64
  package var slots: [Slot]
  package var total = Slot()
  /// Operations answered in a second of the load.
  package var rate: Double
  /// By fault, in the order of the record.
  package var effects: [FaultEffect]
  package var seconds: Double

  package init(_ run: RunRecord) {
    let inLoad = run.history.filter { $0.startNanoseconds <= run.loadEndNanoseconds }
    let end = max(run.loadEndNanoseconds, run.faults.map(\.endNanoseconds).max() ?? 0, 1)
    // Some 300 slots of a round length.
    var width: UInt64 = 100_000_000
    while end / width > 300 { width *= width.isMultiple(of: 5) && width / 100_000_000 == 2 ? 5 : 2 }
    slotNanoseconds = width
    slots = Array(repeating: Slot(), count: Int((end + width - 1) / width))
    var latencies: [[UInt64]] = Array(repeating: [], count: slots.count)
    var all: [UInt64] = []
    all.reserveCapacity(inLoad.count)
    for operation in inLoad {
      let isAnswered = operation.outcome == .ok || operation.outcome == .mismatch
      let time =
        isAnswered
        ? operation.endNanoseconds ?? operation.startNanoseconds : operation.startNanoseconds
      let position = min(slots.count - 1, Int(time / width))
      switch operation.outcome {
      case .ok, .mismatch:
        slots[position].ok += 1
        total.ok += 1
        let latency = (operation.endNanoseconds ?? time) - operation.startNanoseconds
        latencies[position].append(latency)
        all.append(latency)
      case .refused:
        slots[position].refused += 1
        total.refused += 1
      case .unknown:
        slots[position].unknown += 1
        total.unknown += 1
      }
    }
    for position in slots.indices { slots[position].summarize(&latencies[position]) }
    total.summarize(&all)
    seconds = Double(max(1, run.loadEndNanoseconds)) / 1e9
    rate = Double(total.ok) / seconds
    let service = Service(inLoad, until: end)
    effects = run.faults.map { service.effect(of: $0, among: run.faults) }
  }
}

extension RunAnalysis.Slot {
  fileprivate mutating func summarize(_ latencies: inout [UInt64]) {
    guard !latencies.isEmpty else { return }
    latencies.sort()
    median = latencies[latencies.count / 2]
    high = latencies[min(latencies.count - 1, latencies.count * 99 / 100)]
    longest = latencies[latencies.count - 1]
  }
}
